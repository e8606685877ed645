"""gdcm in a process of its own: it answers, it may die, and it comes back."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.encaps import get_frame
from pydicom.pixels.utils import as_pixel_options

from usassist.core.io import gdcm_apart
from usassist.core.io.gdcm_apart import decode_apart
from usassist.core.io.gdcm_child import GdcmRequest, decode


@pytest.fixture(autouse=True)
def _own_child() -> Iterator[None]:
    gdcm_apart.close()
    yield
    gdcm_apart.close()


@pytest.fixture
def request_of_a_frame() -> GdcmRequest:
    dataset = pydicom.dcmread(Path(str(get_testdata_file("SC_rgb_jpeg_gdcm.dcm", download=False))))
    data = get_frame(dataset.PixelData, 0, number_of_frames=1)
    return GdcmRequest(data, str(dataset.file_meta.TransferSyntaxUID), as_pixel_options(dataset, number_of_frames=1))


def test_the_child_decodes_what_this_process_would(request_of_a_frame: GdcmRequest) -> None:
    assert np.array_equal(decode_apart(request_of_a_frame), decode(request_of_a_frame))


def test_one_child_serves_many_frames(request_of_a_frame: GdcmRequest) -> None:
    decode_apart(request_of_a_frame)
    (first,) = gdcm_apart._children
    decode_apart(request_of_a_frame)
    assert gdcm_apart._children == [first]


def test_damaged_data_is_an_error_and_the_child_lives(request_of_a_frame: GdcmRequest) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_apart(GdcmRequest(b"\xff\xd8 nothing", request_of_a_frame.syntax, request_of_a_frame.options))
    decode_apart(request_of_a_frame)


def test_a_dead_child_is_replaced(request_of_a_frame: GdcmRequest) -> None:
    decode_apart(request_of_a_frame)
    gdcm_apart._children[0].kill()
    gdcm_apart._children[0].wait()
    assert decode_apart(request_of_a_frame).shape == (100, 100, 3)


def test_a_child_that_dies_while_decoding_is_an_error(
    request_of_a_frame: GdcmRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode_apart(request_of_a_frame)

    def die(*_: object) -> None:
        gdcm_apart._children[0].kill()

    monkeypatch.setattr(gdcm_apart, "send", die)
    with pytest.raises(ValueError, match="gave up"):
        decode_apart(request_of_a_frame)
    monkeypatch.undo()
    decode_apart(request_of_a_frame)
