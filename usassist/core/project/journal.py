"""What each reader did, one JSON line an event, only ever appended: the provenance of every mask."""

import logging
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

from usassist.core.domain import Project
from usassist.core.errors import ProjectError
from usassist.core.project import atomic, layout
from usassist.core.project.fields import Fields, Malformed, dump_line, parse_json

_LOG = logging.getLogger(__name__)

JournalAction = Literal[
    "proposed", "accepted", "rejected", "edited", "drawn", "deleted", "saved", "nothing", "flagged", "recovered"
]
_ACTIONS: dict[str, JournalAction] = {action: action for action in get_args(JournalAction)}
_LINE_VERSION = 2
"""2 added the label; a line of version 1 has none."""
_MAX_LINE = 2**20
_MAX_BYTES = 2**30
_APPEND = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True)
class JournalEvent:
    """One thing a reader did to one frame.

    `when_utc` is ISO 8601 with its offset (see `utc_now`); `engine`, `weights_hash` and `prompt` name what proposed,
    None where no engine took part; `unchanged` says of an accepted proposal that no pixel was edited; `seconds` is
    the time spent; `label` is the id of the label that the region of the event has, None where it is about no region.
    """

    when_utc: str
    reader_id: str
    frame_key: str
    action: JournalAction
    engine: str | None = None
    weights_hash: str | None = None
    prompt: str | None = None
    unchanged: bool | None = None
    seconds: float | None = None
    label: str | None = None


def utc_now() -> str:
    """Return the present time as the journal writes it, such as "2026-03-01T12:00:00.123+00:00"."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def append(project: Project, event: JournalEvent) -> None:
    """Add an event to its reader's journal; it is on the disk when this returns. Raises ProjectError.

    A line that a crash cut off is removed first; a line the disk could not take completely leaves no part behind.
    """
    path = layout.journal_file(project.root, event.reader_id)
    line = _encoded(event)
    is_new = not path.exists()
    atomic.make_folder(path.parent)
    try:
        handle = os.open(path, _APPEND, 0o666)
        try:
            _append_line(handle, line)
        finally:
            os.close(handle)
        if is_new:
            atomic.sync_folder(path.parent)
    except OSError as fault:
        raise ProjectError(atomic.explain(fault, path)) from fault


def read(project: Project, reader_id: str) -> list[JournalEvent]:
    """Return a reader's events in the order they were written; a line that a crash cut off is skipped.

    A damaged line among whole ones is skipped with a warning: the rest of the record is worth more than none.
    """
    path = layout.journal_file(project.root, reader_id)
    try:
        data = layout.read_bounded(path, most=_MAX_BYTES)
    except FileNotFoundError:
        return []
    *lines, tail = data.split(b"\n")
    events: list[JournalEvent] = []
    for number, line in enumerate([*lines, tail] if _is_event(tail) else lines, start=1):
        try:
            events.append(_decoded(line, reader_id))
        except Malformed as fault:
            _LOG.warning("Line %d of %s is skipped: %s.", number, path, fault)
    return events


def _encoded(event: JournalEvent) -> bytes:
    layout.check_key(event.frame_key)
    what = f"The event {event.action!r:.40} of frame {event.frame_key}"
    try:
        line = dump_line({"v": _LINE_VERSION, **asdict(event)})
        again = _decoded(line[:-1], event.reader_id)
    except (Malformed, TypeError, ValueError) as fault:
        raise ProjectError(f"{what} is no journal line: {fault}. It was not written.") from fault
    if again != event:
        raise ProjectError(f"{what} would not read back as it is and was not written.")
    return line


def _decoded(line: bytes, reader_id: str) -> JournalEvent:
    if len(line) > _MAX_LINE:
        raise Malformed("it is too long")
    fields = Fields(parse_json(line), "the event")
    version = fields.integer("v", least=1)
    if version > _LINE_VERSION:
        raise Malformed(f"a newer usassist wrote it (version {version})")
    action = fields.text("action")
    if action not in _ACTIONS:
        raise Malformed(f"'action' should be one of {', '.join(_ACTIONS)}, found {action!r:.60}")
    event = JournalEvent(
        when_utc=_moment(fields.text("when_utc")),
        reader_id=fields.text("reader_id"),
        frame_key=fields.text("frame_key"),
        action=_ACTIONS[action],
        engine=fields.text_or_none("engine"),
        weights_hash=fields.text_or_none("weights_hash"),
        prompt=fields.text_or_none("prompt", most=10_000),
        unchanged=fields.flag_or_none("unchanged"),
        seconds=fields.number_or_none("seconds"),
        label=fields.text_or_none("label", most=64) if version > 1 else None,
    )
    fields.end()
    if event.reader_id != reader_id:
        raise Malformed(f"it is an event of reader {event.reader_id!r:.80}")
    return event


def _moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as fault:
        raise Malformed(f"'when_utc' should be an ISO 8601 time, found {text!r:.60}") from fault
    if moment.tzinfo is None:
        raise Malformed(f"'when_utc' should name its offset from UTC, found {text!r:.60}")
    return text


def _is_event(tail: bytes) -> bool:
    """Return whether a last line without its newline is whole all the same."""
    try:
        return isinstance(parse_json(tail), dict)
    except Malformed:
        return False


def _append_line(handle: int, line: bytes) -> None:
    end = os.lseek(handle, 0, os.SEEK_END)
    start = _end_of_whole_lines(handle, end)
    if start < end:
        tail = _read_at(handle, start, end - start)
        if _is_event(tail):
            line = b"\n" + line
        else:
            os.ftruncate(handle, start)
            end = start
    try:
        atomic.write_all(handle, line)
        os.fsync(handle)
    except OSError:
        os.ftruncate(handle, end)
        raise


def _end_of_whole_lines(handle: int, end: int) -> int:
    """Return the offset after the last newline, 0 where there is none."""
    at = end
    while at > 0:
        start = max(0, at - 65_536)
        newline = _read_at(handle, start, at - start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        at = start
    return 0


def _read_at(handle: int, start: int, count: int) -> bytes:
    os.lseek(handle, start, os.SEEK_SET)
    parts: list[bytes] = []
    while count > 0 and (part := os.read(handle, count)):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
