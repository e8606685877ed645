"""The statuses of a reader's annotations, remembered so that 10,000 files need not be parsed again.

The index is a cache: every entry is believed only while its file has the modification time, the size and the inode
that were seen when the file was parsed. It may be deleted at any time.
"""

import json
import logging
import os
import time
from pathlib import Path
from typing import NamedTuple, get_args

from usassist.core.domain import Status
from usassist.core.errors import ProjectError
from usassist.core.project import atomic, layout
from usassist.core.project.fields import Malformed, parse_json
from usassist.core.project.schema import MAX_ANNOTATION_BYTES, read_status

_LOG = logging.getLogger(__name__)
_VERSION = 1
_MAX_BYTES = 256 * 2**20
# A file changed again within its file system's clock tick would look unchanged: such young files are not remembered.
_TICK_NS = 2_000_000_000
_STATUSES = frozenset(get_args(Status))


class _Stamp(NamedTuple):
    modified_ns: int
    size: int
    inode: int


_Index = dict[str, tuple[_Stamp, Status]]


def statuses(root: Path, reader_id: str) -> dict[str, Status]:
    """Return frame key -> status of every annotation file of a reader, in the order of the keys.

    A file that cannot be read counts as "draft", because there is work in it; opening that frame tells the reason.
    """
    found = _scan(layout.annotations_folder(root, reader_id))
    known = _load(layout.index_file(root, reader_id))
    young = time.time_ns() - _TICK_NS
    result: dict[str, Status] = {}
    index: _Index = {}
    for key in sorted(found):
        stamp, path = found[key]
        entry = known.get(key)
        status = entry[1] if entry is not None and entry[0] == stamp else _parse(path)
        result[key] = status
        if stamp.modified_ns < young:
            index[key] = (stamp, status)
    if index != known:
        _store(layout.index_file(root, reader_id), index)
    return result


def _scan(folder: Path) -> dict[str, tuple[_Stamp, str]]:
    found: dict[str, tuple[_Stamp, str]] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name
                if not name.endswith(".json") or name.startswith("."):
                    continue
                facts = entry.stat()
                found[name[:-5]] = (_Stamp(facts.st_mtime_ns, facts.st_size, facts.st_ino), entry.path)
    except FileNotFoundError:
        return {}
    except OSError as fault:
        raise ProjectError(
            f"{folder} cannot be listed: {fault.strerror or fault}. Check the disk and the rights."
        ) from fault
    return found


def _parse(path: str) -> Status:
    try:
        return read_status(layout.read_bounded(Path(path), most=MAX_ANNOTATION_BYTES), where=path)
    except (ProjectError, FileNotFoundError) as fault:
        _LOG.warning("%s", fault)
        return "draft"


def _load(path: Path) -> _Index:
    try:
        document = parse_json(layout.read_bounded(path, most=_MAX_BYTES))
        if not isinstance(document, dict) or document.get("version") != _VERSION:
            return {}
        return {
            key: (_Stamp(modified_ns, size, inode), status)
            for key, (modified_ns, size, inode, status) in document["entries"].items()
            if status in _STATUSES
        }
    except (FileNotFoundError, ProjectError, Malformed, AttributeError, KeyError, TypeError, ValueError):
        return {}


def _store(path: Path, index: _Index) -> None:
    entries = {key: [stamp.modified_ns, stamp.size, stamp.inode, status] for key, (stamp, status) in index.items()}
    document = json.dumps({"version": _VERSION, "entries": entries}, separators=(",", ":")).encode("ascii")
    try:
        atomic.make_folder(path.parent)
        atomic.write_bytes(path, document, durable=False)
    except ProjectError as fault:
        _LOG.info("The index of statuses was not kept: %s", fault)
