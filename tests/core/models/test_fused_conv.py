import copy
import dataclasses
import logging

import pytest
import torch
from torch import nn

from tests.core.models.test_fold import _lived_in
from usassist.core.models import fused_conv
from usassist.core.models.build import build_segmenter
from usassist.core.models.config import AdapterConfig, EncoderConfig, HeadConfig, ModelConfig, PreprocessConfig
from usassist.core.models.convolutions import SameConv
from usassist.core.models.fold import fold_batch_norms
from usassist.core.models.fused_conv import FusedConv, fuse_convolutions, fuses
from usassist.core.models.prompt_maps import SpatialPrompt, prompt_maps
from usassist.core.models.work import make_ready

needs_operator = pytest.mark.skipif(not fuses(), reason="this torch or processor has no exact fused convolution")


@needs_operator
@pytest.mark.parametrize("activation", [nn.Identity(), nn.ReLU(), nn.ReLU6()])
@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(6, 8, 1, bias=False),
        nn.Conv2d(6, 8, 3, padding=1),
        nn.Conv2d(6, 6, 5, padding=2, groups=6),
        nn.Conv2d(6, 8, 2, stride=2),
        SameConv(6, 8, 3, stride=2, bias=True),
        SameConv(6, 6, 5, stride=2, groups=6),
    ],
    ids=str,
)
def test_one_step_answers_as_the_two_modules(conv, activation) -> None:
    fused = FusedConv(conv, activation)
    with torch.inference_mode():
        for size in ((1, 6, 16, 16), (3, 6, 16, 16), (1, 6, 15, 16), (1, 6, 16, 15), (2, 6, 15, 15), (1, 6, 16, 16)):
            for layout in (torch.channels_last, torch.contiguous_format):
                x = 4 * torch.randn(size).contiguous(memory_format=layout)
                assert torch.allclose(fused(x), activation(conv(x)), atol=1e-5)


@needs_operator
@pytest.mark.parametrize("activation", [nn.Identity(), nn.ReLU()])
@pytest.mark.parametrize("bias", [False, True])
def test_what_lasts_and_what_changes_add_up(bias, activation) -> None:
    conv = nn.Conv2d(9, 8, 3, padding=1, bias=bias)
    fused = FusedConv(conv, activation)
    assert fused.cut(4) is fused.cut(4) is not fused.cut(3)
    with torch.inference_mode():
        for batch, side in ((1, 16), (2, 15)):
            lasts, one, other = (4 * torch.randn(batch, channels, side, side) for channels in (4, 5, 5))
            first, last = fused.cut(4)
            kept = last(lasts)
            for changes in (one, other):
                expected = activation(conv(torch.cat([changes, lasts], dim=1)))
                assert torch.allclose(first(changes, plus=kept), expected, atol=1e-5)
                assert torch.allclose(fused(torch.cat([changes, lasts], dim=1)), expected, atol=1e-5)


@needs_operator
def test_the_order_of_the_weights_follows_the_number_of_threads() -> None:
    fused, x = FusedConv(nn.Conv2d(16, 16, 3, padding=1), nn.ReLU()), torch.randn(1, 16, 32, 32)
    before, orders = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            with torch.inference_mode():
                fused(x)
                orders.append(fused._ordered)
                assert fused(x) is not None and fused._ordered is orders[-1], "made once a size"
    finally:
        torch.set_num_threads(before)
    assert orders[0] is not orders[1]


_NONE = AdapterConfig("none")


def _heads(small_config: ModelConfig) -> list[ModelConfig]:
    clicks, small_config = (
        HeadConfig("promptable", widths=(32, 24, 16)),
        dataclasses.replace(small_config, adapter=_NONE),
    )
    encoder = dataclasses.replace(small_config.encoder, taps=(1, 2, 3, 4))
    return [small_config, dataclasses.replace(small_config, encoder=encoder, head=clicks)]


@needs_operator
@pytest.mark.parametrize("which", [0, 1], ids=["film_skip", "promptable"])
def test_a_fused_model_answers_the_same(small_config, which) -> None:
    config = _heads(small_config)[which]
    torch.manual_seed(0)
    model = _lived_in(build_segmenter(config).eval())
    fused = copy.deepcopy(model)
    fold_batch_norms(fused)
    assert fuse_convolutions(fused) == sum(isinstance(module, nn.Conv2d) for module in model.modules()) > 50
    parts = (fused.encoder.clip.visual.trunk, fused.head)
    assert not [m for part in parts for m in part.modules() if isinstance(m, nn.Conv2d | nn.ReLU | nn.ReLU6)]
    for batch, side in ((1, 128), (2, 128), (1, 100)):
        image = torch.randn(batch, 3, side, side)
        pointed = prompt_maps([SpatialPrompt(positive=((0.5, 0.4),))] * batch, side=side // 4) if which else None
        with torch.inference_mode():
            expected, found = (
                m.decode(m.encode(image), m.embed_texts(["lesion"]), maps=pointed) for m in (model, fused)
            )
        for name in ("logits", "presence", "quality"):
            assert torch.allclose(getattr(found, name), getattr(expected, name), atol=1e-3, rtol=1e-3)


@needs_operator
def test_adapters_keep_the_weights_they_compute_with(small_config) -> None:
    torch.manual_seed(0)
    adapter = AdapterConfig("mona", placement="stages", bottleneck=8)
    model = _lived_in(build_segmenter(dataclasses.replace(small_config, adapter=adapter)).eval())
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".adapter." in name:
                parameter.add_(torch.randn_like(parameter) * 0.05)
        image = torch.randn(1, 3, 128, 128)
        before = model.encode(image)
        fold_batch_norms(model)
        assert fuse_convolutions(model) == 54
        after = model.encode(image)
    assert all(torch.allclose(a, b, atol=1e-3, rtol=1e-3) for a, b in zip(before.taps, after.taps, strict=True))


def test_a_foreign_tower_is_left_as_it_is(tmp_path) -> None:
    (tmp_path / "tiny-resnet.json").write_text(
        '{"embed_dim": 16, "vision_cfg": {"image_size": 64, "timm_model_name": "resnet10t", "timm_pool": "avg", '
        '"timm_proj": "linear"}, "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 32, "heads": 2, '
        '"layers": 1}}'
    )
    head, preprocess = HeadConfig(widths=(8,)), PreprocessConfig(64)
    config = ModelConfig("r", "R", EncoderConfig("tiny-resnet", (1, 2)), AdapterConfig("none"), head, preprocess)
    model = make_ready(build_segmenter(config, folder=tmp_path))
    assert not [module for module in model.encoder.modules() if isinstance(module, FusedConv)]


def test_without_the_operator_the_plain_modules_stay(small_model, monkeypatch) -> None:
    monkeypatch.setattr(fused_conv, "fuses", lambda: False)
    model = make_ready(copy.deepcopy(small_model))
    assert not [module for module in model.modules() if isinstance(module, FusedConv)]
    with torch.inference_mode():
        assert model.encode(torch.randn(1, 3, 64, 64)).batch == 1


def _fails(*_args: object) -> bool:
    raise RuntimeError("no such argument")


def _lacks(*_args: object) -> bool:
    raise AttributeError("has no overload name")


@pytest.mark.parametrize(
    ("name", "broken", "said"),
    [
        ("_has_operators", lambda: False, "has no fused convolution"),
        ("_is_exact", lambda *_: False, "is not exact"),
        ("_is_exact", _fails, "does not run here"),
        ("_is_exact", _lacks, "does not run here"),
    ],
)
def test_an_operator_that_is_missing_or_wrong_is_not_used_and_the_log_says_why(
    name, broken, said, monkeypatch, caplog
) -> None:
    monkeypatch.setattr(fused_conv, name, broken)
    with caplog.at_level(logging.INFO, logger=fused_conv.__name__):
        assert not fuses.__wrapped__()
    assert said in caplog.text


@needs_operator
def test_the_probe_sees_a_wrong_sum(monkeypatch) -> None:
    monkeypatch.setattr(FusedConv, "forward", lambda self, x: torch.nn.functional.conv2d(x, self.weight))
    with torch.inference_mode():
        assert not fused_conv._is_exact(nn.Conv2d(8, 16, 1), nn.ReLU6())


@needs_operator
def test_the_probe_sees_that_a_part_is_not_added(monkeypatch) -> None:
    right = FusedConv.forward
    monkeypatch.setattr(FusedConv, "forward", lambda self, x, plus=None: right(self, x))
    with torch.inference_mode():
        assert fused_conv._is_exact(SameConv(8, 8, 3, stride=2, groups=8), nn.ReLU())
        assert not fused_conv._is_exact(nn.Conv2d(8, 16, 1), nn.ReLU())


@needs_operator
def test_what_no_click_changes_is_asked_once_for_a_single_image(small_config) -> None:
    model = make_ready(build_segmenter(_heads(small_config)[1]).eval())
    for batch in (1, 2):
        with torch.inference_mode():
            begun = model.begin(model.encode(torch.randn(batch, 3, 64, 64)))
        assert [kept is not None for kept in begun.lasting] == [batch == 1] * 3
