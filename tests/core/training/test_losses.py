import functools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from usassist.core.training.distances import signed_distances
from usassist.core.training.losses import (
    bce_loss,
    boundary_loss,
    class_dice_loss,
    counts_of,
    cross_entropy,
    dice_loss,
    focal_loss,
    hard_dice,
    soft_dice,
)


def _pair() -> tuple[torch.Tensor, torch.Tensor]:
    truth = torch.zeros(2, 1, 8, 8)
    truth[0, :, 2:5, 2:5] = 1
    return (truth * 2 - 1) * 20, truth


def _classes(seed: int, channels: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, channels, 6, 5, generator=generator)
    return logits, torch.randint(0, channels, (3, 6, 5), generator=generator)


def test_P_C4_a_perfect_prediction_costs_nothing() -> None:
    logits, truth = _pair()
    assert dice_loss(logits, truth) < 1e-3
    assert dice_loss(logits, truth, squared=True) < 1e-3
    assert bce_loss(logits, truth) < 1e-3
    index = truth[:, 0].long()
    two = torch.cat([-logits, logits], dim=1)
    assert class_dice_loss(two[:1], index[:1], squared=True) < 1e-6
    assert cross_entropy(two, index) < 1e-6


def test_an_empty_truth_is_left_to_the_cross_entropy() -> None:
    logits, truth = torch.full((1, 1, 8, 8), 5.0), torch.zeros(1, 1, 8, 8)
    assert dice_loss(logits, truth) == 0
    assert bce_loss(logits, truth) > 4


def test_soft_dice_of_halves() -> None:
    truth = torch.ones(1, 1, 1, 100)
    logits = torch.full_like(truth, -50.0)
    logits[..., :50] = 50
    assert torch.isclose(soft_dice(logits, truth)[0], torch.tensor(101 / 151))


@given(st.integers(0, 999), st.integers(2, 5), st.booleans())
def test_N13_class_dice_is_the_published_formula(seed: int, channels: int, squared: bool) -> None:
    """Written out as MONAI's DiceLoss(softmax=True, to_onehot_y=True, squared_pred=..., smooth 1e-8) computes it."""
    logits, index = _classes(seed, channels)
    total = torch.zeros(())
    for sample in range(3):
        p = logits[sample].softmax(0)
        for channel in range(channels):
            g = (index[sample] == channel).float()
            overlap = (p[channel] * g).sum()
            below = (p[channel] ** 2).sum() + (g**2).sum() if squared else p[channel].sum() + g.sum()
            total += 1 - (2 * overlap + 1e-8) / (below + 1e-8)
    assert torch.isclose(class_dice_loss(logits, index, squared=squared), total / (3 * channels), atol=1e-6)


def test_focal_with_gamma_0_is_the_cross_entropy() -> None:
    logits, truth = torch.randn(2, 1, 8, 8), (torch.rand(2, 1, 8, 8) > 0.5).float()
    assert torch.isclose(focal_loss(logits, truth, gamma=0.0), bce_loss(logits, truth))
    several, index = _classes(1, 3)
    assert torch.isclose(focal_loss(several, index, gamma=0.0), cross_entropy(several, index))


def test_focal_is_the_published_formula_and_has_a_gradient_where_all_is_certain() -> None:
    logits, truth = torch.randn(2, 1, 8, 8), (torch.rand(2, 1, 8, 8) > 0.5).float()
    p = torch.where(truth > 0, logits.sigmoid(), 1 - logits.sigmoid())
    assert torch.isclose(focal_loss(logits, truth, gamma=2.0), (-((1 - p) ** 2) * p.log()).mean(), atol=1e-6)
    certain = torch.full((1, 1, 2, 2), 60.0, requires_grad=True)
    focal_loss(certain, torch.ones(1, 1, 2, 2), gamma=0.5).backward()
    assert certain.grad is not None and bool(certain.grad.isfinite().all())


def test_the_boundary_loss_prefers_what_is_near_and_is_lowest_at_the_truth() -> None:
    truth = torch.zeros(32, 32, dtype=torch.uint8)
    truth[10:20, 10:20] = 1
    distances = torch.from_numpy(signed_distances(truth.numpy(), objects=1))[None]

    def cost(rows: slice, cols: slice) -> float:
        probability = torch.zeros(1, 1, 32, 32)
        probability[..., rows, cols] = 1
        return float(boundary_loss(probability, distances))

    exact = cost(slice(10, 20), slice(10, 20))
    near = cost(slice(10, 21), slice(10, 20))
    far = cost(slice(10, 20), slice(22, 32))
    assert exact < near < 0 < far


def test_P_C6_dice_is_of_decided_pixels_and_of_each_image() -> None:
    truth = torch.ones(2, 4)
    probability = torch.tensor([0.6, 0.4])[:, None].expand(2, 4)
    assert hard_dice(probability, truth).tolist() == [1.0, 0.0]


def test_hard_dice_of_two_empty_masks_is_one() -> None:
    logits, truth = _pair()
    assert torch.equal(hard_dice(logits.sigmoid().flatten(1), truth.flatten(1)), torch.ones(2))


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_losses_of_logits_as_large_as_half_precision_allows_are_finite(gamma: float) -> None:
    logits = torch.full((1, 2, 4, 4), 6e4, requires_grad=True)
    index = torch.ones(1, 4, 4, dtype=torch.long)
    total = (
        class_dice_loss(logits, index, squared=True)
        + cross_entropy(logits, index)
        + focal_loss(logits, index, gamma=gamma)
    )
    total.backward()
    assert total.isfinite() and logits.grad is not None and bool(logits.grad.isfinite().all())
    assert F.cross_entropy(logits, index).isfinite()


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("logit", [-20.0, 20.0, -200.0, 200.0])
def test_the_focal_weight_of_a_sure_answer_has_a_finite_gradient(gamma: float, logit: float) -> None:
    logits = torch.full((1, 1, 1, 2), logit, requires_grad=True)
    focal_loss(logits, torch.tensor([[[[0.0, 1.0]]]]), gamma=gamma).backward()
    assert logits.grad is not None and bool(logits.grad.isfinite().all())


@pytest.mark.parametrize("loss", [bce_loss, functools.partial(focal_loss, gamma=1.5)])
def test_images_that_show_nothing_count_as_told_unless_somebody_points_at_them(loss) -> None:
    truth = torch.zeros(3, 8, 8, dtype=torch.uint8)
    truth[0, 2:5, 2:5] = 1
    target = truth[:, None].float()
    pointed = torch.tensor([False, False, True])
    for empty, where in ((0.0, [True, False, True]), (0.25, [True, True, True])):
        logits = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(1)).requires_grad_()
        counts = counts_of(truth, empty=empty, pointed=pointed)
        loss(logits, target, counts=counts).backward()
        assert logits.grad.flatten(1).any(1).tolist() == where
    logits = logits.detach()
    alone = [float(loss(logits[i : i + 1], target[i : i + 1])) for i in range(3)]
    assert float(loss(logits, target, counts=counts)) == pytest.approx(np.average(alone, weights=[1, 0.25, 1]))
    assert counts_of(truth, empty=1.0) is None
    assert float(loss(logits, target, counts=counts_of(torch.zeros_like(truth), empty=0.0))) == 0.0
