"""PNG, JPEG, TIFF (also of several pages) and BMP as studies.

Decided here, on purpose: pixels are handed out on the grid the file stores. An EXIF orientation is not applied, so that
a mask drawn here fits the array every other program and every training pipeline reads from the same file. An alpha
channel is dropped, not blended (libtiff has blended 8-bit TIFFs with black before we see them). Palettes are resolved
to RGB, 1-, 2- and 4-bit grey to 8 bits from 0 to 255.
"""

import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from usassist.core.domain.frame import Frame, FrameRef, ModalityFacts, Source, Study
from usassist.core.errors import ReadError
from usassist.core.geometry.cv import cv2
from usassist.core.io import headers
from usassist.core.io.headers import Claim
from usassist.core.io.reader import ReaderSpec, check_bounds, check_frame_count, check_index, reading
from usassist.core.io.tiff import TiffPage, tiff_pages

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

_MAX_FILE_BYTES = 2 * 1024**3
_CV_ERRORS: tuple[type[Exception], ...] = (cv2.error,)
# What OpenCV would print about a damaged file is said by the ReadError.
cv2.utils.logging.setLogLevel(0)


def sniff(head: bytes) -> bool:
    """Return whether the first bytes are those of a PNG, JPEG, TIFF or BMP."""
    return _format_of(head) is not None


def open_image(source: Source) -> "ImageReader":
    """Open a PNG, JPEG, TIFF or BMP; checks what its header claims, decodes nothing; raises ReadError."""
    data = _read(source)
    with reading(source, "the image's header"):
        name = _format_of(data)
        if name is None:
            raise ReadError(f"{source.relative} is not a PNG, JPEG, TIFF or BMP; check what kind of file it is.")
        try:
            pages = tiff_pages(data) if name == "TIFF" else [TiffPage(0, _claim(name, data))]
        except headers.CutShortError as error:
            raise ReadError(
                f"{source.relative}: the end of the file is missing ({error}). Copy or export it again."
            ) from error
    check_frame_count(source, len(pages))
    for page in pages:
        _check_page(source, page)
    if len({(page.claim.rows, page.claim.columns) for page in pages}) > 1:
        raise ReadError(
            f"{source.relative} holds {len(pages)} pages of different sizes; expected one size. Save the pages as "
            "separate files."
        )
    if name == "JPEG" and not headers.jpeg_is_complete(data):
        raise ReadError(f"{source.relative} is a JPEG that is cut short: its end mark is missing. Copy it again.")
    # A still is read again when it is shown; a stack of pages stays, for playing it must not read it again and again.
    return ImageReader(source, name, pages, data=data if len(pages) > 1 else None)


class ImageReader:
    """An open image file: one frame, or one frame a page."""

    def __init__(self, source: Source, name: str, pages: Sequence[TiffPage], *, data: bytes | None) -> None:
        self._pages = tuple(pages)
        self._data = data
        first = self._pages[0]
        frames = tuple(FrameRef(source.key, index) for index in range(len(self._pages)))
        photometric = "RGB" if first.claim.samples - first.claim.has_alpha >= 3 else "MONOCHROME2"
        facts = ModalityFacts(format=name, photometric=photometric, bits_stored=max(8, first.claim.bits))
        self._study = Study(source, frames, first.claim.rows, first.claim.columns, facts)

    @property
    def study(self) -> Study:
        return self._study

    @property
    def held_bytes(self) -> int:
        return len(self._data or b"")

    def frame(self, index: int) -> Frame:
        """Return the page at `index`: HxW or HxWx3 (RGB), uint8 or uint16; raises ReadError."""
        source, page = self._study.source, self._pages[self._checked(index)]
        data = self._data if self._data is not None else _read(source)
        with reading(source, "the image", also=_CV_ERRORS):
            if data[:8] == headers.PNG_MAGIC:
                data = _checked_png(data)
            decoded = _decode(data, page.index, is_stack=self._data is not None)
            if decoded is None:
                raise ReadError(
                    f"{source.relative} cannot be decoded: it is damaged, cut short, or of a variant of "
                    f"{self._study.facts.format} that is not supported. Save it again as a plain PNG or TIFF."
                )
            pixels = _plain(decoded, page.claim)
        bits = 16 if page.claim.bits > 8 else 8
        if 8 * pixels.dtype.itemsize != bits or pixels.shape[:2] != (page.claim.rows, page.claim.columns):
            raise ReadError(
                f"{source.relative} decodes to {pixels.dtype} of {pixels.shape}; expected {bits} bits and "
                f"{page.claim.rows} x {page.claim.columns}. Save it again as a plain PNG or TIFF."
            )
        if page.white_is_zero and bits == 8:  # libtiff turns 8-bit values round for display; we keep what is stored
            pixels = ~pixels
        return Frame(self._study.frames[index], pixels, bits_stored=bits, inverted=page.white_is_zero)

    def close(self) -> None:
        """Let go of the file's bytes."""
        self._data = None

    def _checked(self, index: int) -> int:
        check_index(self._study, index)
        return index


def _format_of(head: bytes) -> str | None:
    if head.startswith(headers.PNG_MAGIC):
        return "PNG"
    if head.startswith(headers.JPEG_MAGIC):
        return "JPEG"
    if head.startswith(headers.TIFF_MAGICS):
        return "TIFF"
    # "BM" alone begins many texts; the reserved words after the size are zero in every bitmap.
    return "BMP" if head.startswith(headers.BMP_MAGIC) and head[6:10] == bytes(4) else None


def _claim(name: str, data: bytes) -> Claim:
    parse = {"PNG": headers.png_claim, "JPEG": headers.jpeg_claim, "BMP": headers.bmp_claim}[name]
    return parse(data)


def _read(source: Source) -> bytes:
    with reading(source, "the file"):
        size = source.path.stat().st_size
        if size > _MAX_FILE_BYTES:
            raise ReadError(
                f"{source.relative} has {size / 1024**3:.1f} GiB; images up to {_MAX_FILE_BYTES / 1024**3:.0f} GiB "
                "are read. Split it into smaller files."
            )
        return source.path.read_bytes()


def _check_page(source: Source, page: TiffPage) -> None:
    claim = page.claim
    check_bounds(
        source, rows=claim.rows, columns=claim.columns, samples=claim.samples, bytes_per_sample=(claim.bits + 7) // 8
    )
    if claim.bits > 16 or page.sample_format != 1:
        kind = {2: "signed", 3: "floating-point"}.get(page.sample_format, "unsigned")
        raise ReadError(
            f"{source.relative} holds {kind} samples of {claim.bits} bits; expected unsigned samples of 8 or 16 bits. "
            "Convert it to an 8- or 16-bit image."
        )
    if page.has_planes and claim.bits > 8:  # OpenCV takes the planes for interleaved pixels and returns noise
        raise ReadError(
            f"{source.relative} stores {claim.bits}-bit colour as separate planes; expected interleaved pixels. Save "
            "it again as PNG."
        )


def _checked_png(data: bytes) -> bytes:
    """Return the PNG without its colour profile; raises ValueError where a chunk does not match its check sum.

    The decoder would hand out what it could guess of a damaged chunk. It never applies a profile (stored values stay),
    but complains about some on stderr.
    """
    at = len(headers.PNG_MAGIC)
    kept = [data[:at]]
    while at < len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        critical = kind[:1].isupper()
        if critical and zlib.crc32(data[at + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            raise ValueError(f"the check sum of the PNG chunk at byte {at} does not match")
        if kind != b"iCCP":
            kept.append(data[at : end + 4])
        if kind == b"IEND":
            break
        at = end + 4
    return b"".join(kept)


def _decode(data: bytes, page: int, *, is_stack: bool) -> Pixels | None:
    buffer = np.frombuffer(data, dtype=np.uint8)
    # IMREAD_UNCHANGED keeps depth and channels and, unlike the other flags, leaves an EXIF orientation alone.
    if not is_stack and page == 0:
        return cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED)
    done, pages = cv2.imdecodemulti(buffer, cv2.IMREAD_UNCHANGED, range=(page, page + 1))
    return pages[0] if done and pages else None


def _plain(decoded: Pixels, claim: Claim) -> Pixels:
    """Return OpenCV's BGR(A) as HxW or HxWx3 RGB."""
    if decoded.ndim == 2:
        return decoded
    channels = decoded.shape[2]
    if channels == 1 or claim.samples - claim.has_alpha == 1:  # grey with alpha comes as three equal channels and alpha
        return decoded[:, :, 0].copy()
    return decoded[:, :, 2::-1].copy()


SPEC = ReaderSpec(
    name="image",
    suffixes=(".png", ".jpg", ".jpeg", ".jpe", ".tif", ".tiff", ".bmp", ".dib"),
    sniff=sniff,
    open=open_image,
)
