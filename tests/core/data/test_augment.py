import dataclasses

import cv2
import numpy as np
import pytest

from usassist.core.data.augment import AugmentConfig, augment, random_warp
from usassist.core.errors import TrainingError

_NAMES = [field.name for field in dataclasses.fields(AugmentConfig)]
_STILL = AugmentConfig(**dict.fromkeys(_NAMES, 0.0))
_GEOMETRY = ("flip", "rotate_deg", "scale", "aspect", "shift", "elastic", "vertical_flip")
_VIEWS = (*_GEOMETRY, "elsewhere")
_STRENGTH = {"rotate_deg": 20.0, "scale": 0.3, "aspect": 0.2, "shift": 0.12, "elastic": 0.02, "sharpness": 0.25}
_BEFORE = (
    *("flip", "rotate_deg", "scale", "aspect", "shift"),
    *("gamma", "contrast", "blur", "speckle", "depth_gain", "shadow"),
)


def _only(*names: str, **strengths: float) -> AugmentConfig:
    on = {name: _STRENGTH.get(name, 1.0) for name in names}
    return dataclasses.replace(_STILL, **on, **strengths)


def _ellipse(rows: int, cols: int) -> np.ndarray:
    y, x = np.mgrid[:rows, :cols]
    return _inside(x, y, rows, cols)


def _inside(x: np.ndarray, y: np.ndarray, rows: int, cols: int) -> np.ndarray:
    return ((y - rows * 0.4) / (rows * 0.2)) ** 2 + ((x - cols * 0.6) / (cols * 0.15)) ** 2 < 1


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def _grey(rows: int = 256, cols: int = 256) -> np.ndarray:
    grain = np.random.default_rng(0).normal(110, 50, (rows, cols))
    return np.clip(cv2.GaussianBlur(grain, (0, 0), 1.2) * 1.6 - 60, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("elastic", [0.0, 0.02])
def test_n14_image_and_mask_stay_aligned(seed: int, elastic: float) -> None:
    """The picture of an ellipse and its mask go through one view; both are where the view says they came from."""
    mask = _ellipse(300, 420)
    geometry = _only("rotate_deg", "scale", "aspect", flip=0.5, shift=0.1, elastic=elastic)
    grey, moved = augment(mask.astype(np.uint8) * 255, mask, size=256, config=geometry, rng=np.random.default_rng(seed))
    assert moved.dtype == np.bool_
    assert _iou(grey > 127, moved) > 0.98
    x, y = random_warp((300, 420), size=256, config=geometry, rng=np.random.default_rng(seed)).sources()
    assert _iou(_inside(x, y, 300, 420), moved) > 0.98


@pytest.mark.parametrize("seed", range(6))
def test_n14_the_inverse_of_the_view_gives_the_ellipse_back(seed: int) -> None:
    mask = _ellipse(500, 640)
    config = dataclasses.replace(AugmentConfig(), scale=0.1, shift=0.02)
    warp = random_warp((500, 640), size=512, config=config, rng=np.random.default_rng(seed))
    _, moved = warp.pair(mask.astype(np.uint8), mask.astype(np.uint8))
    back = cv2.warpAffine(moved * 255, warp.matrix, (640, 500), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP) > 127
    assert _iou(back, mask) > 0.98


def test_without_strength_only_the_size_changes() -> None:
    mask = _ellipse(256, 256)
    grey = np.random.default_rng(0).integers(0, 255, (256, 256), dtype=np.uint8)
    out, moved = augment(grey, mask, size=256, config=_STILL, rng=np.random.default_rng(0))
    assert np.array_equal(moved, mask)
    assert np.abs(out.astype(int) - grey).max() <= 1


@pytest.mark.parametrize("name", [name for name in _NAMES if name not in (*_VIEWS, "unmark")])
def test_n14_each_intensity_operation_changes_the_image_and_not_the_mask(name: str) -> None:
    mask, grey = _ellipse(256, 256), _grey()
    changes = []
    for seed in range(3):
        out, moved = augment(grey, mask, size=256, config=_only(name), rng=np.random.default_rng(seed))
        assert np.array_equal(moved, mask)
        changes.append(int(np.abs(out.astype(int) - grey).max()))
    assert max(changes) > 3


@pytest.mark.parametrize("name", _GEOMETRY)
def test_n14_each_geometric_operation_moves_both(name: str) -> None:
    mask = _ellipse(256, 256)
    out, moved = augment(mask.astype(np.uint8) * 255, mask, size=256, config=_only(name), rng=np.random.default_rng(3))
    assert _iou(moved, mask) < 0.98
    assert _iou(out > 127, moved) > 0.98


@pytest.mark.parametrize("name", [name for name in _NAMES if name not in _BEFORE])
def test_n14_an_operation_that_is_off_draws_no_random_number(name: str) -> None:
    """Strong and weak are not coupled: what is off leaves the views of the others as they are."""
    mask, grey = _ellipse(120, 160), _grey(120, 160)
    rngs = [np.random.default_rng(7), np.random.default_rng(7)]
    for rng in rngs:
        augment(grey, mask, size=96, config=AugmentConfig(), rng=rng)
    assert getattr(AugmentConfig(), name) == 0
    on = dataclasses.replace(AugmentConfig(), **{name: _STRENGTH.get(name, 1.0)})
    augment(grey, mask, size=96, config=on, rng=rngs[1])
    augment(grey, mask, size=96, config=AugmentConfig(), rng=rngs[0])
    assert rngs[0].random() != rngs[1].random()


def test_the_same_generator_gives_the_same_view() -> None:
    mask = _ellipse(120, 90)
    grey = (mask * 200).astype(np.uint8)
    everything = _only(*_NAMES)
    for config in (AugmentConfig(), everything):
        one, two = (augment(grey, mask, size=64, config=config, rng=np.random.default_rng(5)) for _ in range(2))
        assert np.array_equal(one[0], two[0]) and np.array_equal(one[1], two[1])


def test_an_index_stays_an_index() -> None:
    index = (_ellipse(120, 90) * 3).astype(np.uint8)
    index[100:] = 7
    config = dataclasses.replace(AugmentConfig(), elastic=0.02)
    for seed in range(4):
        _, moved = augment(index, index, size=64, config=config, rng=np.random.default_rng(seed))
        assert moved.dtype == np.uint8
        assert set(np.unique(moved)) <= {0, 3, 7}


def test_p_n11_up_stays_up_and_the_dubious_ones_are_off_by_default() -> None:
    """No vertical flip: depth runs downwards in every view."""
    grey = np.zeros((100, 100), dtype=np.uint8)
    grey[:30] = 255
    config = _only(flip=1.0, rotate_deg=20.0, scale=0.1, aspect=0.1)
    for seed in range(10):
        out, _ = augment(grey, grey > 0, size=64, config=config, rng=np.random.default_rng(seed))
        assert out[:20].mean() > out[-20:].mean()
    assert (AugmentConfig().vertical_flip, AugmentConfig().solarise, AugmentConfig().posterise) == (0, 0, 0)


def test_p_n11_what_is_burned_in_does_not_tell_where_the_object_is() -> None:
    """Calipers are about as frequent on the object as where none is, as far from the middle; never in the mask."""
    mask = _ellipse(256, 256)
    grey = np.full((256, 256), 60, np.uint8)
    drawn = np.zeros((256, 256))
    for seed in range(240):
        out, moved = augment(grey, mask, size=256, config=_only("calipers"), rng=np.random.default_rng(seed))
        assert np.array_equal(moved, mask)
        drawn += out > 100
    assert 0.6 < drawn[mask].mean() / drawn[mask[::-1, ::-1]].mean() < 1.7
    assert drawn.sum() > 0


def test_attenuation_darkens_below_and_haze_brightens_above() -> None:
    grey = np.full((200, 200), 120, np.uint8)
    mask = np.zeros((200, 200), bool)
    for seed in range(8):
        rng = np.random.default_rng(seed)
        out, _ = augment(grey, mask, size=200, config=_only("attenuation"), rng=rng)
        assert out[-1].mean() < out[0].mean() == pytest.approx(120, abs=1)
        assert (np.diff(out[:, 50].astype(int)) <= 0).all()
        out, _ = augment(grey, mask, size=200, config=_only("haze"), rng=rng)
        assert out.min() >= 119 and out[:40].mean() > out[-40:].mean()


@pytest.mark.parametrize(
    ("name", "value"), [("flip", 1.5), ("haze", -0.1), ("gamma", float("nan")), ("rotate_deg", 400.0), ("elastic", 2.0)]
)
def test_a_strength_out_of_range_is_a_sentence(name: str, value: float) -> None:
    with pytest.raises(TrainingError, match=rf"augment\.{name} is .*; expected 0 \(off\) to"):
        AugmentConfig(**{name: value})


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("config", [AugmentConfig(), _only(*_BEFORE)], ids=["default", "all"])
def test_the_first_eleven_operations_give_what_they_always_gave(seed: int, config: AugmentConfig) -> None:
    """Golden: the augmentation as it was when there was nothing else, written out below, value by value."""
    mask, grey = _ellipse(150, 210), _grey(150, 210)
    rngs = [np.random.default_rng(seed), np.random.default_rng(seed)]
    expected = _as_it_was(grey, mask, size=96, config=config, rng=rngs[0])
    found = augment(grey, mask, size=96, config=config, rng=rngs[1])
    assert np.array_equal(found[1], expected[1])
    # A table of 256 values and 9216 values may round a power differently in the last bit.
    assert np.abs(found[0].astype(int) - expected[0]).max() <= 1
    assert (found[0] != expected[0]).mean() < 0.001
    assert rngs[0].random() == rngs[1].random()


def _as_it_was(grey, mask, *, size: int, config: AugmentConfig, rng: np.random.Generator):
    rows, cols = grey.shape
    zoom = np.exp(rng.uniform(-config.scale, config.scale))
    stretch = np.exp(rng.uniform(-config.aspect, config.aspect) / 2)
    angle = np.deg2rad(rng.uniform(-config.rotate_deg, config.rotate_deg))
    mirror = -1.0 if rng.random() < config.flip else 1.0
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn @ np.diag([mirror * zoom * stretch, zoom / stretch]) @ np.diag([size / cols, size / rows])
    target = (size - 1) / 2 + size * rng.uniform(-config.shift, config.shift, size=2)
    matrix = np.hstack([linear, (target - linear @ np.array([(cols - 1) / 2, (rows - 1) / 2]))[:, None]])
    shrink = min(size / rows, size / cols)
    source = cv2.GaussianBlur(grey, (0, 0), 0.35 / shrink) if shrink < 0.7 else grey
    inside = cv2.warpAffine(mask.view(np.uint8), matrix, (size, size), flags=cv2.INTER_NEAREST).astype(bool)
    x = cv2.warpAffine(source, matrix, (size, size), flags=cv2.INTER_LINEAR).astype(np.float32) / 255.0
    x = np.power(x, np.float32(np.exp(rng.uniform(-config.gamma, config.gamma))))
    x = x * np.float32(np.exp(rng.uniform(-config.contrast, config.contrast)))
    x = x + np.float32(rng.uniform(-0.5, 0.5) * config.contrast * 0.4)
    depth = np.linspace(-1, 1, size, dtype=np.float32)[:, None]
    x = x * np.exp(depth * np.float32(rng.uniform(-config.depth_gain, config.depth_gain)))
    if rng.random() < config.shadow:
        centre, width = rng.uniform(0, size), rng.uniform(0.03, 0.15) * size
        across = np.exp(-0.5 * ((np.arange(size) - centre) / width) ** 2)
        start = rng.uniform(0, 0.6) * size
        along = 1 / (1 + np.exp(-(np.arange(size) - start) / (0.03 * size)))
        x = x * (1 - rng.uniform(0.3, 0.7) * along[:, None] * across[None, :]).astype(np.float32)
    if rng.random() < config.blur:
        x = cv2.GaussianBlur(x, (0, 0), float(rng.uniform(0.4, 1.3)))
    if rng.random() < config.speckle:
        noise = rng.standard_normal(x.shape, dtype=np.float32)
        grain = cv2.GaussianBlur(noise, (0, 0), float(rng.uniform(0.5, 1.2)))
        x = x * (1 + np.float32(rng.uniform(0.1, 0.4)) * grain / max(float(grain.std()), 1e-6) * 0.5)
    return np.clip(x * 255.0 + 0.5, 0, 255).astype(np.uint8), inside


def test_a_view_elsewhere_shows_tissue_and_nothing_of_the_object() -> None:
    mask, grey = np.zeros((256, 256), dtype=np.bool_), _grey()
    mask[20:60, 30:80] = True
    for seed in range(12):
        out, moved = augment(grey, mask, size=64, config=_only("elsewhere"), rng=np.random.default_rng(seed))
        assert not moved.any()
        assert (out > 0).mean() > 0.8


def test_where_the_object_is_everywhere_there_is_no_elsewhere() -> None:
    mask = np.ones((64, 64), dtype=np.bool_)
    _, moved = augment(_grey()[:64, :64], mask, size=64, config=_only("elsewhere"), rng=np.random.default_rng(0))
    assert moved.all()


def test_p_n11_unmark_shows_the_image_without_its_marks_as_often_as_asked() -> None:
    mask, grey = _ellipse(64, 64), _grey(64, 64)
    clean = np.minimum(grey, 90)
    shown = []
    for seed in range(60):
        out, moved = augment(
            grey, mask, size=64, config=_only(unmark=0.4), rng=np.random.default_rng(seed), clean=clean
        )
        assert np.array_equal(moved, mask)
        shown.append(bool(out.max() <= 91))
    assert 0.2 < np.mean(shown) < 0.6
    kept, _ = augment(grey, mask, size=64, config=_STILL, rng=np.random.default_rng(0), clean=clean)
    assert kept.max() > 91


def test_p_n11_unmark_draws_the_same_whether_an_image_has_marks_or_not() -> None:
    mask, grey = _ellipse(64, 64), _grey(64, 64)
    rngs = [np.random.default_rng(3), np.random.default_rng(3)]
    augment(grey, mask, size=64, config=_only("unmark"), rng=rngs[0], clean=grey)
    out, _ = augment(grey, mask, size=64, config=_only("unmark"), rng=rngs[1])
    assert rngs[0].random() == rngs[1].random()
    assert np.abs(out.astype(int) - grey).max() <= 1
