"""The contrastive losses against explicit loops, and against what the published loss file got wrong."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from usassist.core.training.contrast_losses import dhn_nce, info_nce, similarities


def pairs(count: int, seed: int = 0, width: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(count, width, generator=draw), torch.randn(count, width, generator=draw)


def dhn_nce_by_loops(image: torch.Tensor, text: torch.Tensor, tau: float, beta1: float, beta2: float) -> float:
    """Return the formula of the specification, number by number."""
    unit_image, unit_text = F.normalize(image.double(), dim=1), F.normalize(text.double(), dim=1)
    count = len(image)
    s = [[float(unit_image[i] @ unit_text[j]) / tau for j in range(count)] for i in range(count)]
    total = 0.0
    for beta, of in ((beta1, lambda i, j: s[i][j]), (beta2, lambda i, j: s[j][i])):
        for i in range(count):
            others = [j for j in range(count) if j != i]
            normaliser = sum(math.exp(beta * of(i, k)) for k in others)
            weighted = 0.0
            for j in others:
                weight = (count - 1) * math.exp(beta * of(i, j)) / normaliser
                weighted += weight * math.exp(of(i, j))
            total += (-s[i][i] + math.log(weighted)) / count
    return total


@given(
    count=st.integers(2, 9),
    seed=st.integers(0, 1000),
    tau=st.sampled_from([0.07, 0.6, 1.0]),
    beta1=st.sampled_from([0.0, 0.15, 1.0]),
    beta2=st.sampled_from([0.0, 0.15, 2.0]),
)
def test_M1_dhn_nce_equals_an_explicit_double_loop(count, seed, tau, beta1, beta2) -> None:
    image, text = pairs(count, seed)
    expected = dhn_nce_by_loops(image, text, tau, beta1, beta2)
    found = float(dhn_nce(image.double(), text.double(), scale=1 / tau, beta1=beta1, beta2=beta2))
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-6 / tau)


def test_M1_beta_0_is_the_decoupled_nce() -> None:
    image, text = pairs(8)
    s = similarities(image, text) / 0.6
    off = ~torch.eye(8, dtype=torch.bool)
    rows = torch.stack([s[i][off[i]].logsumexp(0) - s[i, i] for i in range(8)]).mean()
    cols = torch.stack([s[:, i][off[:, i]].logsumexp(0) - s[i, i] for i in range(8)]).mean()
    assert float(dhn_nce(image, text, beta1=0.0, beta2=0.0)) == pytest.approx(float(rows + cols), abs=1e-5)


def test_M1_the_positive_is_not_in_the_denominator() -> None:
    # With the pair itself in the sum the loss is never below 0; decoupled it is once the negatives lie far off.
    image = torch.eye(2)
    assert float(dhn_nce(image, image, scale=20.0)) < -30


def test_P_M1_perfect_pairs_cost_far_less_than_swapped_ones() -> None:
    # The published loss file told them apart by 0.03 (-0.633 and -0.605); the formula by about 4 (2.36 and 6.21).
    perfect, swapped = [], []
    for seed in range(20):
        image, _ = pairs(16, seed)
        perfect.append(float(dhn_nce(image, image)))
        swapped.append(float(dhn_nce(image, image.roll(1, 0))))
    assert sum(perfect) / 20 == pytest.approx(2.36, abs=0.1)
    assert sum(swapped) / 20 == pytest.approx(6.21, abs=0.1)


def test_P_M2_the_last_small_batch_counts_its_own_size_and_nothing_overflows() -> None:
    for count in (2, 3):
        image, text = pairs(count)
        expected = dhn_nce_by_loops(image, text, 0.6, 0.15, 0.15)
        assert float(dhn_nce(image, text)) == pytest.approx(expected, abs=1e-5)
    image, text = pairs(4)
    steep = dhn_nce(image, text, scale=1000.0)  # exp(1000) is infinite in any float
    assert torch.isfinite(steep)
    assert float(dhn_nce(*pairs(1))) == 0.0


@pytest.mark.parametrize("loss", [info_nce, dhn_nce])
def test_N9_perfect_is_less_than_swapped(loss) -> None:
    image, _ = pairs(16)
    assert float(loss(image, image, scale=10.0)) < float(loss(image, image.flip(0), scale=10.0))


@pytest.mark.parametrize("loss", [info_nce, dhn_nce])
def test_gradients_agree_with_finite_differences(loss) -> None:
    image, text = (part.requires_grad_() for part in pairs(4, width=5))
    value = loss(image, text, scale=2.0)
    value.backward()
    step = torch.zeros_like(image)
    step[1, 2] = 1e-2
    with torch.no_grad():
        slope = (loss(image + step, text, scale=2.0) - loss(image - step, text, scale=2.0)) / 2e-2
    assert float(image.grad[1, 2]) == pytest.approx(float(slope), abs=1e-3)
    assert float(text.grad.abs().sum()) > 0


def test_info_nce_is_clips_cross_entropy() -> None:
    image, text = pairs(6)
    logits = similarities(image, text) / 0.07
    order = torch.arange(6)
    expected = (F.cross_entropy(logits, order) + F.cross_entropy(logits.T, order)) / 2
    assert float(info_nce(image, text, scale=1 / 0.07)) == pytest.approx(float(expected), rel=1e-5)
    nobody = torch.zeros(6, 6, dtype=torch.bool)
    assert float(info_nce(image, text, scale=1 / 0.07, same=nobody)) == pytest.approx(float(expected), rel=1e-5)


def test_equal_captions_are_not_pushed_apart() -> None:
    _, one = pairs(2)
    text = one[[0, 0, 1, 1]]
    same = torch.tensor([0, 0, 1, 1])[:, None] == torch.tensor([0, 0, 1, 1])[None, :]
    # Images at their captions: nothing is left to learn, unless equal captions count as negatives.
    assert float(info_nce(text, text, scale=50.0, same=same)) == pytest.approx(math.log(2), abs=1e-3)
    spared, punished = dhn_nce(text, text, same=same), dhn_nce(text, text)
    assert float(spared) < float(punished)
    everything = torch.ones(4, 4, dtype=torch.bool)
    assert float(dhn_nce(text, text, same=everything)) == 0.0


def test_info_nce_does_not_lose_decimals_under_autocast() -> None:
    image, text = pairs(16, width=64)
    exact = float(info_nce(image, text, scale=100.0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert float(info_nce(image, text, scale=100.0)) == pytest.approx(exact, rel=1e-6)
