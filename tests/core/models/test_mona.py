import pytest
import torch
from torch import nn

from tests.core.models.towers import TRANSFORMERS
from usassist.core.errors import ModelError
from usassist.core.models.mona import AdaptedBlock, AdaptedStage, Mona, TwiceAdaptedBlock


def test_N3_111_872_parameters_at_width_768_and_bottleneck_64() -> None:
    assert sum(p.numel() for p in Mona(768).parameters()) == 111_872


@pytest.mark.parametrize("shape", [(2, 197, 32), (2, 196, 32), (2, 32, 5, 7)])
def test_P_N5_a_fresh_adapter_is_the_identity(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    assert torch.equal(Mona(32, bottleneck=8).eval()(x), x)


def awake(width: int) -> Mona:
    mona = Mona(width, bottleneck=8).eval()
    nn.init.normal_(mona.up.weight)
    return mona


def test_P_N1_the_class_token_passes_untouched_and_is_not_doubled() -> None:
    x = torch.randn(2, 17, 32)
    out = awake(32)(x)
    assert torch.equal(out[:, 0], x[:, 0])
    assert not torch.allclose(out[:, 1:], x[:, 1:])


def test_maps_and_tokens_are_adapted_alike() -> None:
    mona = awake(32)
    grid = torch.randn(2, 32, 4, 4)
    tokens = grid.flatten(2).transpose(1, 2)
    assert torch.allclose(mona(grid), mona(tokens).transpose(1, 2).reshape(grid.shape), atol=1e-6)


def test_a_grid_that_is_not_square_is_given() -> None:
    mona = awake(32)
    grid = torch.randn(1, 32, 2, 6)
    tokens = grid.flatten(2).transpose(1, 2)
    assert torch.allclose(mona(grid).flatten(2).transpose(1, 2), mona(tokens, grid=(2, 6)), atol=1e-6)


def test_it_follows_the_published_formula() -> None:
    mona = awake(16)
    x = torch.randn(1, 16, 3, 3)
    tokens = x.flatten(2).transpose(1, 2)
    u = mona.norm(tokens) * mona.gamma + tokens * mona.gammax
    d = mona.down(u).transpose(1, 2).reshape(1, 8, 3, 3)
    m = (mona.conv3(d) + mona.conv5(d) + mona.conv7(d)) / 3 + d
    p = m + mona.mix(m)
    expected = tokens + mona.up(torch.nn.functional.gelu(p).flatten(2).transpose(1, 2))
    assert torch.allclose(mona(tokens), expected, atol=1e-6)


def test_one_kernel_learns_as_the_three_would() -> None:
    mona, d = awake(16).train(), torch.randn(2, 8, 5, 5)
    convs = (mona.conv3, mona.conv5, mona.conv7)
    plain = sum(conv(d) for conv in convs) / 3
    kept = [p for conv in convs for p in conv.parameters()]
    expected = torch.autograd.grad(plain.square().sum(), kept)
    found = torch.autograd.grad(mona.filtered(d).square().sum(), kept)
    assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-5) for a, b in zip(expected, found, strict=True))


def test_bfloat16_features_stay_bfloat16_while_the_adapter_learns_in_float32() -> None:
    mona, x = awake(32), torch.randn(2, 17, 32)
    out = mona(x.bfloat16())
    assert out.dtype == torch.bfloat16
    assert torch.allclose(out.float(), mona(x), atol=0.15)
    out.float().sum().backward()
    assert {p.grad.dtype for p in mona.parameters() if p.grad is not None} == {torch.float32}


def test_the_convolutions_stay_float32_under_autocast() -> None:
    mona, grid = awake(16), {}
    mona.dropout.register_forward_hook(lambda _module, given, _out: grid.update(mixed=given[0]))
    with torch.autocast("cpu", torch.bfloat16):
        mona(torch.randn(1, 10, 16), grid=(3, 3))
    assert grid["mixed"].dtype == torch.float32


def test_both_token_layouts_give_the_same() -> None:
    mona, x = awake(16), torch.randn(2, 5, 16)
    first = AdaptedBlock(nn.Identity(), mona, prefix=1)(x)
    last = AdaptedBlock(nn.Identity(), mona, prefix=1, batch_first=False)(x.transpose(0, 1)).transpose(0, 1)
    assert torch.allclose(first, last)


def test_patches_that_form_no_square_are_a_sentence() -> None:
    with pytest.raises(ModelError, match="6 patch tokens, which form no square"):
        AdaptedBlock(nn.Identity(), awake(16), prefix=1)(torch.randn(1, 7, 16))


def test_a_stage_with_channels_last_is_adapted_alike() -> None:
    mona, grid = awake(16), torch.randn(2, 16, 3, 5)
    expected = AdaptedStage(nn.Identity(), mona)(grid)
    last = AdaptedStage(nn.Identity(), mona, channels_last=True)(grid.permute(0, 2, 3, 1))
    assert torch.allclose(last.permute(0, 3, 1, 2), expected, atol=1e-6)


@pytest.mark.parametrize("layout", TRANSFORMERS)
def test_N3_two_adapters_stand_behind_the_attention_and_behind_the_mlp(layout: str) -> None:
    """The published placement, step by step: block by hand, adapter between and behind its two residuals."""
    tower = TRANSFORMERS[layout]()
    holder = tower.transformer.resblocks if hasattr(tower, "transformer") else tower.trunk.blocks
    batch_first, prefix = (
        getattr(getattr(tower, "transformer", None), "batch_first", True),
        int("without" not in layout),
    )
    prefix = 0 if layout == "our trunk" else prefix
    block, (one, two) = holder[0], (awake(32), awake(32))
    x = torch.randn(2, 16 + prefix, 32)
    if hasattr(block, "ln_1"):

        def attend(t):
            given = block.ln_1(t) if batch_first else block.ln_1(t).transpose(0, 1)
            out = block.attn(given, given, given, need_weights=False)[0]
            return t + (out if batch_first else out.transpose(0, 1))

        def think(t):
            return t + block.mlp(block.ln_2(t))
    else:

        def attend(t):
            return t + block.attn(block.norm1(t))

        def think(t):
            return t + block.mlp(block.norm2(t))

    def adapt(mona, t):
        return torch.cat([t[:, :prefix], mona(t[:, prefix:])], 1)

    layouts = {"prefix": prefix, "batch_first": batch_first}
    for adapters in ((one, two), (one,)):
        expected = adapt(adapters[-1], think(adapt(adapters[0], attend(x))))
        found = TwiceAdaptedBlock(block, adapters, **layouts)(x if batch_first else x.transpose(0, 1))
        assert torch.allclose(found if batch_first else found.transpose(0, 1), expected, atol=1e-5)


def test_a_mask_is_refused_where_a_block_is_taken_apart() -> None:
    tower = TRANSFORMERS["timm"]()
    block = TwiceAdaptedBlock(tower.trunk.blocks[0], [awake(32)], prefix=1)
    with pytest.raises(ModelError, match="was given a mask"):
        block(torch.randn(1, 17, 32), attn_mask=torch.ones(17, 17))
