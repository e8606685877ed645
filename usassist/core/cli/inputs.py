"""INPUT on the command line: which files it means, and under which names their results are written."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from usassist.core.data.pairing import without_suffix
from usassist.core.domain import Source
from usassist.core.errors import ReadError, UsassistError

Failure = tuple[str, str]
"""What could not be done, and why."""

_CINE_INDEX = re.compile(r"_\d{4,}$")
_ALWAYS_STILL = (".png", ".jpg", ".jpeg", ".jpe", ".bmp", ".dib")


@dataclass(frozen=True, slots=True)
class Input:
    """One file: `given` is the INPUT it was found under, `source.relative` is relative to that."""

    given: Path
    source: Source


def find_inputs(given: Sequence[Path]) -> tuple[list[Input], list[Failure]]:
    """Return the files of every INPUT in natural order, and the INPUTs that hold none with the reason."""
    from usassist.core.io.open_study import find_sources
    from usassist.core.project import store

    found: list[Input] = []
    failed: list[Failure] = []
    for path in given:
        try:
            sources = _project_sources(path) if store.is_project(path) else tuple(find_sources(path))
        except UsassistError as error:
            failed.append((str(path), str(error)))
            continue
        if not sources:
            failed.append((str(path), "holds no image, DICOM file or volume."))
        found += [Input(path, source) for source in sources]
    return found, failed


def _project_sources(root: Path) -> tuple[Source, ...]:
    """Return the files of a project, where it says they are; a missing one fails when it is opened."""
    from usassist.core.project import store

    project = store.open_project(root)
    if not project.images_root.is_dir():
        raise ReadError(f"The images of the project {root} are not at {project.images_root}; put them back there.")
    return tuple(
        Source(entry.key, project.images_root / entry.relative, entry.relative, entry.size, sha256=entry.sha256)
        for entry in project.sources
    )


def plan_names(inputs: Sequence[Input]) -> list[str]:
    """Return for each input the posix path of its result, without a suffix.

    It is the path of the file relative to its INPUT, without the file's suffix. Where two files of a folder would
    meet (`a.png` and `a.dcm`, or a still `a_0000.png` beside a cine `a.dcm`), each keeps its suffix. Where two
    INPUTs hold the same relative path, the name of the folder above comes first, then a number.
    """
    short = [without_suffix(item.source.relative) for item in inputs]
    cines = [not item.source.relative.lower().endswith(_ALWAYS_STILL) for item in inputs]
    cine_names = {(item.given, name.casefold()) for item, name, cine in zip(inputs, short, cines, strict=True) if cine}
    places = [_place(item.given, name, cine_names) for item, name in zip(inputs, short, strict=True)]
    meeting = Counter(places)
    kept = [
        item.source.relative if meeting[place] > 1 else name
        for item, name, place in zip(inputs, short, places, strict=True)
    ]
    same = Counter(name.casefold() for name in kept)
    taken = _Taken()
    return [
        taken.take(f"{_folder_name(item)}/{name}" if same[name.casefold()] > 1 else name, cine=cine)
        for item, name, cine in zip(inputs, kept, cines, strict=True)
    ]


class _Taken:
    """The names given so far; a cine's name covers those of its frames. Case makes no difference."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._cines: set[str] = set()
        self._without_index: set[str] = set()

    def take(self, name: str, *, cine: bool) -> str:
        """Return the name, with a number behind it where a result would meet another's."""
        free, number = name, 2
        while self._meets(free.casefold(), cine=cine):
            free, number = f"{name}-{number}", number + 1
        folded = free.casefold()
        self._names.add(folded)
        self._without_index.add(_CINE_INDEX.sub("", folded))
        if cine:
            self._cines.add(folded)
        return free

    def _meets(self, folded: str, *, cine: bool) -> bool:
        is_frame_of_another = _CINE_INDEX.sub("", folded) in self._cines
        return folded in self._names or is_frame_of_another or (cine and folded in self._without_index)


def _place(given: Path, name: str, cines: set[tuple[Path, str]]) -> tuple[Path, str]:
    """Return what two files that would be written to one place share: a frame's number counts as its cine's."""
    folded = name.casefold()
    cine = (given, _CINE_INDEX.sub("", folded))
    return cine if cine in cines else (given, folded)


def _folder_name(item: Input) -> str:
    folder = item.given if item.given.is_dir() else item.given.parent
    return folder.resolve().name or "input"
