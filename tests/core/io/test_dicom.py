"""DICOM of every kind: layouts, byte orders, compressions, colour, sign, calibration, and single frames of a cine."""

import builtins
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gdcm
import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from usassist.core.domain.box import Box
from usassist.core.domain.frame import Source
from usassist.core.errors import ReadError
from usassist.core.geometry.cv import cv2
from usassist.core.io.dicom import open_dicom
from usassist.core.io.display import to_grey8
from usassist.core.io.open_study import open_source

SourceOf = Callable[[Path], Source]
MakeDicom = Callable[..., Path]
RNG = np.random.default_rng(7)


def noise(*shape: int, top: int = 256, dtype: Any = np.uint8) -> np.ndarray:
    return RNG.integers(0, top, shape).astype(dtype)


def texture(rows: int, columns: int, *channels: int, top: int = 256, dtype: Any = np.uint8) -> np.ndarray:
    """Return a ramp with noise: unlike pure noise it can be compressed, and some encoders insist on that."""
    ramp = np.linspace(0, 0.9, rows * columns * max(1, *channels, 1)).reshape(rows, columns, *channels)
    return ((ramp + RNG.random(ramp.shape) * 0.09) * top).astype(dtype)


def packaged(name: str) -> Path:
    """Return a test file inside the installed pydicom package; never from the network."""
    found = get_testdata_file(name, download=False)
    assert found is not None
    return Path(str(found))


# Layouts and byte orders


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("shape", [(6, 7), (5, 5, 3), (5, 7), (4, 6, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_uncompressed_cines_of_both_byte_orders(
    make_dicom: MakeDicom, source_of: SourceOf, syntax: str, shape: tuple[int, ...], dtype: Any
) -> None:
    frames = [noise(*shape, top=np.iinfo(dtype).max + 1, dtype=dtype) for _ in range(3)]
    stored = (
        [frame.astype(frame.dtype.newbyteorder(">")) for frame in frames] if syntax == ExplicitVRBigEndian else frames
    )
    reader = open_source(source_of(make_dicom(stored, syntax=syntax)))
    assert reader.study.facts.transfer_syntax == syntax
    for index in (2, 0, 1):
        frame = reader.frame(index)
        assert frame.pixels.dtype == dtype
        assert frame.pixels.dtype.isnative
        assert np.array_equal(frame.pixels, frames[index])


def test_planes_are_interleaved(make_dicom: MakeDicom, source_of: SourceOf) -> None:
    frame = noise(5, 6, 3)
    path = make_dicom([frame], PlanarConfiguration=1)
    dataset = pydicom.dcmread(path)
    dataset.PixelData = np.moveaxis(frame, 2, 0).tobytes()
    dataset.save_as(path)
    assert np.array_equal(open_source(source_of(path)).frame(0).pixels, frame)


def test_bits_beyond_the_stored_ones_are_not_values(make_dicom: MakeDicom, source_of: SourceOf) -> None:
    values = noise(6, 6, top=4096, dtype=np.uint16)
    path = make_dicom([values | 0xA000], BitsStored=12, HighBit=11)
    frame = open_source(source_of(path)).frame(0)
    assert frame.bits_stored == 12
    assert np.array_equal(frame.pixels, values)


def test_values_in_the_high_bits_are_shifted_down(make_dicom: MakeDicom, source_of: SourceOf) -> None:
    values = noise(6, 6, top=4096, dtype=np.uint16)
    path = make_dicom([values << 4], BitsStored=12, HighBit=15)
    assert np.array_equal(open_source(source_of(path)).frame(0).pixels, values)


def test_8_bits_stored_in_16_become_uint8(make_dicom: MakeDicom, source_of: SourceOf) -> None:
    values = noise(6, 6, dtype=np.uint16)
    frame = open_source(source_of(make_dicom([values], BitsStored=8, HighBit=7))).frame(0)
    assert frame.pixels.dtype == np.uint8
    assert np.array_equal(frame.pixels, values)


@pytest.mark.parametrize(("dtype", "half"), [(np.int8, 128), (np.int16, 32768)])
def test_signed_values_are_moved_up_by_half_their_range(
    make_dicom: MakeDicom, source_of: SourceOf, dtype: Any, half: int
) -> None:
    values = RNG.integers(-half, half, (6, 6)).astype(dtype)
    path = make_dicom([values], WindowCenter="10", WindowWidth="21", RescaleSlope="2", RescaleIntercept="-6")
    frame = open_source(source_of(path)).frame(0)
    assert np.array_equal(frame.pixels.astype(np.int64), values.astype(np.int64) + half)
    # (10 - 0.5 -+ 10) in rescaled values, back through value = 2 x stored - 6, moved like the pixels.
    assert frame.window == (2.75 + half, 12.75 + half)


def test_monochrome1_keeps_its_values_and_says_so(make_dicom: MakeDicom, source_of: SourceOf) -> None:
    values = noise(6, 6)
    reader = open_source(source_of(make_dicom([values], PhotometricInterpretation="MONOCHROME1")))
    frame = reader.frame(0)
    assert reader.study.facts.photometric == "MONOCHROME1"
    assert frame.inverted
    assert np.array_equal(frame.pixels, values)
    assert np.array_equal(to_grey8(frame), 255 - values)


def test_windows_that_are_none_are_left_out(make_dicom: MakeDicom, source_of: SourceOf) -> None:
    for elements in (
        {},
        {"WindowCenter": 10, "WindowWidth": 0},
        {"WindowCenter": 10, "WindowWidth": 9, "RescaleSlope": 0},
    ):
        assert open_source(source_of(make_dicom([noise(4, 4)], **elements))).frame(0).window is None
    exact = make_dicom([noise(4, 4)], WindowCenter=[10, 99], WindowWidth=[4, 99], VOILUTFunction="LINEAR_EXACT")
    assert open_source(source_of(exact)).frame(0).window == (8.0, 12.0)
    assert open_source(source_of(make_dicom([noise(4, 4, 3)], WindowCenter=9, WindowWidth=9))).frame(0).window is None


def test_ybr_is_decoded_to_rgb(make_dicom: MakeDicom, source_of: SourceOf) -> None:
    rows, columns = np.mgrid[0:240:8, 0:240:8]
    rgb = np.stack([rows, columns, np.full_like(rows, 90)], axis=2).astype(np.uint8)
    ybr = pydicom.pixels.convert_color_space(rgb, "RGB", "YBR_FULL")
    full = open_source(source_of(make_dicom([ybr], PhotometricInterpretation="YBR_FULL")))
    assert full.study.facts.photometric == "YBR_FULL"
    assert np.abs(full.frame(0).pixels.astype(int) - rgb).max() <= 2
    # A file that claims subsampled colour and stores all of it.
    whole = open_source(source_of(make_dicom([ybr], PhotometricInterpretation="YBR_FULL_422")))
    assert np.abs(whole.frame(0).pixels.astype(int) - rgb).max() <= 2


def test_subsampled_ybr_is_expanded() -> None:
    reader = open_dicom(_source(packaged("SC_ybr_full_422_uncompressed.dcm")))
    rgb = open_dicom(_source(packaged("SC_rgb_rle.dcm"))).frame(0).pixels
    assert np.array_equal(reader.frame(0).pixels[5, 50], [254, 0, 0])
    assert np.abs(reader.frame(0).pixels.astype(int) - rgb).mean() < 3


def test_palettes_become_rgb(make_dicom: MakeDicom, source_of: SourceOf) -> None:
    indices = noise(6, 7)
    tables = RNG.integers(0, 65536, (3, 256)).astype(np.uint16)
    wide = open_source(source_of(make_dicom([indices], name="wide.dcm", **palette(tables, bits=16))))
    frame = wide.frame(0)
    assert np.array_equal(frame.pixels, np.moveaxis((tables >> 8).astype(np.uint8)[:, indices], 0, 2))
    assert frame.bits_stored == 8
    low = open_source(source_of(make_dicom([indices], name="low.dcm", **palette(tables >> 8, bits=16))))
    assert np.array_equal(low.frame(0).pixels, frame.pixels)


def palette(tables: np.ndarray, *, bits: int) -> dict[str, Any]:
    elements: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for colour, table in zip(("Red", "Green", "Blue"), tables, strict=True):
        elements[f"{colour}PaletteColorLookupTableDescriptor"] = [len(table), 0, bits]
        elements[f"{colour}PaletteColorLookupTableData"] = table.astype("<u2").tobytes()
    return elements


# Compression, bit for bit


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
@pytest.mark.parametrize("kind", [((64, 67), 8), ((64, 67), 16), ((64, 67), 12), ((64, 67, 3), 8)])
def test_lossless_round_trips(
    make_dicom: MakeDicom, source_of: SourceOf, syntax: Any, kind: tuple[tuple[int, ...], int]
) -> None:
    shape, stored = kind
    dtype = np.uint8 if stored == 8 else np.uint16
    frames = [texture(*shape, top=1 << stored, dtype=dtype) for _ in range(3)]
    path = make_dicom(frames, BitsStored=stored, HighBit=stored - 1)
    dataset = pydicom.dcmread(path)
    dataset.compress(syntax)
    dataset.save_as(path)
    reader = open_source(source_of(path))
    assert reader.study.facts.transfer_syntax == syntax
    for index in (1, 2, 0):
        assert np.array_equal(reader.frame(index).pixels, frames[index])


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_lossless_round_trips_of_signed_values(make_dicom: MakeDicom, source_of: SourceOf, syntax: Any) -> None:
    values = texture(64, 66, top=4096, dtype=np.int16) - 2048
    path = make_dicom([values])
    dataset = pydicom.dcmread(path)
    dataset.compress(syntax)
    dataset.save_as(path)
    assert np.array_equal(open_source(source_of(path)).frame(0).pixels, values.astype(np.int32) + 32768)


@pytest.mark.parametrize("kind", ["JPEGLosslessProcess14", "JPEGLosslessProcess14_1"])
@pytest.mark.parametrize("shape", [(16, 18), (16, 18, 3)])
def test_jpeg_lossless_round_trips(
    make_dicom: MakeDicom, source_of: SourceOf, tmp_path: Path, kind: str, shape: tuple[int, ...]
) -> None:
    frames = [noise(*shape), noise(*shape)]
    path = recompress(make_dicom(frames), tmp_path / "lossless.dcm", kind)
    reader = open_source(source_of(path))
    for index in (1, 0):
        assert np.array_equal(reader.frame(index).pixels, frames[index])


def test_12_bit_jpeg_extended(make_dicom: MakeDicom, source_of: SourceOf, tmp_path: Path) -> None:
    rows, columns = np.mgrid[0:64, 0:48]
    smooth = (rows * 40 + columns * 20).astype(np.uint16)
    made = make_dicom([smooth], BitsStored=12, HighBit=11)
    path = recompress(made, tmp_path / "extended.dcm", "JPEGExtendedProcess2_4")
    frame = open_source(source_of(path)).frame(0)
    assert frame.bits_stored == 12
    assert np.abs(frame.pixels.astype(int) - smooth).max() < 40


def recompress(path: Path, target: Path, kind: str) -> Path:
    """Write a file again in another transfer syntax with gdcm."""
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, kind)))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.SetFileName(str(target))
    assert writer.Write()
    return target


def test_jpeg_baseline_colour_is_what_another_decoder_sees(make_dicom: MakeDicom, source_of: SourceOf) -> None:
    rows, columns = np.mgrid[0:64, 0:64]
    rgb = np.stack([rows * 3, columns * 3, 200 - rows - columns], axis=2).astype(np.uint8)
    coded = cv2.imencode(".jpg", rgb[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    path = make_dicom([rgb], syntax=JPEGBaseline8Bit, encoded=[coded], PhotometricInterpretation="YBR_FULL_422")
    pixels = open_source(source_of(path)).frame(0).pixels
    theirs = cv2.imdecode(np.frombuffer(coded, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
    assert np.abs(pixels.astype(int) - theirs).mean() < 2
    assert np.abs(pixels.astype(int) - rgb).mean() < 4


def test_deflated(make_dicom: MakeDicom, source_of: SourceOf) -> None:
    frames = [noise(8, 9), noise(8, 9)]
    reader = open_source(source_of(make_dicom(frames, syntax=DeflatedExplicitVRLittleEndian)))
    assert np.array_equal(reader.frame(1).pixels, frames[1])
    assert reader.held_bytes == 144


@pytest.mark.parametrize("has_bot", [True, False])
def test_frames_in_several_fragments(make_dicom: MakeDicom, source_of: SourceOf, has_bot: bool) -> None:
    frames = [texture(40, 44) for _ in range(3)]
    path = make_dicom(frames)
    dataset = pydicom.dcmread(path)
    dataset.compress(JPEGLSLossless)
    coded = list(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=3))
    dataset.PixelData = encapsulate(coded, fragments_per_frame=2, has_bot=has_bot)
    dataset.save_as(path)
    reader = open_source(source_of(path))
    for index in (2, 0, 1):
        assert np.array_equal(reader.frame(index).pixels, frames[index])


def test_extended_offset_table(make_dicom: MakeDicom, source_of: SourceOf) -> None:
    frames = [noise(12, 10) for _ in range(3)]
    path = make_dicom(frames)
    dataset = pydicom.dcmread(path)
    dataset.compress(RLELossless)
    coded = list(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=3))
    dataset.PixelData, dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths = encapsulate_extended(coded)
    dataset.save_as(path)
    reader = open_source(source_of(path))
    assert np.array_equal(reader.frame(2).pixels, frames[2])


def test_one_frame_of_a_cine_costs_one_frame(
    make_dicom: MakeDicom, source_of: SourceOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader reads the bytes of the frame that is asked for, not the clip."""
    frames = [noise(64, 64) for _ in range(50)]
    reader = open_source(source_of(make_dicom(frames)))
    read = 0
    opened = builtins.open

    class Counting:
        def __init__(self, file: Any) -> None:
            self._file = file

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

        def __enter__(self) -> "Counting":
            return self

        def __exit__(self, *_: object) -> None:
            self._file.close()

        def read(self, size: int = -1) -> bytes:
            nonlocal read
            data = self._file.read(size)
            read += len(data)
            return bytes(data)

    monkeypatch.setattr(Path, "open", lambda path, mode: Counting(opened(path, mode, buffering=0)))
    assert np.array_equal(reader.frame(40).pixels, frames[40])
    assert read == 64 * 64


# What the file declares


def test_facts_times_and_regions(make_dicom: MakeDicom, source_of: SourceOf) -> None:
    item = Dataset()
    item.RegionSpatialFormat = item.RegionDataType = 1
    item.RegionLocationMinX0 = item.RegionLocationMinY0 = 2
    item.RegionLocationMaxX1 = item.RegionLocationMaxY1 = 9
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = 3
    item.PhysicalDeltaX = item.PhysicalDeltaY = 0.05
    path = make_dicom(
        [noise(12, 12), noise(12, 12)],
        FrameTime="40",
        Manufacturer="Maker ",
        ManufacturerModelName="One",
        PixelSpacing=["9", "9"],
        SequenceOfUltrasoundRegions=Sequence([item]),
    )
    reader = open_source(source_of(path))
    study = reader.study
    assert (study.facts.modality, study.facts.manufacturer, study.facts.model) == ("US", "Maker", "One")
    assert study.facts.frame_time_ms == 40
    assert [ref.time_ms for ref in study.frames] == [0, 40]
    assert study.is_cine
    frame = reader.frame(1)
    assert frame.regions == study.regions
    assert frame.regions[0].box == Box(2, 2, 10, 10)
    # With a scan region the spacing lives there, and nowhere else.
    assert frame.spacing_mm is None
    assert frame.spacing_at(5, 5) == (0.5, 0.5)
    assert frame.spacing_at(0, 0) is None


def test_spacing_without_regions(make_dicom: MakeDicom, source_of: SourceOf) -> None:
    frame = open_source(source_of(make_dicom([noise(4, 4)], PixelSpacing=["0.2", "0.3"]))).frame(0)
    assert frame.spacing_at(0, 0) == (0.2, 0.3)


# pydicom's own test files


@pytest.mark.parametrize(
    ("name", "twin"),
    [
        ("MR_small_RLE.dcm", "MR_small.dcm"),
        ("MR_small_bigendian.dcm", "MR_small.dcm"),
        ("MR_small_implicit.dcm", "MR_small.dcm"),
        ("MR_small_expb.dcm", "MR_small.dcm"),
        ("MR_small_padded.dcm", "MR_small.dcm"),
        ("MR_small_jp2klossless.dcm", "MR_small.dcm"),
        ("MR_small_jpeg_ls_lossless.dcm", "MR_small.dcm"),
        ("SC_rgb_jpeg_gdcm.dcm", "SC_rgb_rle.dcm"),
        ("SC_rgb_gdcm_KY.dcm", "SC_rgb_rle.dcm"),
        ("SC_rgb_small_odd_big_endian.dcm", "SC_rgb_small_odd.dcm"),
        ("ExplVR_BigEnd.dcm", "ExplVR_BigEnd.dcm"),
        ("liver_expb_1frame.dcm", "liver_1frame.dcm"),
    ],
)
def test_lossless_twins_are_equal(name: str, twin: str) -> None:
    pixels = open_dicom(_source(packaged(name))).frame(0).pixels
    assert np.array_equal(pixels, open_dicom(_source(packaged(twin))).frame(0).pixels)


@pytest.mark.parametrize(
    "name",
    [
        "SC_rgb_dcmtk_+eb+cr.dcm",
        "SC_rgb_dcmtk_+eb+cy+n1.dcm",
        "SC_rgb_dcmtk_+eb+cy+n2.dcm",
        "SC_rgb_dcmtk_+eb+cy+np.dcm",
        "SC_rgb_dcmtk_+eb+cy+s2.dcm",
        "SC_rgb_dcmtk_+eb+cy+s4.dcm",
        "SC_rgb_jpeg_dcmtk.dcm",
        "SC_rgb_jpeg_lossy_gdcm.dcm",
        "SC_rgb_jls_lossy_line.dcm",
        "SC_rgb_jls_lossy_sample.dcm",
    ],
)
def test_lossy_colour_twins_are_alike(name: str) -> None:
    pixels = open_dicom(_source(packaged(name))).frame(0).pixels
    true = open_dicom(_source(packaged("SC_rgb_rle.dcm"))).frame(0).pixels
    assert np.abs(pixels.astype(int) - true).mean() < 6


def test_signed_values_in_an_unsigned_codestream() -> None:
    frame = open_dicom(_source(packaged("J2K_pixelrep_mismatch.dcm"))).frame(0)
    assert (int(frame.pixels.min()) - 4096, int(frame.pixels.max()) - 4096) == (-2000, 1896)


def test_every_packaged_file_is_a_study_or_a_reason() -> None:
    """None of pydicom's collected oddities gets past the border as anything but a ReadError, or leaks a warning."""
    opened = 0
    for path in sorted(packaged("CT_small.dcm").parent.glob("*.dcm")):
        try:
            reader = open_source(_source(path))
            frame = reader.frame(0)
        except ReadError as error:
            assert path.name in str(error)
            continue
        opened += 1
        assert frame.shape == (reader.study.rows, reader.study.columns)
    assert opened >= 45


def test_the_cine_of_the_pydicom_package() -> None:
    reader = open_dicom(_source(packaged("examples_ybr_color.dcm")))
    study = reader.study
    assert len(study.frames) == 30
    assert study.facts.frame_time_ms == 33.333
    assert study.frames[29].time_ms == pytest.approx(29 * 33.333)
    assert [region.kind for region in study.regions] == ["b_mode"]
    assert study.regions[0].spacing_mm == pytest.approx((0.5105, 0.5105), abs=1e-4)
    first, last = reader.frame(0), reader.frame(29)
    assert first.pixels.shape == (240, 320, 3)
    assert not np.array_equal(first.pixels, last.pixels)
    # Mostly grey: colour that went wrong would tint the whole picture.
    spread = first.pixels.max(axis=2).astype(int) - first.pixels.min(axis=2)
    assert np.percentile(spread, 90) < 12


# Real files


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "shape", "frames", "photometric"),
    [
        ("notZaki_US_Explicit_Big_RGB.dcm", (480, 640), 1, "RGB"),
        ("pydicom-data_OBXXXX1A.dcm", (600, 800), 1, "PALETTE COLOR"),
        ("pydicom-data_OBXXXX1A_2frame.dcm", (600, 800), 2, "PALETTE COLOR"),
        ("pydicom-data_OBXXXX1A_rle.dcm", (600, 800), 1, "PALETTE COLOR"),
        ("pydicom-data_OBXXXX1A_rle_2frame.dcm", (600, 800), 2, "PALETTE COLOR"),
        ("pydicom-data_US1_J2KR.dcm", (480, 640), 1, "YBR_RCT"),
        ("pydicom-data_US1_UNCI.dcm", (480, 640), 1, "RGB"),
        ("pydicom-data_US1_UNCR.dcm", (480, 640), 1, "RGB"),
        ("pydicom-data_gdcm-US-ALOKA-16.dcm", (480, 640), 1, "PALETTE COLOR"),
        ("pydicom_ExplVR_BigEnd.dcm", (60, 80), 1, "RGB"),
        ("pydicom_examples_palette.dcm", (350, 800), 1, "PALETTE COLOR"),
        ("pydicom_examples_rgb_color.dcm", (240, 320), 1, "RGB"),
        ("pydicom_examples_ybr_color.dcm", (240, 320), 30, "YBR_FULL_422"),
    ],
)
def test_real_files(data_root: Path, name: str, shape: tuple[int, int], frames: int, photometric: str) -> None:
    reader = open_source(_source(data_root / "dicom" / name))
    study = reader.study
    assert (study.rows, study.columns, len(study.frames)) == (*shape, frames)
    assert study.facts.photometric == photometric
    for index in range(frames):
        frame = reader.frame(index)
        assert frame.pixels.shape == (*shape, 3)
        assert frame.pixels.dtype == np.uint8
        grey = to_grey8(frame)
        # An ultrasound picture is mostly dark, and is not flat (the 60 x 80 file is a test card).
        assert np.median(grey) < 128 or shape == (60, 80)
        assert grey.std() > 10


@pytest.mark.data
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("pydicom-data_US1_J2KR.dcm", "pydicom-data_US1_UNCR.dcm"),
        ("pydicom-data_OBXXXX1A_rle.dcm", "pydicom-data_OBXXXX1A.dcm"),
        ("pydicom-data_OBXXXX1A_rle_2frame.dcm", "pydicom-data_OBXXXX1A_2frame.dcm"),
    ],
)
def test_real_twins_are_equal_in_colour(data_root: Path, first: str, second: str) -> None:
    one, two = (open_source(_source(data_root / "dicom" / name)) for name in (first, second))
    for index in range(len(one.study.frames)):
        assert np.array_equal(one.frame(index).pixels, two.frame(index).pixels)


@pytest.mark.data
def test_real_lossy_twin_has_the_same_colours(data_root: Path) -> None:
    names = ("pydicom-data_US1_UNCI.dcm", "pydicom-data_US1_UNCR.dcm")
    one, two = (open_source(_source(data_root / "dicom" / name)).frame(0).pixels.astype(int) for name in names)
    assert np.abs(one - two).mean(axis=(0, 1)).max() < 3


@pytest.mark.data
def test_real_regions_have_lengths_where_they_are_lengths(data_root: Path) -> None:
    study = open_source(_source(data_root / "dicom" / "pydicom-data_OBXXXX1A.dcm")).study
    assert [(region.kind, region.units) for region in study.regions] == [
        ("b_mode", ("cm", "cm")),
        ("other", ("none", "s")),
    ]
    assert study.regions[0].spacing_mm == pytest.approx((0.2623, 0.2623), abs=1e-4)
    assert study.regions[1].spacing_mm is None


def _source(path: Path) -> Source:
    return Source("key", path, path.name, path.stat().st_size)
