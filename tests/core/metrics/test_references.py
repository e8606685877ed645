"""The numbers are those of the field's own implementations: MONAI, DeepMind's surface-distance, scikit-learn.

MONAI defines a surface as we do (what a 4-connected erosion removes), so everything is compared as it stands; it
computes in float32. DeepMind's surface is another one: elements on the corners between pixels, weighed by their length.
What is defined alike is compared: the distance from one given set of points to another, and the share and the mean over
given distances. How far apart the whole numbers may be, for which we follow CLI.md, is checked on smooth shapes.
"""

import types
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from usassist.core.metrics import surface as under_test
from usassist.core.metrics.overlap import dice, iou
from usassist.core.metrics.surface import assd, hd95, nsd, surface, surface_distances

SPACINGS = [None, (0.3, 0.3), (0.08, 0.11)]


def reference(name: str) -> types.ModuleType:
    """Import a library that may warn of its own dependencies, or skip where it is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name)  # type: ignore[no-any-return]


def quietly(work: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """Call a library that uses names others have moved."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return work(*given, **named)


def blob(seed: int, shape: tuple[int, int] = (60, 70)) -> np.ndarray:
    """Return smooth noise cut at a level: several parts, holes, touching the frame."""
    smooth = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 4)
    mask: np.ndarray = smooth > 0.3 * smooth.std()
    return mask


def pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    return [(blob(seed), blob(seed) ^ (blob(seed + 100) & blob(seed + 200))) for seed in range(6)]


def channels(mask: np.ndarray) -> Any:
    """Return a mask as MONAI's batch of one image with background and foreground."""
    import torch

    return torch.from_numpy(np.stack([~mask, mask])[None].astype(np.float32))


@pytest.mark.parametrize("spacing", SPACINGS)
def test_N16_surface_metrics_are_monais(spacing: tuple[float, float] | None) -> None:
    metrics = reference("monai.metrics")
    for truth, pred in pairs():
        mm = None if spacing is None else list(spacing)
        both = channels(pred), channels(truth)
        options = {"include_background": False, "spacing": mm}
        theirs = quietly(metrics.compute_hausdorff_distance, *both, **options, percentile=95)
        assert hd95(truth, pred, spacing_mm=spacing) == pytest.approx(float(theirs), rel=1e-6)
        theirs = quietly(metrics.compute_average_surface_distance, *both, **options, symmetric=True)
        assert assd(truth, pred, spacing_mm=spacing) == pytest.approx(float(theirs), rel=1e-6)


def test_N16_nsd_is_monais_in_pixels() -> None:
    """Without a spacing MONAI uses the same surface; with one it changes to DeepMind's."""
    metrics = reference("monai.metrics")
    for truth, pred in pairs():
        theirs = quietly(metrics.compute_surface_dice, channels(pred), channels(truth), class_thresholds=[2.0])
        assert nsd(truth, pred) == pytest.approx(float(theirs), rel=1e-6)


def test_N16_overlap_is_monais() -> None:
    metrics = reference("monai.metrics")
    for truth, pred in pairs():
        theirs = quietly(metrics.compute_dice, channels(pred), channels(truth), include_background=False)
        assert dice(truth, pred) == pytest.approx(float(theirs), rel=1e-6)
        theirs = quietly(metrics.compute_iou, channels(pred), channels(truth), include_background=False)
        assert iou(truth, pred) == pytest.approx(float(theirs), rel=1e-6)


def test_N16_overlap_is_scikit_learns() -> None:
    metrics = reference("sklearn.metrics")
    for truth, pred in pairs():
        assert dice(truth, pred) == pytest.approx(metrics.f1_score(truth.ravel(), pred.ravel()), rel=1e-12)
        assert iou(truth, pred) == pytest.approx(metrics.jaccard_score(truth.ravel(), pred.ravel()), rel=1e-12)


@pytest.fixture
def deepmind() -> types.ModuleType:
    return reference("surface_distance.metrics")


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.3, 0.3), (0.08, 0.11)])
def test_N16_distances_between_given_surfaces_are_deepminds(
    deepmind: types.ModuleType, spacing: tuple[float, float]
) -> None:
    """Their surfaces, on pixel corners, go through our transform: the same distances for each of their elements."""
    for truth, pred in pairs():
        theirs = quietly(deepmind.compute_surface_distances, truth, pred, spacing)
        corners_truth, corners_pred = (corners(mask) for mask in (truth, pred))
        box = under_test.Box(0, 0, *corners_truth.shape)
        ours = under_test._to_nearest(corners_truth, corners_pred, spacing, box)
        assert np.allclose(np.sort(ours), np.sort(theirs["distances_gt_to_pred"]), rtol=1e-6, atol=0)


def corners(mask: np.ndarray) -> np.ndarray:
    """Return which corners between pixels have both inside and outside around them."""
    wide = np.pad(mask, 1)
    around = np.stack([wide[:-1, :-1], wide[1:, :-1], wide[:-1, 1:], wide[1:, 1:]])
    return np.asarray(around.any(axis=0) & ~around.all(axis=0))


@pytest.mark.parametrize("spacing", SPACINGS)
def test_N16_shares_and_means_of_given_distances_are_deepminds(
    deepmind: types.ModuleType, spacing: tuple[float, float] | None
) -> None:
    """Our distances, every surface pixel of the same length, go through their formulas."""
    for truth, pred in pairs():
        found = surface_distances(truth, pred, spacing_mm=spacing)
        theirs = {
            "distances_gt_to_pred": np.sort(found.from_truth),
            "distances_pred_to_gt": np.sort(found.from_pred),
            "surfel_areas_gt": np.ones(len(found.from_truth)),
            "surfel_areas_pred": np.ones(len(found.from_pred)),
        }
        for tolerance in (0.0, 0.2, 1.0, 2.0, 5.0):
            share = deepmind.compute_surface_dice_at_tolerance(theirs, tolerance)
            assert found.nsd(tolerance) == pytest.approx(float(share), rel=1e-6)
        means = deepmind.compute_average_surface_distance(theirs)
        sizes = np.array([len(found.from_truth), len(found.from_pred)])
        assert found.assd == pytest.approx(float(np.dot(means, sizes) / sizes.sum()), rel=1e-6)
        # They take the next distance that occurs, we interpolate between two: at most one step between neighbours.
        ordered = [theirs["distances_gt_to_pred"], theirs["distances_pred_to_gt"]]
        step = max(float(np.diff(d[int(0.95 * (len(d) - 1)) :][:3]).max(initial=0.0)) for d in ordered)
        assert abs(found.hd95 - deepmind.compute_robust_hausdorff(theirs, 95)) <= step + 1e-9


def test_N16_whole_numbers_stay_close_to_deepminds(deepmind: types.ModuleType) -> None:
    """A circle shifted by twice the tolerance is the worst case: many of its distances lie right at the tolerance."""
    rows, cols = np.mgrid[:200, :240]
    for shift, stretch in ((0.0, 1.0), (4.0, 1.0), (9.0, 1.15), (20.0, 0.8)):
        truth = np.hypot(rows - 100, cols - 110) < 60
        pred = np.hypot(rows - 100 - shift, (cols - 110) * stretch) < 62
        theirs = quietly(deepmind.compute_surface_distances, truth, pred, (1.0, 1.0))
        assert abs(hd95(truth, pred) - deepmind.compute_robust_hausdorff(theirs, 95)) < 0.7
        assert abs(nsd(truth, pred) - deepmind.compute_surface_dice_at_tolerance(theirs, 2.0)) < 0.12


def test_N16_surface_is_monais() -> None:
    utils = reference("monai.metrics.utils")
    for truth, pred in pairs():
        edges_pred, edges_truth = quietly(utils.get_mask_edges, pred, truth, crop=False)
        assert np.array_equal(surface(truth), edges_truth)
        assert np.array_equal(surface(pred), edges_pred)
