"""What every reader promises, checked on one file of each kind."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from pydicom.data import get_testdata_file

from usassist.core.domain.frame import Source
from usassist.core.errors import ReadError
from usassist.core.geometry.cv import cv2
from usassist.core.io.find import KNOWN_SUFFIXES
from usassist.core.io.open_study import find_sources, open_source, specs
from usassist.core.io.reader import StudyReader

CLIP = np.stack([np.add.outer(np.arange(24), np.arange(32) + 10 * index) for index in range(3)]).astype(np.uint8)


def _packaged(name: str) -> Callable[[Path], Path]:
    def copy(folder: Path) -> Path:
        found = get_testdata_file(name, download=False)
        assert found is not None
        target = folder / name
        target.write_bytes(Path(str(found)).read_bytes())
        return target

    return copy


def _encoded(suffix: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        target = folder / f"still{suffix}"
        target.write_bytes(cv2.imencode(suffix, CLIP[0])[1].tobytes())
        return target

    return write


def _stack(folder: Path) -> Path:
    target = folder / "stack.tif"
    target.write_bytes(cv2.imencodemulti(".tif", list(CLIP))[1].tobytes())
    return target


def _volume(suffix: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        target = folder / f"volume{suffix}"
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(CLIP), str(target))
        return target

    return write


FILES: dict[str, tuple[str, Callable[[Path], Path], int]] = {
    "png": ("image", _encoded(".png"), 1),
    "jpeg": ("image", _encoded(".jpg"), 1),
    "bmp": ("image", _encoded(".bmp"), 1),
    "tiff": ("image", _stack, 3),
    "nifti": ("volume", _volume(".nii"), 3),
    "nifti-gz": ("volume", _volume(".nii.gz"), 3),
    "nrrd": ("volume", _volume(".nrrd"), 3),
    "metaimage": ("volume", _volume(".mha"), 3),
    "cine": ("dicom", _packaged("examples_ybr_color.dcm"), 30),
    "palette": ("dicom", _packaged("examples_palette.dcm"), 1),
    "rle": ("dicom", _packaged("SC_rgb_rle_2frame.dcm"), 2),
    "deflated": ("dicom", _packaged("image_dfl.dcm"), 1),
    "signed": ("dicom", _packaged("MR_small.dcm"), 1),
}

Opened = tuple[Source, StudyReader, int]


@pytest.fixture(params=FILES)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    _, make, frames = FILES[request.param]
    (source,) = find_sources(make(tmp_path))
    return source, open_source(source), frames


def test_every_kind_has_a_file_here() -> None:
    assert {kind for kind, _, _ in FILES.values()} == {spec.name for spec in specs()}


def test_suffixes_belong_to_one_reader_and_are_listed_without_opening() -> None:
    suffixes = [suffix for spec in specs() for suffix in spec.suffixes]
    assert sorted(suffixes) == sorted(set(suffixes)) == sorted(KNOWN_SUFFIXES)
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in suffixes)


def test_only_the_right_reader_takes_the_head(tmp_path: Path) -> None:
    for kind, make, _ in FILES.values():
        head = make(tmp_path).read_bytes()[:4096]
        assert next(spec.name for spec in specs() if spec.sniff(head)) == kind


def test_no_reader_takes_a_short_or_empty_head() -> None:
    for spec in specs():
        for head in (b"", b"\0", b"BM", b"II", bytes(11), bytes(131)):
            assert not spec.sniff(head)


def test_the_study_is_the_file(opened: Opened) -> None:
    source, reader, frames = opened
    study = reader.study
    assert study.source == source
    assert study.key == source.key
    assert [ref.source_key for ref in study.frames] == [source.key] * frames
    assert [ref.index for ref in study.frames] == list(range(frames))
    assert study.facts.format
    assert reader.study is study or reader.study == study


def test_frames_fit_the_study(opened: Opened) -> None:
    _, reader, frames = opened
    study = reader.study
    for index in range(frames):
        frame = reader.frame(index)
        assert frame.ref == study.frames[index]
        assert frame.shape == (study.rows, study.columns)
        assert frame.regions == study.regions
        assert not frame.pixels.flags.writeable
        assert frame.pixels.dtype.isnative
        assert frame.bits_stored <= 8 * frame.pixels.dtype.itemsize
        assert frame.pixels.max() < 1 << frame.bits_stored


def test_decoding_again_in_any_order_gives_the_same(opened: Opened) -> None:
    _, reader, frames = opened
    forward = [reader.frame(index).pixels for index in range(frames)]
    for index in reversed(range(frames)):
        assert np.array_equal(reader.frame(index).pixels, forward[index])


def test_several_threads_may_ask(opened: Opened) -> None:
    _, reader, frames = opened
    expected = [reader.frame(index).pixels for index in range(frames)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(reader.frame, [index % frames for index in range(2 * frames + 6)]))
    assert all(np.array_equal(frame.pixels, expected[frame.ref.index]) for frame in found)


def test_frames_that_do_not_exist(opened: Opened) -> None:
    _, reader, frames = opened
    for index in (-1, frames):
        with pytest.raises(ReadError, match=f"asked for {index}"):
            reader.frame(index)


def test_no_file_handle_is_kept(opened: Opened) -> None:
    source, reader, _ = opened
    reader.frame(0)
    source.path.rename(source.path.with_name("moved"))
    source.path.with_name("moved").unlink()


def test_closing_twice_is_fine_and_lets_go(opened: Opened) -> None:
    _, reader, _ = opened
    reader.frame(0)
    reader.close()
    reader.close()
    assert reader.held_bytes == 0
