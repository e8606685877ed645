"""The front door of the reading room: from a path to sources, and from a source to an open reader."""

from usassist.core.domain.frame import Source
from usassist.core.errors import ReadError
from usassist.core.io import dicom, image, volume
from usassist.core.io.find import find_sources, hash_source, source_key
from usassist.core.io.reader import HEAD_BYTES, ReaderSpec, StudyReader, first_line

__all__ = ["find_sources", "hash_source", "open_source", "source_key", "specs"]


def specs() -> tuple[ReaderSpec, ...]:
    """Return every kind of file that is read.

    DICOM comes first: its preamble may hold a TIFF header, so that one file is both (DICOM PS3.10, 7.1).
    """
    return dicom.SPEC, image.SPEC, volume.SPEC


def open_source(source: Source) -> StudyReader:
    """Open a file by what it contains, whatever its name says; raises ReadError with the reason where it cannot."""
    head = _head(source)
    reader = next((spec for spec in specs() if spec.sniff(head)), None)
    if reader is None:
        raise ReadError(
            f"{source.relative} is {_described(head)}; expected DICOM, PNG, JPEG, TIFF, BMP, NIfTI, NRRD or MetaImage. "
            "Check that it is the right file and was copied whole."
        )
    return reader.open(source)


def _head(source: Source) -> bytes:
    try:
        with source.path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except FileNotFoundError as error:
        raise ReadError(f"{source.relative} is not there any more; expected a file at {source.path}.") from error
    except OSError as error:
        raise ReadError(f"{source.relative} may not be read: {first_line(error)}. Check its permissions.") from error
    if not head:
        raise ReadError(f"{source.relative} is empty (0 bytes). Copy or export it again.")
    return head


_SIGNATURES = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive without a volume in it"),
    (b"GIF8", "a GIF image"),
    (b"\x1aE\xdf\xa3", "a Matroska video"),
)


def _described(head: bytes) -> str:
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    if head[:4] == b"RIFF":
        return {b"WEBP": "a WebP image", b"AVI ": "an AVI video"}.get(head[8:12], "a RIFF file")
    if head[4:8] == b"ftyp":
        return "an MP4 video or HEIF image"
    if not head.strip(b"\0"):
        return "nothing but zeros"
    return "a text file" if _is_text(head) else "of an unknown kind"


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        # The head may end within a character.
        if error.start < len(head) - 3:
            return False
        text = head[: error.start].decode("utf-8")
    return all(character.isprintable() or character in "\r\n\t\f" for character in text)
