"""Frames carry stored values untouched, and say a length only where the file said one."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from usassist.core.domain import Box, Frame, FrameRef, ModalityFacts, ScanRegion, Source, Study
from usassist.core.errors import UsassistError

REF = FrameRef("clip-0123abcd", 7, 233.1)


def frame(*, regions: tuple[ScanRegion, ...] = (), spacing_mm: tuple[float, float] | None = None) -> Frame:
    return Frame(REF, np.zeros((20, 30), dtype=np.uint8), regions=regions, spacing_mm=spacing_mm)


@given(st.integers(0, 99_999), st.integers(0, 99_999))
def test_frame_keys_sort_as_the_frames_do(a: int, b: int) -> None:
    keys = FrameRef("clip", a).key, FrameRef("clip", b).key
    assert (a < b) == (keys[0] < keys[1])
    assert (a == b) == (keys[0] == keys[1])


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_and_colour_of_8_and_16_bits_are_frames(shape: tuple[int, ...], dtype: type) -> None:
    made = Frame(REF, np.zeros(shape, dtype=dtype))
    assert made.shape == (4, 5)
    assert made.is_colour == (len(shape) == 3)
    with pytest.raises(ValueError, match="read-only"):
        made.pixels[0, 0] = 1


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((4, 5), np.float32), np.zeros((4, 5, 4), np.uint8), np.zeros(4, np.uint8), np.zeros((4, 5), bool)],
)
def test_anything_else_is_refused(pixels: np.ndarray) -> None:
    with pytest.raises(UsassistError, match="HxW or HxWx3 of uint8 or uint16"):
        Frame(REF, pixels)


def test_a_length_comes_from_the_region_that_contains_the_pixel() -> None:
    tissue = ScanRegion(Box(0, 0, 10, 30), "b_mode", spacing_mm=(0.1, 0.2))
    trace = ScanRegion(Box(10, 0, 20, 30), "spectral_doppler", units=("cm/s", "s"))
    made = frame(regions=(tissue, trace), spacing_mm=(9.0, 9.0))
    assert made.spacing_at(5, 5) == (0.1, 0.2)
    assert made.spacing_at(15, 5) is None
    assert made.spacing_at(25, 5) is None


def test_a_later_region_lies_on_top() -> None:
    below = ScanRegion(Box(0, 0, 20, 30), "b_mode", spacing_mm=(0.1, 0.1))
    above = ScanRegion(Box(5, 5, 10, 10), "colour_doppler", spacing_mm=(0.3, 0.3))
    made = frame(regions=(below, above))
    assert made.region_at(7, 7) is above
    assert made.region_at(3, 7) is below
    assert made.region_at(30, 7) is None


def test_without_regions_the_frames_own_spacing_counts_and_none_is_never_a_guess() -> None:
    assert frame(spacing_mm=(0.1, 0.2)).spacing_at(3, 3) == (0.1, 0.2)
    assert frame().spacing_at(3, 3) is None


def test_a_study_of_several_frames_is_a_cine(tmp_path: object) -> None:
    from pathlib import Path

    source = Source("clip-0123abcd", Path("clip.dcm"), "sub/clip.dcm", 10)
    still = Study(source, (FrameRef(source.key, 0),), 20, 30, ModalityFacts("DICOM"))
    cine = Study(source, tuple(FrameRef(source.key, index) for index in range(3)), 20, 30, ModalityFacts("DICOM"))
    assert still.key == cine.key == "clip-0123abcd"
    assert (still.is_cine, cine.is_cine) == (False, True)


def test_a_token_knows_everything_that_a_frame_is_and_is_made_once() -> None:
    pixels = np.arange(16, dtype=np.uint8).reshape(4, 4)
    made = Frame(REF, pixels.copy())
    assert made.token is made.token
    assert made.token == Frame(REF, pixels.copy()).token == Frame(REF, np.asfortranarray(pixels)).token
    region = ScanRegion(Box(0, 0, 2, 2), "b_mode")
    others = [
        *(Frame(FrameRef("b", 0), pixels.copy()), Frame(REF, pixels + 1), Frame(REF, pixels.reshape(2, 8))),
        *(Frame(REF, pixels.astype(np.uint16)), replace(made, regions=(region,)), replace(made, inverted=True)),
        *(replace(made, window=(0.0, 9.0)), replace(made, spacing_mm=(0.1, 0.1)), replace(made, bits_stored=7)),
    ]
    assert len({made.token, *(other.token for other in others)}) == 1 + len(others)


@pytest.mark.parametrize(
    "again", [lambda frame: pickle.loads(pickle.dumps(frame)), copy.deepcopy], ids=["pickle", "copy"]
)
def test_a_frame_that_was_sent_or_copied_stays_read_only(again) -> None:
    made = Frame(REF, np.arange(16, dtype=np.uint8).reshape(4, 4))
    token, sent = made.token, again(made)
    assert sent.token == token and not sent.pixels.flags.writeable
