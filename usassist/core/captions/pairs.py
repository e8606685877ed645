"""Images with their captions: the lists that contrastive training reads, checked line by line."""

import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PureWindowsPath
from typing import Literal

from usassist.core.captions.rows import Row, Table, open_table
from usassist.core.errors import TrainingError

Text = Literal["caption", "refined"]

LONGEST_CAPTION = 20_000
MOST_PAIRS = 2_000_000
SHORTEST_CLEAN = 21


@dataclass(frozen=True, slots=True)
class Pair:
    """One image with its caption as found and as refined ("" where it was not), from the line `line` (from 1).

    `name` is what the file calls the image, inside `folder`; `text` is what training reads, on one line: the caption or
    the refined one.
    """

    image: Path
    caption: str
    refined: str
    line: int
    name: str = ""
    text: str = ""
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """A line that gives no pair, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Pairs:
    """The pairs of a file in its order, and every line that is none."""

    items: tuple[Pair, ...]
    problems: tuple[Problem, ...]


def read_pairs(
    path: Path, *, images: Path | None = None, text: Text = "caption", clean: bool = False, look: bool = True
) -> Pairs:
    """Read JSONL (`image`, `caption`, `refined`) or CSV (`filename`, `Caption`, perhaps `refined`).

    Images are relative to `images`, by default a line's own `image_folder` (JSONL, relative to the file), else the
    folder `images` beside the file, else the file's own. A line's own folder is trusted as the list is: it may lie
    anywhere on this machine. `text` chooses what is trained on, and must not be empty. `clean` strips odd characters
    from the texts and leaves out what then has 20 characters or fewer, as NextGen-UIA does with its CSV files. `look`
    says whether the image files have to be there. A bad line is a problem with its number, the rest is read; the first
    of two lines about an image stays. Raises TrainingError where the file cannot be read at all, or holds no such
    texts, and for `images` that are no folder.
    """
    root = images if images is not None else image_folder(path)
    own = path.parent if images is None else None
    folder = _Folder(root) if look or images is not None else None
    reading = _Reading(folder, root, text, clean=clean, relative_to=own, look=look)
    items: list[Pair] = []
    problems: list[Problem] = []
    try:
        with path.open("rb") as file:
            for row in _rows(path, open_table(path, file), text):
                found = reading.pair(row)
                if isinstance(found, Problem):
                    problems.append(found)
                else:
                    items.append(found)
    except OSError as error:
        raise TrainingError(f"{path} cannot be read: {error.strerror}; check the path.") from error
    return Pairs(tuple(items), tuple(problems))


def stripped(text: str) -> str:
    """Return a text without odd characters: control and format characters, private ones, emoji and the like.

    What captions need stays: letters of any script, digits, punctuation, units and signs such as ×, ±, µ, ° and ².
    """
    return _one_line("".join(character for character in text if _is_plain(character)))


@cache
def _is_plain(character: str) -> bool:
    if character.isspace() or character == "°":
        return True
    category = unicodedata.category(character)
    return category[0] in "LMNPZ" or category in {"Sm", "Sc"}


def noted_folder(pair: Pair, path: Path) -> str:
    """Return the `image_folder` that a line about a pair needs in the file `path`; "" where its image is found without.

    Nothing is noted either where the image is not there, so that whoever has it says where, nor a folder that no line
    may name.
    """
    if pair.folder is None or not is_there(pair.image) or pair.folder.resolve() == image_folder(path).resolve():
        return ""
    folder = str(pair.folder.resolve())
    return "" if _folder_fault(folder) else folder


def is_there(image: Path) -> bool:
    """Return whether a list's image is a file; never raises, whatever its name is."""
    return os.path.isfile(image)  # noqa: PTH113  Path.is_file raises for a name that is too long


def folders_outside(pairs: Pairs, path: Path) -> dict[Path, int]:
    """Return the folders outside the file's own that its lines take images from, each with the number of lines."""
    own = path.parent.resolve()
    counted = Counter(pair.folder for pair in pairs.items if pair.folder is not None)
    return {folder: lines for folder, lines in counted.items() if not folder.resolve().is_relative_to(own)}


def image_folder(path: Path) -> Path:
    """Return the folder that a list's images are in unless it says another: `images` beside it, else its own."""
    beside = path.parent / "images"
    return beside if beside.is_dir() else path.parent


def _rows(path: Path, table: Table, text: Text) -> Iterator[Row]:
    if text not in table.columns:
        raise TrainingError(f"{path} has no column {text!r}; refine it first, or train on the captions as they are.")
    for number, row in enumerate(table.rows):
        if number >= MOST_PAIRS:
            raise TrainingError(f"{path} has more than {MOST_PAIRS:,} rows; split it.")
        yield row


class _Reading:
    """What the rows before tell about the next one."""

    def __init__(
        self, folder: "_Folder | None", root: Path, text: Text, *, clean: bool, relative_to: Path | None, look: bool
    ) -> None:
        self._look = look
        self._root = root
        self._relative_to = relative_to
        self._folders: dict[Path, _Folder | None] = {root: folder}
        self._text: Text = text
        self._clean = clean
        self._lines: dict[str, int] = {}

    def pair(self, row: Row) -> Pair | Problem:
        """Return the pair of a row, or what is wrong with it."""
        if row.fault:
            return Problem(row.line, row.fault)
        name = row.values.get("image", "").strip()
        relative, own = _relative(name), self._own_folder(row)
        root = self._relative_to / own if own and self._relative_to is not None else self._root
        reason = _name_fault(name, relative) or _folder_fault(own) or self._image_fault(root, relative)
        texts = {key: self._cleaned(row.values.get(key, "")) for key in ("caption", "refined")}
        reason = reason or self._text_fault(texts)
        if reason:
            return Problem(row.line, reason)
        first = self._lines.setdefault(relative, row.line)
        if first != row.line:
            return Problem(row.line, f"the image {_shown(name)} is on line {first} already; keep one caption for it")
        return Pair(
            root / relative,
            texts["caption"],
            texts["refined"],
            row.line,
            name=relative,
            text=_one_line(texts[self._text]),
            folder=root,
        )

    def _own_folder(self, row: Row) -> str:
        """Return the folder that a row names for its image, "" where it names none or somebody said another."""
        return row.values.get("image_folder", "").strip() if self._relative_to is not None else ""

    def _image_fault(self, root: Path, relative: str) -> str:
        """Return why an image cannot be used, "" where it can or where nobody looks."""
        if not self._look:
            return ""
        if root not in self._folders:
            try:
                self._folders[root] = _Folder(root)
            except (TrainingError, OSError, ValueError, RuntimeError):  # not there, or a name no folder can have
                self._folders[root] = None
        folder = self._folders[root]
        return f"there is no folder of images {_shown(str(root))}" if folder is None else folder.fault(relative)

    def _cleaned(self, text: str) -> str:
        return stripped(text) if self._clean else text.strip()

    def _text_fault(self, texts: dict[str, str]) -> str:
        chosen = texts[self._text]
        if not chosen:
            return f"the text under {self._text!r} is empty"
        if self._clean and len(chosen) < SHORTEST_CLEAN:
            return f"the text under {self._text!r} has {len(chosen)} characters, expected more than 20"
        longest = max(texts, key=lambda key: len(texts[key]))
        if len(texts[longest]) > LONGEST_CAPTION:
            return f"the text under {longest!r} has {len(texts[longest]):,} characters, at most {LONGEST_CAPTION:,}"
        return ""


def _relative(name: str) -> str:
    """Return a name as a posix path without the parts that mean nothing, so that one image has one name."""
    slashed = name.replace("\\", "/")
    parts = [part for part in slashed.split("/") if part not in {"", "."}]
    return "/".join(["", *parts] if slashed.startswith("/") else parts)


def _name_fault(name: str, relative: str) -> str:
    if not relative.strip("/"):
        return "it names no image"
    has_drive = ":" in relative and PureWindowsPath(relative).drive != ""
    if relative.startswith("/") or has_drive or ".." in relative.split("/"):
        return f"the image {_shown(name)} leads out of the image folder; give a path inside it"
    return ""


def _folder_fault(folder: str) -> str:
    """Return why a line may not name a folder, "" where it may.

    Looking at a share can hand this user's sign-in to another machine, and what a path without its drive or root means
    depends on where a program was started.
    """
    windows = PureWindowsPath(folder)
    if folder.replace("\\", "/").startswith("//"):
        return f"its image_folder {_shown(folder)} is on another machine; copy the images here, or give --images"
    if folder.startswith("\\") or (windows.drive and not windows.root):
        return f"its image_folder {_shown(folder)} leaves out the drive or its root; write the whole path"
    return ""


class _Folder:
    """The image folder; each folder below it is looked at once, so that a long list takes seconds."""

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise TrainingError(f"There is no folder of images {root}; name the one the file's images are in.")
        self._root = root.resolve()
        self._has = cache(lambda folder: self._holds(folder.resolve()))

    def _holds(self, real: Path) -> bool:
        return real.is_relative_to(self._root)

    def fault(self, relative: str) -> str:
        """Return why an image cannot be used, "" where it is a file inside the folder."""
        path = self._root / relative
        try:
            mode = path.lstat().st_mode
            is_link = stat.S_ISLNK(mode)
            inside = self._holds(path.resolve()) if is_link else self._has(path.parent)
            is_file = path.is_file() if is_link else stat.S_ISREG(mode)
        except (OSError, ValueError, RuntimeError):  # not there, a name no file can have, a loop of links
            return f"there is no image {_shown(relative)} in the image folder"
        if not inside:
            return f"the image {_shown(relative)} leads out of the image folder; give a path inside it"
        return "" if is_file else f"{_shown(relative)} is not a file"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _shown(text: str) -> str:
    """Return a name from a file as it can be shown: on one line, without what steers a terminal."""
    return ascii(text if len(text) <= 100 else text[:97] + "...")
