"""The child process in which gdcm decodes: JPEG lossless and 12-bit JPEG.

Run as `python -m usassist.core.io.gdcm_child`. Each request and each answer is eight bytes of length and a pickle; the
answer is ("ok", array) or ("error", text). The process ends when its input does, so it never outlives its parent.
"""

import os
import pickle
import struct
import sys
import warnings
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from usassist.core.io.quiet import dicom_errors
from usassist.core.io.reader import LIBRARY_ERRORS, first_line

_JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"


@dataclass(frozen=True, slots=True)
class GdcmRequest:
    """One compressed frame, its transfer syntax and pydicom's decoding options for it."""

    data: bytes
    syntax: str
    options: dict[str, Any]


def decode(request: GdcmRequest) -> npt.NDArray[Any]:
    """Decode one frame with gdcm; raises what pydicom and gdcm raise, and may abort the process on damaged data."""
    if request.syntax == _JPEG_EXTENDED:
        return _decode_extended(request)
    from pydicom.encaps import encapsulate
    from pydicom.pixels import get_decoder

    data = encapsulate([request.data], has_bot=False)
    array, _ = get_decoder(request.syntax).as_array(data, index=0, decoding_plugin="gdcm", **request.options)
    return np.asarray(array)


def _decode_extended(request: GdcmRequest) -> npt.NDArray[Any]:
    """Decode one 12-bit frame, a pair that pydicom refuses because gdcm lays it out in 16 bits whatever is declared."""
    import gdcm

    rows, columns = request.options["rows"], request.options["columns"]
    signed = request.options["pixel_representation"]
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(request.data)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((columns, rows, 1))
    image.SetDataElement(element)
    grey = gdcm.PhotometricInterpretation.GetPIType("MONOCHROME2")
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(grey))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(_JPEG_EXTENDED)))
    image.SetPixelFormat(gdcm.PixelFormat(1, 16, 12, 11, signed))
    # gdcm hands bytes out as text, which only this pair of codec and error handler turns back.
    decoded = image.GetBuffer().encode("utf-8", "surrogateescape")
    kind = np.dtype("<i2" if signed else "<u2")
    return np.frombuffer(decoded, kind, count=rows * columns).reshape(rows, columns)


def send(stream: IO[bytes], value: object) -> None:
    """Write one message."""
    body = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(struct.pack("<Q", len(body)) + body)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Read one message of our own other end; raises EOFError where the other end is gone."""
    head = stream.read(8)
    length = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
    body = stream.read(length)
    if len(head) < 8 or len(body) < length:
        raise EOFError("the other process has ended")
    return pickle.loads(body)  # noqa: S301  (written by the same program on the other end of a private pipe)


def main() -> None:
    """Answer requests until the input ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not end up between two answers
    warnings.simplefilter("ignore")
    while True:
        try:
            request = receive(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer: tuple[str, Any] = ("ok", decode(request))
        except LIBRARY_ERRORS + dicom_errors() as error:
            answer = ("error", first_line(error))
        send(answers, answer)


if __name__ == "__main__":
    main()
