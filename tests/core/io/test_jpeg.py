"""8-bit JPEG frames in the colour space that DICOM means, compared with pydicom's own decoding."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.encaps import get_frame
from pydicom.pixels import pixel_array

from usassist.core.geometry.cv import cv2
from usassist.core.io.jpeg import decode_jpeg8
from usassist.core.io.quiet import quiet

RGB = np.stack(np.broadcast_arrays(*np.ogrid[0:192:4, 0:192:4], np.full((1, 1), 60)), axis=2).astype(np.uint8)


def coded(pixels: np.ndarray) -> bytes:
    return bytes(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes())


def without_jfif(data: bytes) -> bytes:
    assert data[2:4] == b"\xff\xe0"
    return data[:2] + data[4 + int.from_bytes(data[4:6], "big") :]


@pytest.mark.parametrize(
    "name",
    [
        "SC_jpeg_no_color_transform.dcm",
        "SC_jpeg_no_color_transform_2.dcm",
        "SC_rgb_jpeg.dcm",
        "SC_rgb_jpeg_app14_dcmd.dcm",
        "SC_rgb_dcmtk_+eb+cr.dcm",
        "SC_rgb_dcmtk_+eb+cy+n1.dcm",
        "SC_rgb_dcmtk_+eb+cy+n2.dcm",
        "SC_rgb_dcmtk_+eb+cy+np.dcm",
        "SC_rgb_dcmtk_+eb+cy+s2.dcm",
        "SC_rgb_dcmtk_+eb+cy+s4.dcm",
        "SC_rgb_jpeg_lossy_gdcm.dcm",
        "SC_rgb_small_odd_jpeg.dcm",
        "examples_ybr_color.dcm",
    ],
)
def test_like_pydicom(name: str) -> None:
    with quiet():
        dataset = pydicom.dcmread(Path(str(get_testdata_file(name, download=False))))
        theirs = pixel_array(dataset, index=0).astype(int)
        data = get_frame(dataset.PixelData, 0, number_of_frames=int(dataset.get("NumberOfFrames", 1)))
    ours = decode_jpeg8(data, photometric=dataset.PhotometricInterpretation)
    assert ours.shape == theirs.shape
    # Decoders differ in how they smooth subsampled colour, by a few levels at edges.
    assert np.abs(ours - theirs).mean() < 1.5


def test_rgb_without_marker_is_not_converted() -> None:
    # The encoder wrote YCbCr; read as RGB, the channels must come back as they are in the stream.
    data = without_jfif(coded(RGB[:, :, ::-1]))
    as_rgb = decode_jpeg8(data, photometric="RGB").astype(int)
    as_ybr = decode_jpeg8(data, photometric="YBR_FULL_422").astype(int)
    assert np.abs(as_ybr - RGB).mean() < 3
    luma = cv2.cvtColor(RGB, cv2.COLOR_RGB2GRAY)
    assert np.abs(as_rgb[:, :, 0] - luma).mean() < 3


def test_a_jfif_marker_means_ybr_whatever_the_header_says() -> None:
    data = coded(RGB[:, :, ::-1])
    assert np.abs(decode_jpeg8(data, photometric="RGB").astype(int) - RGB).mean() < 3


def test_rgb_component_names_win() -> None:
    data = bytearray(coded(RGB[:, :, ::-1]))
    frame, scan = data.find(b"\xff\xc0"), data.find(b"\xff\xda")
    for index, name in enumerate(b"RGB"):
        data[frame + 10 + 3 * index] = name
        data[scan + 5 + 2 * index] = name
    luma = cv2.cvtColor(RGB, cv2.COLOR_RGB2GRAY)
    assert np.abs(decode_jpeg8(bytes(data), photometric="YBR_FULL_422")[:, :, 0].astype(int) - luma).mean() < 3


def test_grey() -> None:
    grey = RGB[:, :, 0].copy()
    assert np.abs(decode_jpeg8(coded(grey), photometric="MONOCHROME2").astype(int) - grey).max() < 4


@pytest.mark.parametrize("data", [b"\xff\xd8\xff\xd9", coded(RGB)[:300], b"\xff\xd8\xff\xe0\0\4ab"])
def test_damaged(data: bytes) -> None:
    with pytest.raises(ValueError, match="damaged"):
        decode_jpeg8(data, photometric="RGB")
