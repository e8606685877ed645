import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from usassist.core.models.mona_variants import VARIANTS, FrequencyGain, FrequencyMona, HybridMona, NoiseGatedMona


def awake(kind, width: int = 16):
    torch.manual_seed(0)
    mona = kind(width, bottleneck=8).eval()
    nn.init.normal_(mona.up.weight)
    return mona


@pytest.mark.parametrize("variant", VARIANTS)
def test_P_N5_every_variant_starts_as_the_identity(variant) -> None:
    x = torch.randn(2, 17, 32)
    assert torch.equal(VARIANTS[variant](32, bottleneck=8).eval()(x), x)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_parameter_of_a_variant_learns(variant) -> None:
    mona = awake(VARIANTS[variant])
    mona(torch.randn(2, 17, 16)).square().sum().backward()
    assert not [name for name, p in mona.named_parameters() if p.grad is None or not bool(p.grad.abs().sum() > 0)]


def test_N4_the_gate_weighs_the_three_convolutions_and_sums_to_one() -> None:
    mona, d = awake(NoiseGatedMona), torch.randn(3, 8, 4, 4)
    weights = mona.gate(d)
    assert torch.allclose(weights.sum(1), torch.ones(3))
    assert not torch.allclose(weights[0], weights[1])  # it looks at the image
    convs = torch.stack([conv(d) for conv in (mona.conv3, mona.conv5, mona.conv7)], dim=1)
    assert torch.allclose(mona.filtered(d), (weights[:, :, None, None, None] * convs).sum(1), atol=1e-6)


def test_N4_a_gate_that_chooses_one_convolution_is_that_convolution() -> None:
    mona, d = awake(NoiseGatedMona), torch.randn(2, 8, 4, 4)
    nn.init.zeros_(mona.gate.excite.weight)
    mona.gate.excite.bias.data = torch.tensor([0.0, 100.0, 0.0])
    assert torch.allclose(mona.filtered(d), mona.conv5(d), atol=1e-6)


def waves(size: int, cycles: int, *, along: int) -> torch.Tensor:
    steps = torch.cos(2 * torch.pi * cycles * torch.arange(size) / size)
    grid = steps[:, None].expand(size, size) if along == 0 else steps[None].expand(size, size)
    return grid.expand(1, 1, size, size)


def test_P_N6_N4_low_and_high_frequencies_get_gains_of_their_own() -> None:
    """A pure wave comes back scaled by the gain of its own frequency; the published filter had one gain for all."""
    gain = FrequencyGain(1)
    gain.gain.data[0] = torch.arange(25.0).reshape(5, 5) / 10 + 0.5  # (vertical, horizontal), each 0 to 1/2
    for cycles, knot in ((0, 0), (2, 1), (4, 2), (6, 3), (8, 4)):
        for along in (0, 1):
            wave = waves(16, cycles, along=along)
            expected = gain.gain.data[0, knot, 0] if along == 0 else gain.gain.data[0, 0, knot]
            assert torch.allclose(gain(wave), wave * expected, atol=1e-4)


def test_N4_the_loss_moves_low_and_high_gains_apart() -> None:
    gain = FrequencyGain(1)
    sharp = waves(16, 8, along=0)
    (gain(waves(16, 1, along=0) + sharp) - sharp).square().mean().backward()
    slopes = gain.gain.grad[0, :, 0]
    assert slopes[0] > 0.01  # the slow wave should go,
    assert abs(slopes[4]) < 1e-6  # the fast one is right as it is


@given(st.integers(2, 21), st.integers(2, 21))
def test_a_new_filter_changes_nothing_at_any_size(height: int, width: int) -> None:
    grid = torch.randn(1, 3, height, width)
    assert torch.allclose(FrequencyGain(3)(grid), grid, atol=1e-5)


@given(st.integers(2, 15), st.integers(2, 15))
def test_gains_do_not_depend_on_the_grid_but_on_the_frequency(height: int, width: int) -> None:
    gain = FrequencyGain(2)
    gain.gain.data.uniform_()
    response = gain.response(height, width)
    assert response.shape == (2, height, width // 2 + 1)
    assert torch.allclose(response[:, 0, 0], gain.gain[:, 0, 0])
    assert torch.allclose(response, response[:, torch.arange(0, -height, -1) % height])  # up is as down
    if height % 2 == 0 and width % 2 == 0:
        assert torch.allclose(response[:, height // 2, width // 2], gain.gain[:, 4, 4])


def test_the_skip_beside_the_filter_sees_the_unfiltered_map() -> None:
    mona, x = awake(FrequencyMona), torch.randn(2, 16, 16)
    mona.frequency.gain.data.zero_()
    d = mona.down(mona.norm(x) * mona.gamma + x * mona.gammax).transpose(1, 2).reshape(2, 8, 4, 4)
    silent = mona.filtered(torch.zeros_like(d))  # the biases only
    m = silent + d
    expected = x + mona.up(F.gelu(m + mona.mix(m)).flatten(2).transpose(1, 2))
    assert torch.allclose(mona(x), expected, atol=1e-5)


def test_N4_the_hybrids_gate_sees_the_filtered_map() -> None:
    mona, d = awake(HybridMona), torch.randn(2, 8, 4, 4)
    mona.frequency.gain.data.uniform_()
    seen = mona.frequency(d)
    weights = mona.gate(seen)
    convs = torch.stack([conv(seen) for conv in (mona.conv3, mona.conv5, mona.conv7)], dim=1)
    assert torch.allclose(mona.filtered(d), (weights[:, :, None, None, None] * convs).sum(1), atol=1e-6)


@pytest.mark.parametrize("value", [1 - 1e-3, 1 + 1e-3])
def test_P_N6_a_small_gain_is_not_rounded_away_under_autocast(value: float) -> None:
    """bfloat16 has no number between 1 and 1.0078: both gains would be 1 there."""
    gain, grid = FrequencyGain(8), torch.randn(2, 8, 6, 6)
    with torch.autocast("cpu", torch.bfloat16):
        before = gain(grid)
        gain.gain.data.fill_(value)
        after = gain(grid)
    assert after.dtype == torch.float32
    assert torch.allclose(after, before * value, atol=1e-6) and not torch.equal(after, before)


@pytest.mark.parametrize("kind", [FrequencyMona, HybridMona])
@pytest.mark.parametrize("value", [1 - 1e-3, 1 + 1e-3])
def test_P_N6_the_answer_under_autocast_follows_a_small_gain(kind, value: float) -> None:
    mona, x = awake(kind), torch.randn(2, 17, 16)
    with torch.autocast("cpu", torch.bfloat16):
        before = mona(x)
        mona.frequency.gain.data.fill_(value)
        after = mona(x)
    assert not torch.equal(after, before)
