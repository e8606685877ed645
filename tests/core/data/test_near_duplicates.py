"""The same recording twice is found whatever was done to it; another recording of the same shape is not."""

import cv2
import numpy as np
import pytest

from usassist.core.data import near_duplicates
from usassist.core.data.near_duplicates import LEAST_CORRELATION, Fingerprint, fingerprint, near_pairs, same_recording


def _recording(seed: int, *, shape: int = 0) -> np.ndarray:
    """Return a speckled picture of 360 x 480: an ellipse in layers; `shape` decides the anatomy, `seed` the speckle."""
    anatomy, rng = np.random.default_rng(1000 + shape), np.random.default_rng(seed)
    y, x = np.mgrid[:360, :480].astype(np.float32)
    layers = 40 * np.sin(y / (20 + 3 * float(anatomy.random())) + x / 90 * float(anatomy.random()))
    inside = ((y - 170) / 70) ** 2 + ((x - 220 - 40 * float(anatomy.random())) / 90) ** 2 < 1
    speckle = cv2.GaussianBlur(rng.standard_normal((360, 480)).astype(np.float32), (0, 0), 2.5)
    grey = (100 + layers - 60 * inside) * (1 + 1.6 * speckle / speckle.std() * 0.35) * np.exp(-y / 500)
    return np.clip(grey, 0, 255).astype(np.uint8)


def _cropped(grey):
    return np.ascontiguousarray(grey[14:, 10:-14])


def _rescaled(grey):
    return cv2.resize(grey, (301, 240), interpolation=cv2.INTER_AREA)


def _brighter(grey):
    return np.clip(255 * (grey / 255.0) ** 0.6 + 12, 0, 255).astype(np.uint8)


def _time_gain(grey):
    return np.clip(grey * np.linspace(0.6, 1.5, grey.shape[0])[:, None], 0, 255).astype(np.uint8)


def _saved_again(grey):
    return cv2.imdecode(cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], cv2.IMREAD_GRAYSCALE)


def _annotated(grey):
    out = grey.copy()
    for row, text in ((40, "RT UOQ 10:00"), (330, "L 12.4 mm")):
        cv2.putText(out, text, (20, row), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 255, 2)
    for x, y in ((140, 170), (310, 170), (220, 100), (220, 240)):
        cv2.drawMarker(out, (x, y), 255, cv2.MARKER_CROSS, 16, 2)
    cv2.line(out, (140, 170), (310, 170), 200, 1)
    return out


def _with_border(grey):
    return cv2.copyMakeBorder(grey, 12, 12, 16, 16, cv2.BORDER_CONSTANT, value=0)


@pytest.mark.parametrize(
    "change", [_cropped, _rescaled, _brighter, _time_gain, _saved_again, _annotated, _with_border, lambda g: g.copy()]
)
def test_p_n10_the_same_recording_is_found_whatever_was_done_to_it(change) -> None:
    others = [_recording(seed, shape=seed) for seed in range(2, 8)]
    prints = [fingerprint(grey) for grey in [_recording(1, shape=1), *others, change(_recording(1, shape=1))]]
    (pair,) = near_pairs(prints)
    assert (pair.first, pair.second) == (0, 7)
    assert pair.correlation > 0.6


def test_another_recording_of_the_same_anatomy_is_not_the_same() -> None:
    """The shapes agree, and so do most hashes; the texture does not."""
    prints = [fingerprint(_recording(seed, shape=3)) for seed in range(6)]
    assert near_pairs(prints) == []
    assert all(same_recording(prints[0], other) < LEAST_CORRELATION for other in prints[1:])


def test_what_shows_nothing_is_like_nothing() -> None:
    black, tiny = np.zeros((300, 400), np.uint8), np.arange(100, dtype=np.uint8).reshape(10, 10)
    assert fingerprint(black) is None and fingerprint(tiny) is None
    assert near_pairs([None, None]) == near_pairs([]) == near_pairs([None, fingerprint(_recording(1))]) == []


def test_places_count_what_has_no_fingerprint() -> None:
    kept = fingerprint(_recording(1))
    assert [(p.first, p.second) for p in near_pairs([None, kept, None, kept])] == [(1, 3)]


def test_p_n10_the_order_of_the_images_does_not_matter() -> None:
    greys = [_recording(seed, shape=seed) for seed in range(5)]
    greys += [_cropped(greys[0]), _rescaled(greys[1]), _annotated(greys[1]), _with_border(greys[4])]
    prints = [fingerprint(grey) for grey in greys]
    expected = {(p.first, p.second): p.correlation for p in near_pairs(prints)}
    assert set(expected) >= {(0, 5), (1, 6), (1, 7), (4, 8)}
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(prints)).tolist()
        found = near_pairs([prints[place] for place in order])
        assert {tuple(sorted((order[p.first], order[p.second]))): p.correlation for p in found} == expected


def test_what_belongs_together_already_is_not_compared(monkeypatch) -> None:
    kept = fingerprint(_recording(1))
    compared = []
    monkeypatch.setattr(near_duplicates, "same_recording", lambda one, other: compared.append(1) or 1.0)
    pairs = near_pairs([kept] * 4, known=["a", "a", "a", "b"])
    assert [(p.first, p.second) for p in pairs] == [(0, 3), (1, 3), (2, 3)]
    assert len(compared) == 3


def _hashes(bits: np.ndarray) -> list[Fingerprint]:
    empty = np.zeros((4, 4), np.int8)
    return [Fingerprint(row, empty, empty) for row in bits]


def test_candidates_are_found_without_comparing_all_pairs() -> None:
    """Of 5,000 hashes, each planted neighbour is found, and 1 % of the 12 million pairs is looked at."""
    rng = np.random.default_rng(0)
    signs = rng.random((5000, 256)) < 0.5
    for planted, changed in ((10, 0), (20, 10), (30, 20), (40, 30)):
        signs[-planted] = signs[planted]
        signs[-planted, rng.choice(256, changed, replace=False)] ^= True
    bits = np.packbits(signs, axis=1).view(np.uint64)
    looked_at = np.unique(np.concatenate(list(near_duplicates._banded(bits))))
    assert len(looked_at) < 0.01 * 5000**2 / 2
    assert list(near_duplicates._alike(bits)) == [(n, 5000 - n) for n in (10, 20, 30, 40)]


def test_a_thousand_copies_are_linked_without_a_million_pairs() -> None:
    bits = np.repeat(np.array([[1, 2, 3, 4]], dtype=np.uint64), 1000, axis=0)
    pairs = list(near_duplicates._alike(bits))
    assert len(pairs) <= 32 * 1000
    linked = {0}
    for i, j in pairs:
        linked |= {i, j} if {i, j} & linked else set()
    assert linked == set(range(1000))
