import torch


def test_encode_then_decode_is_forward(small_model) -> None:
    images = torch.randn(2, 3, 256, 256)
    ids = small_model.encoder.tokenizer(["breast lesion", "lesion"])
    with torch.inference_mode():
        whole, _, _ = small_model(images, ids, torch.tensor([True, True]))
        parts = small_model.decode(small_model.encode(images), small_model.embed_texts(["breast lesion", "lesion"]))
    assert torch.allclose(whole.logits, parts.logits, atol=1e-5)


def test_the_shipped_architecture_fits_16_mb_in_half_precision(small_model) -> None:
    assert small_model.parameter_count() * 2 < 16_000_000


def test_inference_needs_no_gradients(small_model) -> None:
    assert not any(p.requires_grad for p in small_model.parameters())
    assert not small_model.training
