"""What a model knows about its training images: fitted, small on disk, refused where it is damaged or another's."""

import dataclasses

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from usassist.core.errors import ModelError
from usassist.core.models.adding import add_model, verify_model
from usassist.core.models.clip import ImageFeatures
from usassist.core.models.familiarity import (
    FAMILIARITY_FILE,
    MOST_BYTES,
    MOST_TRAININGS,
    Familiarity,
    count_statistics,
    images_looked_at,
    load_familiarity,
    statistics,
)
from usassist.core.models.inventory import facts_of
from usassist.core.models.weights import find_model, save_model

TAPS = (30, 40, 9)
WIDTH = 140


def _seen(count: int, *, width: int = WIDTH, seed: int = 0) -> np.ndarray:
    """Return statistics that vary along four directions, with a little noise."""
    rng = np.random.default_rng(seed)
    directions = np.random.default_rng(99).normal(size=(4, width))
    return (5 + rng.normal(size=(count, 4)) @ directions + 0.1 * rng.normal(size=(count, width))).astype(np.float32)


@pytest.fixture
def known() -> Familiarity:
    return dataclasses.replace(Familiarity.fit(_seen(300)), limit=4.0, colour_limit=0.02, images=300)


def test_statistics_are_of_all_taps_but_the_deepest() -> None:
    taps = tuple(torch.randn(2, channels, 8, 8, generator=torch.Generator().manual_seed(1)) + 3 for channels in TAPS)
    found = statistics(ImageFeatures(torch.zeros(2, 4), taps))
    assert found.shape == (2, count_statistics(TAPS)) == (2, WIDTH)
    assert found.dtype == np.float32
    assert np.allclose(found[:, :30], taps[0].mean((2, 3)), atol=1e-5)
    assert np.allclose(found[:, -40:], taps[1].std((2, 3), correction=0), atol=1e-5)
    alone = statistics(ImageFeatures(torch.zeros(2, 4), taps[2:]))
    assert alone.shape == (2, count_statistics(TAPS[2:])) == (2, 18)


def test_what_is_like_the_training_is_near_and_what_is_not_is_far(known: Familiarity) -> None:
    like = known.distances(_seen(100, seed=1))
    assert 1.0 < like.mean() < 3.0
    beside = _seen(100, seed=1)
    beside[:, 0] += 3.0  # off the directions in which training images vary
    assert known.distances(beside).min() > 3 * like.max()
    along = 5 + 8 * (_seen(100, seed=1) - 5)
    assert np.median(known.distances(along)) > 10 * np.median(like)
    assert np.isfinite(known.distances(np.full((1, WIDTH), 1e30, dtype=np.float32))).all()


def test_it_comes_back_from_the_disk_as_it_was(known: Familiarity, tmp_path) -> None:
    known.save(tmp_path, weights_hash="ab")
    found = load_familiarity(tmp_path, weights_hash="ab", tap_channels=TAPS)
    assert found is not None
    assert (found.limit, found.colour_limit, found.images) == (4.0, pytest.approx(0.02), 300)
    assert np.allclose(found.distances(_seen(9, seed=2)), known.distances(_seen(9, seed=2)), rtol=1e-6)
    assert load_familiarity(tmp_path / "nowhere", weights_hash="ab", tap_channels=TAPS) is None


def test_images_of_the_training_before_stay_ordinary_beside_those_of_another_scanner(known, tmp_path) -> None:
    old, new, foreign = _seen(50, seed=3), _seen(50, seed=4) + 9, _seen(50, seed=5) - 9
    on_new = dataclasses.replace(Familiarity.fit(_seen(300, seed=6) + 9), limit=5.0, colour_limit=0.01)
    assert (on_new.strangeness(old) > 1).all() and (on_new.strangeness(new) <= 1).all()
    both = on_new.and_before(known)
    assert np.array_equal(both.strangeness(old), np.minimum(known.distances(old) / 4, on_new.distances(old) / 5))
    assert both.strangeness(old).max() <= 1.5 and both.strangeness(new).max() <= 1
    assert (both.strangeness(foreign) > 1).all() and both.colour_limit == 0.02
    both.save(tmp_path, weights_hash="ab")
    found = load_familiarity(tmp_path, weights_hash="ab", tap_channels=TAPS)
    assert found is not None and [each.limit for each in (found, *found.before)] == [5, 4]
    for seen in (old, new, foreign):
        assert np.allclose(found.strangeness(seen), both.strangeness(seen), rtol=1e-6)
    assert images_looked_at(tmp_path) == 600


def test_of_many_trainings_the_last_and_those_with_most_images_are_kept_and_the_file_stays_small(tmp_path) -> None:
    counts = (3000, 60, 50, 70, 80)
    chain = [dataclasses.replace(Familiarity.fit(_seen(80, width=6144, seed=n)), images=n) for n in counts]
    known = chain[0]
    for learned in chain[1:]:
        known = learned.and_before(known)
    assert [each.images for each in (known, *known.before)] == [80, 3000, 70, 60]
    known.save(tmp_path, weights_hash="ab")
    assert (tmp_path / FAMILIARITY_FILE).stat().st_size <= MOST_TRAININGS * MOST_BYTES
    found = load_familiarity(tmp_path, weights_hash="ab", tap_channels=(3072, 7))
    assert found is not None and [each.images for each in found.before] == [3000, 70, 60]


@pytest.mark.parametrize("width", [384, 6144])
def test_it_stays_small_for_large_towers_too(width: int, tmp_path) -> None:
    Familiarity.fit(_seen(80, width=width)).save(tmp_path, weights_hash="ab")
    assert (tmp_path / FAMILIARITY_FILE).stat().st_size <= MOST_BYTES
    channels = (width // 2, 7)
    assert load_familiarity(tmp_path, weights_hash="ab", tap_channels=channels) is not None


@pytest.mark.parametrize("seen", [_seen(1), np.full((5, WIDTH), np.nan, dtype=np.float32)])
def test_too_little_or_broken_is_not_learned(seen: np.ndarray) -> None:
    with pytest.raises(ModelError, match="finite"):
        Familiarity.fit(seen)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("mean", np.full(WIDTH, np.nan, dtype=np.float32), "not finite"),
        ("scale", np.zeros(WIDTH, dtype=np.float32), "not above 0"),
        ("mean", np.zeros(12, dtype=np.float32), "does not fit"),
        ("mean", np.zeros(WIDTH, dtype=np.int64), "does not fit"),
        ("basis", np.zeros((WIDTH, 0), dtype=np.float16), "does not fit"),
        ("rest_and_limits", np.array([1, -1, 1], dtype=np.float32), "not above 0"),
        ("more", np.zeros(1, dtype=np.float32), "does not fit"),
        ("mean", np.zeros(MOST_TRAININGS * MOST_BYTES // 4, dtype=np.float32), "at most"),
        ("mean.1", np.zeros(WIDTH, dtype=np.float32), "does not fit"),
        ("mean.2", np.zeros(WIDTH, dtype=np.float32), "does not fit"),
    ],
)
def test_a_damaged_file_is_refused(known: Familiarity, tmp_path, name: str, value: np.ndarray, said: str) -> None:
    known.save(tmp_path, weights_hash="ab")
    path = tmp_path / FAMILIARITY_FILE
    save_file(load_file(path) | {name: value}, path, metadata={"weights": "ab"})
    with pytest.raises(ModelError, match=said):
        load_familiarity(tmp_path, weights_hash="ab", tap_channels=TAPS)


def test_what_is_no_such_file_or_about_other_weights_is_refused(known: Familiarity, tmp_path) -> None:
    known.save(tmp_path, weights_hash="ab")
    with pytest.raises(ModelError, match="SHA-256 ab, but"):
        load_familiarity(tmp_path, weights_hash="cd", tap_channels=TAPS)
    (tmp_path / FAMILIARITY_FILE).write_bytes(b"no tensors at all")
    with pytest.raises(ModelError, match="familiarise"):
        load_familiarity(tmp_path, weights_hash="ab", tap_channels=TAPS)


def test_it_goes_with_the_model_and_never_with_other_weights(tmp_path, small_model, small_config) -> None:
    run = tmp_path / "run"
    save_model(small_model, run, config=small_config)
    width = count_statistics(small_model.encoder.tap_channels)
    known = Familiarity.fit(_seen(60, width=width))
    known.save(run, weights_hash=find_model(str(run)).weights_hash)
    assert facts_of(add_model(run, name="mine"))["warns_of_unlike_images"]
    assert FAMILIARITY_FILE in verify_model("mine").unchanged
    known.save(run, weights_hash="ab")
    with pytest.raises(ModelError, match="is about weights"):
        add_model(run, name="stale")
    save_model(small_model, run, config=dataclasses.replace(small_config, title="The same weights"))
    assert (run / FAMILIARITY_FILE).exists() and find_model(str(run)).title == "The same weights"
    with torch.no_grad():
        small_model.encoder.clip.logit_scale.add_(1)
    save_model(small_model, run, config=small_config)  # as a training that goes on does
    assert not (run / FAMILIARITY_FILE).exists()
    assert not facts_of(add_model(run, name="plain"))["warns_of_unlike_images"]
