"""The file of refined captions that a person reads and edits: one JSON object a line, never overwriting a person."""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from usassist.core.captions.facts import check
from usassist.core.captions.pairs import Pair, Problem, image_folder, is_there, noted_folder
from usassist.core.captions.refine import Refined, Refiner, refined
from usassist.core.captions.rows import MOST_BYTES
from usassist.core.errors import ExchangeError
from usassist.core.project import atomic

_SAVED_EVERY = 30.0
_TEXTS = ("image", "image_folder", "caption", "refined")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: an image's caption, its refined form, what was wrong with it, which refiner wrote it, and who last.

    `image_folder` is the folder the image is in, "" where the list is read from beside it.
    `edited` is True once a person changed the line, which shows in `written`, the hash of what the refiner wrote.
    """

    image: str
    caption: str
    refined: str
    problems: tuple[str, ...] = ()
    refiner: str = ""
    edited: bool = False
    written: str = ""
    image_folder: str = ""

    @classmethod
    def of(cls, pair: Pair, result: Refined, refiner: str, *, path: Path) -> "Entry":
        """Return the line for a result in the file `path`; without an answer no refiner, so the next run asks again."""
        return cls(
            pair.name,
            pair.caption,
            result.text,
            result.problems,
            refiner if result.done else "",
            written=_hash(pair.caption, result.text),
            image_folder=noted_folder(pair, path),
        )

    def stands(self, pair: Pair, refiner: str) -> bool:
        """Return whether the line is to be kept for a pair: a person edited it, or this refiner did this caption."""
        return self.edited or (self.refiner == refiner and self.caption == pair.caption)

    def to_json(self) -> str:
        """Return the line."""
        folder = {"image_folder": self.image_folder} if self.image_folder else {}
        return json.dumps(
            {
                "image": self.image,
                **folder,
                "caption": self.caption,
                "refined": self.refined,
                "problems": list(self.problems),
                "refiner": self.refiner,
                "edited": self.edited,
                "written": self.written,
            },
            ensure_ascii=False,
        )


def read_entries(path: Path) -> dict[str, Entry]:
    """Return the lines of an earlier run by image; no file, no lines.

    What a person changed comes back as edited, its facts checked again. Raises ExchangeError for a line that cannot be
    read, since writing the file again would lose it.
    """
    if not path.exists():
        return {}
    entries: dict[str, Entry] = {}
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ExchangeError(f"{path} has more than {MOST_BYTES >> 30} GiB; it is no list of captions.")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ExchangeError(f"{path} cannot be read: {error.strerror}; check the path.") from error
    except UnicodeDecodeError as error:
        raise ExchangeError(f"{path} is not a text in UTF-8; save it again as UTF-8.") from error
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        entry = _entry(line, where=f"{path}, line {number}")
        if entry.image in entries:
            raise ExchangeError(f"{path}, line {number}: the image {entry.image!a} is there twice; keep one line.")
        entries[entry.image] = entry
    return entries


def write_entries(path: Path, entries: Iterable[Entry]) -> None:
    """Replace the file by these lines, in one step. Raises ExchangeError."""
    data = "".join(f"{entry.to_json()}\n" for entry in entries).encode("utf-8", "replace")
    atomic.write_bytes(path, data, error=ExchangeError)


class Review:
    """Refines pairs into a file: keeps what stands from before, and writes every half minute and whatever happens.

    `problems` are the pairs whose caption stayed as it was, with the reason; `refined` counts the others, `kept` those
    of an earlier run and `edited` those among them that a person changed.
    """

    def __init__(self, path: Path, refiner: Refiner, earlier: Mapping[str, Entry]) -> None:
        self._path = path
        self._refiner = refiner
        self._earlier = earlier
        self._entries: dict[str, Entry] = {}
        self.problems: list[Problem] = []
        self.refined = 0
        self.kept = 0
        self.edited = 0

    def run(self, pairs: Sequence[Pair], *, step: Callable[[], object]) -> None:
        """Refine what is not refined yet; `step` is called for each pair. Raises ModelError and ExchangeError."""
        todo = []
        for pair in pairs:
            if self._keep(pair):
                step()
            else:
                todo.append(pair)
        saved = time.monotonic()
        try:
            for pair, result in zip(todo, refined((pair.caption for pair in todo), self._refiner), strict=True):
                self._take(pair, result)
                step()
                if time.monotonic() - saved > _SAVED_EVERY:
                    self._write(pairs)
                    saved = time.monotonic()
        finally:
            self._write(pairs)

    def _keep(self, pair: Pair) -> bool:
        entry = self._earlier.get(pair.name)
        if entry is None or not entry.stands(pair, self._refiner.name):
            return False
        self._entries[pair.name] = replace(entry, image_folder=self._folder_of(pair, entry))
        self.kept += 1
        self.edited += entry.edited
        if entry.edited and entry.caption != pair.caption:
            self.problems.append(Problem(pair.line, "the caption is another one now; the edited line was kept"))
        elif entry.problems:
            self.problems.append(Problem(pair.line, f"kept from before: {'; '.join(entry.problems)}"))
        return True

    def _folder_of(self, pair: Pair, entry: Entry) -> str:
        """Return where a kept line's image is now; what was noted before stands only while nobody finds the image."""
        found = noted_folder(pair, self._path)
        if found or is_there(image_folder(self._path) / pair.name):
            return found
        return entry.image_folder

    def _take(self, pair: Pair, result: Refined) -> None:
        self._entries[pair.name] = Entry.of(pair, result, self._refiner.name, path=self._path)
        if result.problems:
            self.problems.append(Problem(pair.line, f"the caption stays as it was: {'; '.join(result.problems)}"))
        else:
            self.refined += 1

    def _write(self, pairs: Sequence[Pair]) -> None:
        """Write what there is for each pair, done now or before, then what an earlier run had besides."""
        names = dict.fromkeys([*(pair.name for pair in pairs), *self._earlier])
        lines = [self._entries.get(name) or self._earlier.get(name) for name in names]
        write_entries(self._path, [line for line in lines if line is not None])


def _entry(line: str, *, where: str) -> Entry:
    try:
        raw = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ExchangeError(f"{where} is not valid JSON ({error}); repair it, or name another --out.") from error
    texts = _texts(raw)
    if texts is None or not texts["image"]:
        raise ExchangeError(f"{where} is no line of refined captions; repair it, or name another --out.")
    image, caption, refined = texts["image"], texts["caption"], texts["refined"]
    edited = raw.get("edited") is True or (refined != "" and texts["written"] != _hash(caption, refined))
    if edited:
        problems = tuple(str(change) for change in check(caption, refined))
    else:
        found = raw.get("problems")
        problems = tuple(str(problem) for problem in found) if isinstance(found, list) else ()
    return Entry(image, caption, refined, problems, texts["refiner"], edited, texts["written"], texts["image_folder"])


def _texts(raw: Any) -> dict[str, str] | None:
    if not isinstance(raw, Mapping):
        return None
    texts = {name: raw.get(name, "") for name in (*_TEXTS, "refiner", "written")}
    return texts if all(isinstance(text, str) for text in texts.values()) else None


def _hash(caption: str, refined: str) -> str:
    return hashlib.sha256(json.dumps([caption, refined]).encode()).hexdigest()[:16]
