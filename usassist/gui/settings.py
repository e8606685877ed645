"""Preferences: a frozen value, written sparsely as TOML in the user's folder; unknown keys are errors."""

import getpass
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from usassist.core.errors import ProjectError, UsassistError
from usassist.core.models.config import Precision
from usassist.core.paths import settings_file

Theme = Literal["dark", "light"]
Device = Literal["auto", "cpu", "cuda"]


MOST_PROMPT_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class Wording:
    """The classes of a question, in order, each with its prompts, as a person worded them."""

    question: str
    classes: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a person prefers; the defaults are never written.

    `reader` is the name work is kept under, "" for the name of the account. `model` "" is the engine's default.
    `opacity` of masks is 0 to 100 percent, `brush_radius` is in pixels of the image. `question` is what the classes
    panel asks, `wordings` are the questions that a person worded in another way than the vocabulary does.
    """

    theme: Theme = "dark"
    reader: str = ""
    engine: str = "clip_mona"
    model: str = ""
    device: Device = "auto"
    precision: Precision = "fp32"
    auto_propose: bool = True
    opacity: int = 35
    brush_radius: float = 12.0
    last_folder: str = ""
    question: str = "breast"
    wordings: tuple[Wording, ...] = ()

    def __post_init__(self) -> None:
        _check(self.theme in get_args(Theme), "theme", self.theme, "dark or light")
        _check(self.device in get_args(Device), "device", self.device, "auto, cpu or cuda")
        _check(self.precision in get_args(Precision), "precision", self.precision, "fp32, bf16 or int8")
        _check(0 <= self.opacity <= 100, "opacity", self.opacity, "0 to 100")
        _check(0.5 <= self.brush_radius <= 500, "brush_radius", self.brush_radius, "0.5 to 500")

    @property
    def reader_name(self) -> str:
        """Return the name work is kept under."""
        return self.reader.strip() or account_name()


def account_name() -> str:
    """Return the name of the account, "reader" where the system does not tell."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "reader"


def load(path: Path | None = None) -> Settings:
    """Read the preferences, the defaults where there are none; raises UsassistError where the file is not ours."""
    file = path if path is not None else settings_file()
    try:
        found = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return Settings()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsassistError(f"The settings in {file} cannot be read: {error}. Correct or remove the file.") from error
    return from_table(found, where=str(file))


def from_table(table: dict[str, Any], *, where: str) -> Settings:
    """Build settings from a TOML table; raises UsassistError for an unknown key or a value of another kind."""
    known = {field.name: field.default for field in fields(Settings)}
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            raise UsassistError(f"{where} has the unknown key {key!r}; the keys are {', '.join(known)}.")
        if key == "wordings":
            values[key] = _wordings(value, where=where)
            continue
        wanted = type(known[key])
        if wanted is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)  # noqa: PLW2901  TOML writes 12 where a person means 12.0
        if type(value) is not wanted:
            raise UsassistError(f"{where}: {key} is a {wanted.__name__}; found {value!r}.")
        values[key] = value
    return Settings(**values)


def save(settings: Settings, path: Path | None = None) -> None:
    """Write what differs from the defaults, in one step: a crash leaves the old file or the new one."""
    from usassist.core.project import atomic

    file = path if path is not None else settings_file()
    different = changed(settings)
    wordings: tuple[Wording, ...] = different.pop("wordings", ())
    lines = [f"{key} = {_toml(value)}\n" for key, value in different.items()]
    lines += [_table(wording) for wording in wordings]  # tables stand last: what follows one is in it
    try:
        atomic.make_folder(file.parent)
        atomic.write_bytes(file, "".join(lines).encode("utf-8"))
    except ProjectError as error:
        raise UsassistError(f"The settings cannot be written. {error}") from error


def changed(settings: Settings) -> dict[str, Any]:
    """Return the settings that differ from the defaults."""
    pairs = ((field.name, getattr(settings, field.name), field.default) for field in fields(Settings))
    return {name: value for name, value, default in pairs if value != default}


def _check(fine: bool, name: str, found: object, expected: str) -> None:
    if not fine:
        raise UsassistError(f"The setting {name} is {expected}; found {found!r}.")


def _wordings(found: object, *, where: str) -> tuple[Wording, ...]:
    """Return the questions of a table of tables of prompts. Raises UsassistError."""
    if not isinstance(found, Mapping) or not all(isinstance(classes, Mapping) for classes in found.values()):
        raise UsassistError(f"{where}: wordings holds a table for each question, such as [wordings.breast].")
    for question, classes in found.items():
        for name, prompts in classes.items():
            fine = isinstance(prompts, list) and all(isinstance(text, str) for text in prompts)
            if not fine or any(len(text) > MOST_PROMPT_CHARACTERS for text in prompts):
                raise UsassistError(
                    f"{where}: wordings.{question}.{name} is a list of prompts of at most {MOST_PROMPT_CHARACTERS} "
                    f"characters each; found something else."
                )
    return tuple(
        Wording(question, tuple((name, tuple(prompts)) for name, prompts in classes.items()))
        for question, classes in found.items()
    )


def _table(wording: Wording) -> str:
    rows = (
        f"{_toml(name)} = [{''.join(f'{chr(10)}  {_toml(text)},' for text in prompts)}{chr(10) if prompts else ''}]\n"
        for name, prompts in wording.classes
    )
    return f"\n[wordings.{_toml(wording.question)}]\n{''.join(rows)}"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # A JSON string is a TOML string, but for DEL, which TOML wants escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)
