"""A model that holds adapters and a head only: its base is found by hash, fills the towers, and nothing is lost."""

import dataclasses
import json
from typing import get_args, get_type_hints

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.core.models import published
from usassist.core.errors import ModelError
from usassist.core.models import base
from usassist.core.models.adapt import select_trainable
from usassist.core.models.adding import add
from usassist.core.models.build import build_model
from usassist.core.models.config import (
    WEIGHTS_FILE,
    AdapterConfig,
    EncoderConfig,
    HeadConfig,
    ModelConfig,
    PreprocessConfig,
)
from usassist.core.models.weights import fill, find_model, load_model, save_model

MONA = AdapterConfig("mona", bottleneck=8)
LORA = AdapterConfig("lora", rank=4, alpha=8.0)
SIZE = published.SIZE


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return published.write_openai(tmp_path_factory.mktemp("openai") / "tiny.pt", published.clip())


@pytest.fixture
def tiny(weights):
    return add(str(weights), name="tiny")


def _config(info, adapter=MONA, *, size=SIZE, **changes) -> ModelConfig:
    encoder = dataclasses.replace(info.config.encoder, base=info.name, base_hash=info.weights_hash)
    return ModelConfig(
        "mine",
        "Mine",
        dataclasses.replace(encoder, **changes),
        adapter=adapter,
        head=HeadConfig("film_skip", widths=(8, 8)),
        preprocess=PreprocessConfig(size),
    )


def _lived_in(config: ModelConfig):
    """Build a model and move whatever may learn, so that nothing is at its start."""
    torch.manual_seed(1)
    model = build_model(config)
    select_trainable(model, config.adapter, trainable="adapters")
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.05)
    return model.eval()


def _answers(model, size=SIZE):
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        features = model.encode(images)
        return features.embedding, model.decode(features, model.embed_texts(["lesion"]).expand(2, -1)).logits


@pytest.mark.parametrize("adapter", [MONA, LORA, AdapterConfig("full", layers=(3,)), AdapterConfig("none")])
def test_N6_a_round_trip_of_adapters_and_head_alone_gives_identical_answers(tmp_path, tiny, adapter) -> None:
    """N6, and P-N7 for LoRA: what learned is in the file, the base is not, and every tensor is the same bits."""
    config = _config(tiny, adapter)
    model = _lived_in(config)
    expected = _answers(model)
    save_model(model, tmp_path / "mine", config=config)
    names = set(load_file(tmp_path / "mine" / WEIGHTS_FILE))
    assert not [name for name in names if name.startswith("encoder.clip.token_embedding")]
    assert (tmp_path / "mine" / WEIGHTS_FILE).stat().st_size < tiny.folder.joinpath(WEIGHTS_FILE).stat().st_size / 4
    again = build_model(ModelConfig.read(tmp_path / "mine"), folder=tmp_path / "mine")
    fill(again, tmp_path / "mine" / WEIGHTS_FILE)
    state = again.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    # The same bits in: the sums still differ in the last place by where the tensors lie in memory.
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(_answers(again.eval()), expected, strict=True))
    assert load_model(str(tmp_path / "mine"))[1].config == config


def test_N6_P_N2_an_adapter_that_is_not_loaded_is_refused_with_counts(tmp_path, tiny) -> None:
    """P-N2: the publication copied the names that matched and left adapters as they were; here none may be missing."""
    config = _config(tiny)
    save_model(_lived_in(config), tmp_path, config=config)
    tensors = load_file(tmp_path / WEIGHTS_FILE)
    adapters = sorted(name for name in tensors if "adapter" in name)
    assert adapters
    renamed = {name.replace("adapter", "mona"): tensor for name, tensor in tensors.items()}
    save_file(renamed, tmp_path / WEIGHTS_FILE)
    with pytest.raises(ModelError, match=f"{len(adapters)} tensors missing, {len(adapters)} unexpected"):
        load_model(str(tmp_path))


@pytest.mark.parametrize(
    ("saved", "described", "words"),
    [
        (MONA, dataclasses.replace(MONA, variant="hybrid"), ["baseline", "hybrid"]),
        (MONA, dataclasses.replace(MONA, bottleneck=16), ["bottleneck 8", "bottleneck 16"]),
        (MONA, dataclasses.replace(MONA, placement="both"), ["mona, end", "mona, both"]),
        (LORA, dataclasses.replace(LORA, rank=8), ["rank 4", "rank 8"]),
        (LORA, dataclasses.replace(LORA, alpha=16.0), ["alpha 8", "alpha 16"]),
        (LORA, MONA, ["lora, rank 4", "mona, end"]),
    ],
)
def test_N6_another_variant_or_rank_is_refused_and_both_are_named(tmp_path, tiny, saved, described, words) -> None:
    config = _config(tiny, saved)
    save_model(_lived_in(config), tmp_path, config=config)
    other = build_model(_config(tiny, described))
    with pytest.raises(ModelError) as caught:
        fill(other, tmp_path / WEIGHTS_FILE)
    assert all(word in str(caught.value) for word in words)


def _adapters() -> list[AdapterConfig]:
    """Return one adapter for every option of every Literal in AdapterConfig."""
    out = []
    for name, kind in get_type_hints(AdapterConfig).items():
        out += [dataclasses.replace(MONA, **{name: option}) for option in get_args(kind) if isinstance(option, str)]
    return out


@pytest.mark.parametrize("adapter", _adapters(), ids=lambda a: f"{a.kind}-{a.placement}-{a.variant}")
def test_P_N3_every_option_that_can_be_chosen_can_be_built(tmp_path, tiny, adapter: AdapterConfig) -> None:
    """P-N3: the publication offered choices without code behind them; here each builds and goes through a file."""
    config = _config(tiny, adapter)
    if adapter.placement == "stages":  # for trunks that are no ViT: a ViT says so
        with pytest.raises(ModelError, match="placement 'end' or 'both'"):
            build_model(config)
        vocabulary = (320, 518)
        config = dataclasses.replace(
            config, encoder=EncoderConfig("usassist-lite0", (0, 2, 4), vocabulary), preprocess=PreprocessConfig(64)
        )
    model = build_model(config)
    save_model(model, tmp_path, config=config)
    fill(model, tmp_path / WEIGHTS_FILE)


def test_P_N3_a_method_that_is_not_named_in_full_is_an_error_not_a_default() -> None:
    """P-N3: without --method the publication trained everything and loaded it as if it were adapters."""
    text = ModelConfig("m", "M", EncoderConfig("ViT-B-16", (1, 2))).to_json()
    described = json.loads(text)
    del described["adapter"]["kind"]
    with pytest.raises(ModelError, match="adapter: kind must be given"):
        ModelConfig.from_json(json.dumps(described), where="model.json")
    del described["adapter"]
    with pytest.raises(ModelError, match="adapter must be given"):
        ModelConfig.from_json(json.dumps(described), where="model.json")
    for wrong in ('"kind": "Mona"', '"kind": ""', '"method": "mona"', '"kind": "fractional"'):
        with pytest.raises(ModelError):
            ModelConfig.from_json(text.replace('"kind": "mona"', wrong), where="model.json")


def test_a_base_that_is_not_here_is_named_with_its_hash(tiny) -> None:
    config = _config(tiny)
    missing = dataclasses.replace(config.encoder, base="nobody", base_hash="ab" * 32)
    with pytest.raises(
        ModelError,
        match=rf"'nobody' with the SHA-256 {'ab' * 32}, which is not among the models here. The bases here are: tiny",
    ):
        base.find(missing)
    with pytest.raises(ModelError, match=rf"'tiny' with the SHA-256 {'ab' * 32}, but .* {tiny.weights_hash}"):
        base.find(dataclasses.replace(missing, base="tiny"))


def test_a_recipes_base_that_is_not_here_says_which_there_are(tiny) -> None:
    with pytest.raises(
        ModelError, match=r"'nobody' is not .*bases here are: tiny\. .*`usassist models add .*--name nobody"
    ):
        base.find_named("nobody")
    assert base.find_named("tiny").weights_hash == tiny.weights_hash
    assert base.find_named(str(tiny.folder)).weights_hash == tiny.weights_hash


def test_a_base_is_found_by_its_weights_under_another_name(tiny) -> None:
    renamed = dataclasses.replace(_config(tiny).encoder, base="its-old-name")
    assert base.find(renamed).name == "tiny"
    unpinned = dataclasses.replace(renamed, base="tiny", base_hash="")
    assert base.pinned(unpinned).base_hash == tiny.weights_hash
    assert base.pinned(tiny.config.encoder) == tiny.config.encoder


def test_a_base_of_another_encoder_is_refused_with_both_names(tiny) -> None:
    with pytest.raises(ModelError, match="tiny-encoder with all words, this model's encoder a ViT-B-16 with all"):
        build_model(_config(tiny, open_clip="ViT-B-16"))


def test_a_model_with_adapters_is_no_base(tiny) -> None:
    shipped = find_model("usassist-us")
    encoder = dataclasses.replace(shipped.config.encoder, base="usassist-us")
    with pytest.raises(ModelError, match=r"'usassist-us' cannot be a base: .* adapter 'mona'"):
        base.find(encoder)


def test_a_model_of_ours_without_adapter_is_a_base_by_its_towers(tmp_path) -> None:
    config = ModelConfig(
        "plain",
        "Plain",
        EncoderConfig("usassist-lite0", (0, 4), (320, 518)),
        adapter=AdapterConfig("none"),
        head=HeadConfig(widths=(8,)),
        preprocess=PreprocessConfig(64),
    )
    model = build_model(config).eval()
    model.load_state_dict({n: t.half().float() if t.is_floating_point() else t for n, t in model.state_dict().items()})
    save_model(model, tmp_path / "plain", config=config)
    info = add(str(tmp_path / "plain"))
    other = build_model(dataclasses.replace(_config(info, size=64), head=HeadConfig(widths=(8,)))).eval()
    image = torch.randn(1, 3, 64, 64)
    assert torch.allclose(other.encode(image).embedding, model.encode(image).embedding, atol=1e-6)


@pytest.mark.parametrize("size", [64, 48])
def test_another_image_size_resizes_the_bases_positions(tmp_path, tiny, size: int) -> None:
    config = _config(tiny, size=size)
    model = _lived_in(config)
    expected = base.resize_positions(
        load_file(tiny.folder / WEIGHTS_FILE)["encoder.clip.visual.positional_embedding"], (size // 8) ** 2 + 1
    )
    assert torch.allclose(model.encoder.clip.visual.positional_embedding, expected)
    save_model(model, tmp_path, config=config)
    again, _ = load_model(str(tmp_path))
    assert torch.allclose(_answers(again, size)[0], _answers(model, size)[0], atol=1e-2)


def test_saving_adapters_alone_refuses_to_lose_what_else_learned(tmp_path, tiny) -> None:
    """P-N3, P-N7: a tower that was trained and would not be in the file is an error, not a surprise later."""
    config = _config(tiny)
    model = _lived_in(config)
    with torch.no_grad():
        model.encoder.clip.visual.ln_post.bias.add_(0.1)
        model.encoder.clip.positional_embedding.add_(0.1)
    with pytest.raises(ModelError, match="2 tensors outside the adapters are no longer those of the base 'tiny'"):
        save_model(model, tmp_path, config=config)
    assert not (tmp_path / WEIGHTS_FILE).exists()


def test_a_moving_average_of_a_frozen_tower_is_still_the_base(tmp_path, tiny) -> None:
    config = _config(tiny)
    model = _lived_in(config)
    averaged = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.97))
    for _ in range(20):
        averaged.update_parameters(model)
    save_model(averaged.module, tmp_path, config=config)


def test_a_base_that_lost_a_tensor_is_refused_with_counts(tiny) -> None:
    tensors = load_file(tiny.folder / WEIGHTS_FILE)
    del tensors["encoder.clip.visual.proj"]
    save_file(tensors, tiny.folder / WEIGHTS_FILE)
    damaged = find_model("tiny")
    with pytest.raises(ModelError, match="1 tensors missing, 0 unexpected"):
        build_model(_config(damaged))


@pytest.mark.parametrize("task", ["segment", "classify"])
def test_N5_supervised_lora_is_saved_and_loaded_to_the_bit(tmp_path, tiny, task: str) -> None:
    """Trained by its own loss, written, read: the logits are those that training ended with (P-N7)."""
    head = HeadConfig("film_skip", widths=(8, 8)) if task == "segment" else HeadConfig("pooled", width=16)
    config = dataclasses.replace(_config(tiny, LORA), head=head, task=task, classes=("a", "b") * (task == "classify"))
    torch.manual_seed(1)
    model = build_model(config)
    select_trainable(model, LORA, trainable="adapters")
    images = torch.randn(4, 3, SIZE, SIZE)

    def logits(which) -> torch.Tensor:
        return which.classify(images) if task == "classify" else which.decode(which.encode(images), None).logits

    start = logits(model.eval()).detach()
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    for _ in range(3):
        optimiser.zero_grad()
        logits(model).square().mean().backward()
        optimiser.step()
    save_model(model, tmp_path / "run", config=config)
    again = build_model(config)
    fill(again, tmp_path / "run" / WEIGHTS_FILE)
    with torch.no_grad():
        learned = logits(model)
        assert not torch.allclose(learned, start, atol=1e-3)
        assert torch.equal(logits(again.eval()), learned)
    stored = load_file(tmp_path / "run" / WEIGHTS_FILE)
    factors = [name for name in stored if name.endswith((".down", ".up"))]
    assert factors
    assert any(bool(stored[name].abs().max() > 0) for name in factors if name.endswith(".up"))
