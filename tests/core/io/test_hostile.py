"""Files that are damaged or mean harm: each one a sentence, none a crash, a storm of warnings or a full memory."""

import re
import struct
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.pixels.decoders import base as decoders
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    MediaStorageDirectoryStorage,
    RLELossless,
)

from usassist.core.domain.frame import Source
from usassist.core.errors import ReadError
from usassist.core.geometry.cv import cv2
from usassist.core.io import dicom_header
from usassist.core.io.open_study import open_source

SourceOf = Callable[[Path], Source]
MakeDicom = Callable[..., Path]
RAMP = (np.add.outer(np.arange(48), np.arange(64)) * 2 % 256).astype(np.uint8)


def refuse(source: Source, match: str) -> str:
    with pytest.raises(ReadError, match=match) as caught:
        open_source(source).frame(0)
    message = str(caught.value)
    assert source.relative in message
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("empty.png", b"", "0 bytes"),
        ("empty.dcm", b"", "0 bytes"),
        ("notes.dcm", b"patient notes, nothing else\n" * 20, "a text file"),
        ("short.dcm", b"ab", "a text file"),
        ("paper.png", b"%PDF-1.7 ...", "a PDF"),
        ("clip.dcm", b"\0\0\0\x18ftypmp42" + bytes(100), "MP4"),
        ("zeros.tif", bytes(5000), "nothing but zeros"),
        ("packed.nii.gz", b"\x1f\x8b" + bytes(50), "gzip"),
        ("film.avi", b"RIFF\0\0\0\0AVI LIST", "AVI"),
        ("what.jpg", bytes(range(256)), "unknown kind"),
        ("bm.txt", b"BMW is not a bitmap, whatever it begins with", "a text file"),
    ],
)
def test_files_that_are_something_else(
    tmp_path: Path, source_of: SourceOf, name: str, data: bytes, reason: str
) -> None:
    (tmp_path / name).write_bytes(data)
    refuse(source_of(tmp_path / name), reason)


def bomb_png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(10_000))) + chunk(b"IEND", b"")


def bomb_jpeg() -> bytes:
    data = bytearray(cv2.imencode(".jpg", RAMP)[1].tobytes())
    at = data.find(b"\xff\xc0")
    struct.pack_into(">HH", data, at + 5, 65_000, 65_000)
    return bytes(data)


def bomb_bmp() -> bytes:
    header = b"BM" + struct.pack("<IHHI", 1000, 0, 0, 54)
    # Run-length encoded, so that a tiny file may claim any size.
    return header + struct.pack("<IiiHHIIiiII", 40, 100_000, 100_000, 1, 8, 1, 0, 0, 0, 0, 0) + bytes(100)


@pytest.mark.parametrize(("name", "data"), [("a.png", bomb_png()), ("a.jpg", bomb_jpeg()), ("a.bmp", bomb_bmp())])
def test_giant_claims_cost_nothing(tmp_path: Path, source_of: SourceOf, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    source = source_of(tmp_path / name)
    tracemalloc.start()
    try:
        refuse(source, "at most 512 MiB")
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"Rows": 60_000, "Columns": 60_000}, "60000 x 60000"),
        ({"NumberOfFrames": 2_000_000_000}, "2000000000 frames"),
        ({"NumberOfFrames": -3}, "-3 frames"),
        ({"NumberOfFrames": 300}, "cut short"),
        ({"Rows": 0}, "64 x 0 pixels"),
        ({"Rows": 480}, "cut short"),
        ({"SamplesPerPixel": 3}, "samples a pixel"),
        ({"BitsAllocated": 64}, "bits stored"),
        ({"BitsAllocated": 32, "BitsStored": 32}, "32 bits"),
        ({"BitsStored": 0}, "0 bits stored"),
        ({"PhotometricInterpretation": "CMYK"}, "'CMYK'"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "DICOM header cannot be read"),
    ],
)
def test_dicom_headers_that_contradict_their_pixels(
    make_dicom: MakeDicom, source_of: SourceOf, elements: dict[str, Any], reason: str
) -> None:
    refuse(source_of(make_dicom([RAMP], **elements)), reason)


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless])
def test_a_codestream_larger_than_its_header(make_dicom: MakeDicom, source_of: SourceOf, syntax: Any) -> None:
    path = make_dicom([RAMP])
    dataset = pydicom.dcmread(path)
    dataset.compress(syntax)
    dataset.Rows, dataset.Columns = 8, 8
    dataset.save_as(path)
    refuse(source_of(path), "64 x 48")


def test_dicom_without_pixels_or_with_others(tmp_path: Path, make_dicom: MakeDicom, source_of: SourceOf) -> None:
    path = make_dicom([RAMP])
    dataset = pydicom.dcmread(path)
    del dataset.PixelData
    dataset.save_as(path)
    refuse(source_of(path), "without pixel data")
    dataset.FloatPixelData = bytes(48 * 64 * 4)
    dataset.save_as(path)
    refuse(source_of(path), "floating-point")
    report = Path(str(get_testdata_file("reportsi.dcm", download=False)))
    (tmp_path / "report.dcm").write_bytes(report.read_bytes())
    refuse(source_of(tmp_path / "report.dcm"), "Basic Text SR")


def test_dicomdir(make_dicom: MakeDicom, source_of: SourceOf) -> None:
    path = make_dicom([RAMP], name="DICOMDIR")
    dataset = pydicom.dcmread(path)
    dataset.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    dataset.save_as(path)
    refuse(source_of(path), "open the folder")


@pytest.mark.parametrize(
    "case",
    [
        (JPEG2000Lossless, decoders.JPEG2000LosslessDecoder, "pylibjpeg-openjpeg"),
        (JPEGLSLossless, decoders.JPEGLSLosslessDecoder, "pyjpegls"),
        (RLELossless, decoders.RLELosslessDecoder, "pylibjpeg-rle"),
        (JPEGLosslessSV1, decoders.JPEGLosslessSV1Decoder, "python-gdcm"),
    ],
)
def test_a_missing_codec_is_named(
    make_dicom: MakeDicom,
    source_of: SourceOf,
    monkeypatch: pytest.MonkeyPatch,
    case: tuple[Any, Any, str],
) -> None:
    syntax, decoder, package = case
    path = make_dicom([RAMP], syntax=syntax, encoded=[b"frame "])
    monkeypatch.setattr(decoder, "_available", {})
    refuse(source_of(path), f"pip install .*{package}")


def test_a_compression_nobody_decodes(make_dicom: MakeDicom, source_of: SourceOf) -> None:
    path = make_dicom([RAMP], syntax="1.2.840.10008.1.2.4.102", encoded=[b"video"])
    refuse(source_of(path), "MPEG-4")


def test_frames_that_are_missing(make_dicom: MakeDicom, source_of: SourceOf) -> None:
    path = make_dicom([RAMP] * 3)
    dataset = pydicom.dcmread(path)
    dataset.compress(RLELossless)
    dataset.NumberOfFrames = 5
    dataset.save_as(path)
    refuse(source_of(path), "claims 5 frames and holds 3")


def test_an_inflation_bomb(make_dicom: MakeDicom, source_of: SourceOf, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_dicom([np.zeros((1000, 1000), np.uint8)], syntax=DeflatedExplicitVRLittleEndian)
    assert path.stat().st_size < 5000
    open_source(source_of(path)).frame(0)
    monkeypatch.setattr(dicom_header, "_MAX_INFLATED", 500_000)
    refuse(source_of(path), "inflates to more than")


def test_gdcm_has_to_be_there_only_for_what_it_decodes(
    make_dicom: MakeDicom, source_of: SourceOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoders.JPEGExtended12BitDecoder, "_available", {})
    coded = cv2.imencode(".jpg", RAMP)[1].tobytes()
    open_source(source_of(make_dicom([RAMP], syntax=JPEGExtended12Bit, encoded=[coded]))).frame(0)
    deep = make_dicom([RAMP.astype(np.uint16)], syntax=JPEGExtended12Bit, encoded=[coded], BitsStored=12, HighBit=11)
    refuse(source_of(deep), "python-gdcm")


def _files(make_dicom: MakeDicom) -> dict[str, bytes]:
    """Return one small file of every kind, by name."""
    files = {f"a{suffix}": cv2.imencode(suffix, RAMP)[1].tobytes() for suffix in (".png", ".jpg", ".tif", ".bmp")}
    for syntax in (ExplicitVRLittleEndian, RLELossless, JPEG2000Lossless, JPEGLSLossless):
        path = make_dicom([RAMP, RAMP], name=f"{syntax}.dcm")
        if syntax != ExplicitVRLittleEndian:
            dataset = pydicom.dcmread(path)
            dataset.compress(syntax)
            dataset.save_as(path)
        files[path.name] = path.read_bytes()
        path.unlink()
    return files


def test_cut_anywhere(make_dicom: MakeDicom, source_of: SourceOf, tmp_path: Path) -> None:
    """A file that is cut short is a reason, at every length; only what follows the last pixel may be missing."""
    for name, data in _files(make_dicom).items():
        path = tmp_path / name
        needed = len(data) - (300 if path.suffix == ".tif" else 12)
        for cut in [*range(1, 40, 3), *np.linspace(40, needed - 1, 40).astype(int)]:
            path.write_bytes(data[:cut])
            refuse(source_of(path), re.escape(name))
        path.write_bytes(data)
        open_source(source_of(path)).frame(0)


_FUZZ = """
import sys, random, warnings
warnings.simplefilter("error")
from pathlib import Path
from usassist.core.errors import ReadError
from usassist.core.io.open_study import find_sources, open_source
for path in sorted(Path(sys.argv[1]).iterdir()):
    print(path.name, flush=True)
    rng = random.Random(11)
    original = path.read_bytes()
    for _ in range(int(sys.argv[2])):
        data = bytearray(original)
        for _ in range(rng.choice((1, 1, 2, 5, 30))):
            data[rng.randrange(len(data))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        path.write_bytes(data)
        try:
            reader = open_source(find_sources(path)[0])
            for index in range(min(3, len(reader.study.frames))):
                reader.frame(index)
        except ReadError:
            pass
print("all")
"""


def test_damaged_bytes_never_get_past_the_border(make_dicom: MakeDicom, tmp_path: Path) -> None:
    """Random damage gives a frame or a ReadError; in a process of its own, for decoders written in C may also crash."""
    folder, files = tmp_path / "damaged", _files(make_dicom)
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", _FUZZ, str(folder), "150"], capture_output=True, text=True, timeout=240, check=False
    )
    names = done.stdout.splitlines()
    assert done.returncode == 0, f"{names[-1:]}: {done.stderr[-2000:]}"
    assert names == [*sorted(files), "all"]
