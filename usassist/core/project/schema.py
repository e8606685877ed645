"""The project's two documents as bytes and back: project.json and an annotation; strict in both directions."""

import base64
import binascii
import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TypeVar, get_args

from usassist.core.domain import Annotation, Label, Mask, Origin, Project, Reader, Region, SourceEntry, Status
from usassist.core.errors import ProjectError, UsassistError
from usassist.core.project import layout
from usassist.core.project.fields import MAX_INTEGER, Fields, Malformed, dump_json, dump_records, parse_json
from usassist.core.project.migrate import SCHEMA_VERSION, upgrade
from usassist.core.project.png import PngError, decode_png, encode_png

__all__ = [
    "MAX_ANNOTATION_BYTES",
    "MAX_PROJECT_BYTES",
    "SCHEMA_VERSION",
    "decode_annotation",
    "decode_project",
    "encode_annotation",
    "encode_project",
]

MAX_PROJECT_BYTES = 256 * 2**20
MAX_ANNOTATION_BYTES = 64 * 2**20
MAX_FRAME_PIXELS = 2**27
# Many regions may each be small in the file and large in memory.
_MAX_DECODED_PIXELS = 2**30
_MAX_SIDE = 65_536
_MAX_NOTE = 100_000
_MAX_RELATIVE = 8192

_T = TypeVar("_T")

_SOURCE_FIELDS = {"key", "relative", "size", "sha256"}
_SHA256 = re.compile(r"[0-9a-f]{64}")
_REGION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_STATUSES: dict[str, Status] = {status: status for status in get_args(Status)}
_ORIGINS: dict[str, Origin] = {origin: origin for origin in get_args(Origin)}


def encode_project(project: Project) -> bytes:
    """Return project.json: images_root relative to the project where it lies inside or beside it, else absolute."""
    lists: dict[str, list[dict[str, object]]] = {
        "labels": [
            {"id": label.id, "name": label.name, "colour": label.colour, "caption": label.caption}
            for label in project.labels
        ],
        "readers": [{"id": reader.id, "name": reader.name} for reader in project.readers],
        "sources": [
            {"key": entry.key, "relative": entry.relative, "size": entry.size, "sha256": entry.sha256}
            for entry in project.sources
        ],
    }
    return dump_records({"schema_version": SCHEMA_VERSION, "images_root": _portable_root(project)}, lists)


def decode_project(data: bytes, *, root: Path) -> Project:
    """Return the project whose project.json holds `data`; raises ProjectError, naming the file and the fault."""
    where = str(layout.project_file(root))
    try:
        fields = Fields(upgrade(parse_json(data), kind="project", where=where), "the project")
        images_root = fields.text("images_root", most=8192)
        labels = tuple(_label(item) for item in fields.items("labels", most=10_000))
        readers = tuple(_reader(item) for item in fields.items("readers", most=10_000))
        sources = tuple(_source(item) for item in fields.items("sources", most=2_000_000))
        fields.end()
        _unique("label id", [label.id for label in labels])
        _unique("reader id", [reader.id for reader in readers])
        _unique("source key", [entry.key for entry in sources])
        _unique("source path", [entry.relative for entry in sources])
    except Malformed as fault:
        raise ProjectError(f"{where} cannot be read: {fault}. Restore it from a backup.") from fault
    return Project(root, _absolute(root, images_root), labels, sources, readers, SCHEMA_VERSION)


def encode_annotation(annotation: Annotation) -> bytes:
    """Return an annotation's file: each region's mask is a lossless 0/255 PNG crop in base64 with its (row, col)."""
    return dump_json(
        {
            "schema_version": SCHEMA_VERSION,
            "frame_key": annotation.frame_key,
            "reader": annotation.reader_id,
            "shape": [int(side) for side in annotation.shape],
            "status": annotation.status,
            "flagged": bool(annotation.flagged),
            "tags": list(annotation.tags),
            "note": annotation.note,
            "regions": [
                {
                    "id": region.id,
                    "label": region.label_id,
                    "origin": region.origin,
                    "edited": bool(region.edited),
                    "attributes": [list(pair) for pair in region.attributes],
                    "mask": _mask_document(region.mask),
                }
                for region in annotation.regions
            ],
        }
    )


def decode_annotation(data: bytes, *, where: str) -> Annotation:
    """Return the annotation in `data`; raises ProjectError, naming `where` and the fault.

    The sizes a file claims are checked before anything is decoded, and no name in it becomes a path unchecked.
    """
    try:
        return _annotation(Fields(upgrade(parse_json(data), kind="annotation", where=where), "the annotation"))
    except Malformed as fault:
        raise ProjectError(f"{where} cannot be read: {fault}. Restore it from a backup, or move it away.") from fault


def read_status(data: bytes, *, where: str) -> Status:
    """Return only the status in an annotation's file, without decoding its masks; raises ProjectError."""
    try:
        fields = Fields(upgrade(parse_json(data), kind="annotation", where=where), "the annotation")
        return _choice(fields, "status", _STATUSES)
    except Malformed as fault:
        raise ProjectError(f"{where} cannot be read: {fault}. Restore it from a backup, or move it away.") from fault


def _annotation(fields: Fields) -> Annotation:
    frame_key, reader_id = fields.text("frame_key"), fields.text("reader")
    _checked(layout.check_key, frame_key)
    _checked(layout.check_reader_id, reader_id)
    shape = _shape(fields.items("shape", most=2))
    status = _choice(fields, "status", _STATUSES)
    flagged = fields.flag("flagged")
    tags = tuple(_text(item, "a tag", most=1000) for item in fields.items("tags", most=10_000))
    note = fields.text("note", most=_MAX_NOTE)
    regions: list[Region] = []
    pixels_left = _MAX_DECODED_PIXELS
    for item in fields.items("regions", most=10_000):
        region = _region(item, shape, pixels_left)
        pixels_left -= region.mask.crop.size
        regions.append(region)
    fields.end()
    _unique("region id", [region.id for region in regions])
    return Annotation(frame_key, reader_id, shape, tuple(regions), status, flagged, tags, note)


def _region(value: object, shape: tuple[int, int], pixels_left: int) -> Region:
    fields = Fields(value, "a region")
    region_id = fields.text("id", most=128, pattern=_REGION_ID)
    label_id = fields.text("label", most=64)
    origin = _choice(fields, "origin", _ORIGINS)
    edited = fields.flag("edited")
    attributes = tuple(_pair(item) for item in fields.items("attributes", most=1000))
    mask = _mask(Fields(fields.take("mask"), f"the mask of region {region_id}"), shape, pixels_left)
    fields.end()
    return Region(region_id, label_id, mask, origin, edited, attributes)


def _mask_document(mask: Mask) -> dict[str, object]:
    tight = mask.tight()
    if tight.is_empty:
        return {"row": 0, "col": 0, "png": None}
    row, col = tight.origin
    return {"row": int(row), "col": int(col), "png": base64.b64encode(encode_png(tight.crop)).decode("ascii")}


def _mask(fields: Fields, shape: tuple[int, int], pixels_left: int) -> Mask:
    row, col = fields.integer("row", most=shape[0]), fields.integer("col", most=shape[1])
    text = fields.text_or_none("png", most=MAX_ANNOTATION_BYTES)
    fields.end()
    if text is None:
        return Mask.empty(shape)
    most_rows, most_columns = shape[0] - row, shape[1] - col
    try:
        data = base64.b64decode(text, validate=True)
        crop = decode_png(data, most_rows=most_rows, most_columns=most_columns, most_pixels=pixels_left)
    except (binascii.Error, PngError, ValueError) as fault:
        raise Malformed(f"the PNG crop at row {row}, column {col} is unusable: {fault}") from fault
    return Mask(shape, (row, col), crop)


def _shape(values: list[object]) -> tuple[int, int]:
    sides = [value for value in values if type(value) is int and 0 < value <= _MAX_SIDE]
    if len(sides) != 2 or len(values) != 2 or sides[0] * sides[1] > MAX_FRAME_PIXELS:
        raise Malformed(f"'shape' should be [rows, columns] of an image, found {values!r:.80}")
    return sides[0], sides[1]


def _label(value: object) -> Label:
    fields = Fields(value, "a label")
    found = [fields.text(name, most=1000) for name in ("id", "name", "colour", "caption")]
    fields.end()
    try:
        return Label(*found)
    except UsassistError as fault:
        raise Malformed(str(fault)) from fault


def _reader(value: object) -> Reader:
    fields = Fields(value, "a reader")
    reader = Reader(fields.text("id"), fields.text("name", most=1000))
    fields.end()
    _checked(layout.check_reader_id, reader.id)
    return reader


def _source(value: object) -> SourceEntry:
    """Return the entry in `value`; 10,000 are read while somebody waits, so what is plainly right is taken at once."""
    if isinstance(value, dict) and value.keys() == _SOURCE_FIELDS:
        key, relative, size, sha256 = value["key"], value["relative"], value["size"], value["sha256"]
        if (
            (type(key), type(relative), type(size)) == (str, str, int)
            and 0 <= size <= MAX_INTEGER
            and len(relative) <= _MAX_RELATIVE
            and (sha256 is None or (isinstance(sha256, str) and _SHA256.fullmatch(sha256)))
            and layout.is_key(key)
            and is_inside(relative)
        ):
            return SourceEntry(key, relative, size, sha256)
    return _checked_source(value)


def _checked_source(value: object) -> SourceEntry:
    """Return the entry in `value`, or raise Malformed that says what is wrong with it."""
    fields = Fields(value, "a source")
    key, relative = fields.text("key", most=128), fields.text("relative", most=_MAX_RELATIVE)
    entry = SourceEntry(key, relative, fields.integer("size"), fields.text_or_none("sha256", pattern=_SHA256))
    fields.end()
    if not layout.is_key(key):
        raise Malformed(f"a source has the key {key!r}, which is no file name")
    if not is_inside(relative):
        raise Malformed(f"the source path {relative!r:.120} leaves the images folder")
    return entry


def is_inside(relative: str) -> bool:
    """Return whether a posix path stays inside the folder it is relative to, on the system we run on too."""
    # On Windows a backslash separates and "c:" is a drive; elsewhere both are letters of a name.
    windows = os.name == "nt"
    parts = relative.replace("\\", "/").split("/") if windows else relative.split("/")
    return bool(parts[0]) and ".." not in parts and "\0" not in relative and not (windows and ":" in relative)


def _choice(fields: Fields, name: str, choices: dict[str, _T]) -> _T:
    found = fields.text(name)
    if found not in choices:
        raise Malformed(f"{name!r} should be one of {', '.join(choices)}, found {found!r:.60}")
    return choices[found]


def _pair(value: object) -> tuple[str, str]:
    if not isinstance(value, list) or len(value) != 2:
        raise Malformed(f"an attribute should be [name, value], found {value!r:.80}")
    return _text(value[0], "an attribute's name", most=200), _text(value[1], "an attribute's value", most=10_000)


def _text(value: object, what: str, *, most: int) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise Malformed(f"{what} should be text of at most {most} characters, found {value!r:.80}")
    return value


def _unique(what: str, found: list[str]) -> None:
    if len(set(found)) != len(found):
        twice = Counter(found).most_common(1)[0][0]
        raise Malformed(f"the {what} {twice!r:.120} occurs twice")


def _portable_root(project: Project) -> str:
    # One step up is "beside"; more steps would break as soon as the project alone is moved, which absolute survives.
    try:
        relative = os.path.relpath(project.images_root, project.root)
    except ValueError:  # another drive
        return str(project.images_root)
    portable = Path(relative).as_posix()
    return str(project.images_root) if portable.startswith("../..") else portable


def _absolute(root: Path, text: str) -> Path:
    if PureWindowsPath(text).is_absolute() or PurePosixPath(text).is_absolute():
        return Path(text)
    return Path(os.path.normpath(root / text))


def _checked(check: Callable[[str], str], name: str) -> None:
    try:
        check(name)
    except ProjectError as fault:
        raise Malformed(str(fault)) from fault
