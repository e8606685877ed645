"""Telling DICOM by its first bytes, without pydicom: start-up and folder searches pass here."""

_PREAMBLE = 128
_TEXT_VRS = frozenset({b"UI", b"CS", b"UL", b"SH", b"LO", b"DA", b"TM", b"OB", b"SQ", b"IS", b"AE"})


def looks_like_dicom(head: bytes) -> bool:
    """Return whether the first bytes (132 or more) carry DICOM's "DICM" mark after the preamble."""
    return head[_PREAMBLE : _PREAMBLE + 4] == b"DICM"


def looks_like_bare_dicom(head: bytes) -> bool:
    """Return whether the first bytes could be a DICOM data set without preamble, as old archives wrote them.

    Such a file begins with an element of group 0002 or 0008, in either byte order: (explicit) a value representation
    in letters, or (implicit) a short length.
    """
    if len(head) < 12:
        return False
    little = head[:2] in (b"\x02\x00", b"\x08\x00") and head[3] == 0
    big = head[:2] in (b"\x00\x02", b"\x00\x08") and head[2] == 0
    if not (little or big):
        return False
    length = int.from_bytes(head[4:8], "little" if little else "big")
    return head[4:6] in _TEXT_VRS or 0 < length < 1024
