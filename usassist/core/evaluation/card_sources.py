"""What a model card is made from: finished reports, and what is known of public data."""

import csv
import io
import json
import re
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from usassist.core import paths
from usassist.core.captions.vocabulary import load_vocabulary
from usassist.core.errors import UsassistError
from usassist.core.evaluation.gallery import Outlines
from usassist.core.evaluation.stored import Image, text_of
from usassist.core.evaluation.summary import Spread
from usassist.core.models.record import build_record

Asked = Literal["what is there", "something else", "not known"]
Marks = Literal["keep", "remove", "add"]

_MARKS: Mapping[Marks, str] = {"keep": "", "remove": "marks filled in", "add": "marks drawn in"}

_PATH = re.compile(r"[MLZ0-9 .-]*")
_SPREADS = ("dice", "dice_lesion", "hd95_px", "nsd_2px", "hd95_mm", "nsd_1mm")
_SHARES = ("empty_correct", "lesion_found")
_CONFIDENCE = ("presence_auc", "presence_ece", "quality_error", "quality_spearman")


@dataclass(frozen=True, slots=True)
class Terms:
    """What is known of a public dataset, or of weights that a training starts from.

    `words` are those of a prompt that asks for what the images show, `target` is the vocabulary's name for what their
    masks outline, "" for none. `encoders` are the configurations that start there.
    """

    title: str
    licence: str
    citation: str
    shows: str = ""
    words: tuple[str, ...] = ()
    target: str = ""
    encoders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KnownTerms:
    """The terms of datasets by the name of their folder, and of starting weights."""

    data: Mapping[str, Terms]
    start: Mapping[str, Terms]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its 95 % interval, None where there is none."""

    value: float
    ci95: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class CardLine:
    """What a card needs of one line of per_image.csv; units and ranges as in `ImageScore`."""

    input: str
    frame: int
    class_name: str
    dice: float
    presence: float | None
    quality: float | None
    empty_truth: bool
    empty_pred: bool


@dataclass(frozen=True, slots=True)
class CardReport:
    """A finished evaluation: its numbers by the names of report.json, those that are not known left out.

    `spreads` and `by_class` are of masks, `auc` is of classes, named by the means `judge` and asked for on the command
    line as `class_options` say. `worst` has the outlines of the worst cases. `fingerprint` is that of the files,
    `inputs` are their names; `marks` says what became of calipers and texts in what the engine saw.
    """

    data: str
    split: str
    prompt: str | None
    marks: Marks
    fingerprint: str
    inputs: frozenset[str]
    weights_hash: str | None
    device: str | None
    n: int
    n_empty_truth: int
    failed: int
    seconds: float | None
    spreads: Mapping[str, Spread]
    estimates: Mapping[str, Estimate]
    by_class: tuple[tuple[str, Spread], ...]
    auc: Estimate | None
    n_classes: int
    judge: str
    class_options: str
    lines: tuple[CardLine, ...]
    worst: Mapping[Image, Outlines]

    @property
    def name(self) -> str:
        """Return the data and its split as a table says them."""
        return self.data if self.split == "all" else f"{self.data} {self.split}"

    @property
    def label(self) -> str:
        """Return the name with the prompt and the setting of marks, where it is not that of everyday use."""
        prompt = "" if self.prompt is None else f'"{self.prompt}"'
        return ", ".join(part for part in (self.name, prompt, _MARKS[self.marks]) if part)

    def asked(self, known: KnownTerms) -> Asked:
        """Return whether the prompt asks for what the images show, as far as the terms know; so does no prompt."""
        if self.prompt is None:
            return "what is there"
        terms = known.data.get(self.data)
        if terms is None or not terms.words:
            return "not known"
        said = {word.removesuffix("s") for word in re.findall(r"[a-z]+", self.prompt.casefold())}
        return "what is there" if said & {word.removesuffix("s") for word in terms.words} else "something else"


def read_terms() -> KnownTerms:
    """Read the shipped table of terms. Raises UsassistError."""
    path = paths.resources() / "terms.toml"
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsassistError(f"{path} cannot be read ({error}); install usassist again.") from error
    data, start = (
        {
            name: build_record(Terms, entry, where=f"{path}, {part}.{name}", error=UsassistError)
            for name, entry in raw.get(part, {}).items()
        }
        for part in ("data", "start")
    )
    return KnownTerms(data, start)


def read_card_report(folder: Path) -> CardReport:
    """Read what `usassist evaluate --data` wrote into a folder. Raises UsassistError where it holds no such report."""
    try:
        return _report(json.loads(text_of(folder / "report.json")), text_of(folder / "per_image.csv"))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, csv.Error) as error:
        raise UsassistError(
            f"{folder} holds no report on a dataset that can be read ({type(error).__name__}: {error}); run `usassist "
            f"evaluate --data` again."
        ) from error


def _report(document: Mapping[str, Any], table: str) -> CardReport:
    said, rows = document["calibration"], list(csv.DictReader(io.StringIO(table)))
    found, judge = document.get("classification"), document.get("class_judge")
    estimates = {name: _estimate(document, name) for name in _SHARES} | {n: _estimate(said, n) for n in _CONFIDENCE}
    spreads = {name: _spread(document.get(name)) for name in _SPREADS}
    return CardReport(
        data=str(document["data"] or ""),
        split=str(document.get("split") or "all"),
        prompt=None if document["prompt"] is None else str(document["prompt"]),
        marks=_marks(document.get("marks")),
        fingerprint=str(document.get("data_fingerprint") or ""),
        inputs=frozenset(row["input"] for row in rows),
        weights_hash=None if document["weights_hash"] is None else str(document["weights_hash"]),
        device=None if document.get("device") is None else str(document["device"]),
        n=int(document["n"]),
        n_empty_truth=int(document["n_empty_truth"]),
        failed=len(document.get("failed", ())),
        seconds=_number(document["seconds_per_image"]["median"]),
        spreads={name: spread for name, spread in spreads.items() if spread is not None},
        estimates={name: value for name, value in estimates.items() if value is not None},
        by_class=tuple(
            (str(name), spread)
            for name, part in document.get("by_class", {}).items()
            if (spread := _spread(part["dice"])) is not None
        ),
        auc=None if found is None else Estimate(float(found["auc"]), _interval(found["ci95"])),
        n_classes=0 if found is None else sum(int(count) for count in found["n"].values()),
        judge="" if judge is None else str(judge["by"]),
        class_options="" if judge is None else _class_options(judge),
        lines=tuple(_line(row) for row in rows if row["dice"]),
        worst={(str(case["input"]), int(case["frame"])): _outlines(case) for case in document.get("worst", ())},
    )


def _class_options(judge: Mapping[str, Any]) -> str:
    """Return the options of `usassist evaluate` that name the same classes by the same prompts; "" for a class head."""
    asked = judge.get("prompts") or {}
    prompts = {str(name): tuple(map(str, texts)) for name, texts in asked.items()}
    if not prompts:
        return ""
    known = load_vocabulary().ensembles.values()
    ensemble = next((one.name for one in known if dict(one.classes) == prompts), None)
    if ensemble is not None:
        options = [f"--ensemble {ensemble}"]
    else:
        named = (shlex.quote(f"{name}={text}") for name, texts in prompts.items() for text in texts)
        options = [f"--classes {' '.join(named)}"]
    options += ["--classify-by presence"] if judge["by"] == "presence" else []
    return " ".join([*options, *(["--calibrate"] if judge.get("calibrated_on") else [])])


def _marks(raw: Any) -> Marks:
    for known in _MARKS:
        if raw == known:
            return known
    if raw is not None:
        raise ValueError(f"the setting of marks {raw!r}")
    return "keep"


def _line(row: Mapping[str, str]) -> CardLine:
    return CardLine(
        input=row["input"],
        frame=int(row["frame"]),
        class_name=row["class"],
        dice=float(row["dice"]),
        presence=float(row["presence"]) if row["presence"] else None,
        quality=float(row["quality"]) if row["quality"] else None,
        empty_truth=row["empty_truth"] == "1",
        empty_pred=row["empty_pred"] == "1",
    )


def _outlines(case: Mapping[str, Any]) -> Outlines:
    for path in (case["truth"], case["pred"]):
        if not _PATH.fullmatch(path):  # it goes into a figure as it is
            raise ValueError("an outline that is none")
    rows, columns = int(case["rows"]), int(case["columns"])
    if min(rows, columns) < 1:
        raise ValueError(f"an image of {rows} x {columns} pixels")
    return Outlines((rows, columns), case["truth"], case["pred"])


def _spread(raw: Mapping[str, Any] | None) -> Spread | None:
    if raw is None or raw["mean"] is None:
        return None
    return Spread(
        int(raw["n"]), float(raw["mean"]), _number(raw["std"]), _interval(raw["ci95"]), _number(raw["median"])
    )


def _estimate(raw: Mapping[str, Any], name: str) -> Estimate | None:
    value = _number(raw.get(name))
    return None if value is None else Estimate(value, _interval(raw.get(f"{name}_ci95")))


def _interval(raw: Sequence[Any] | None) -> tuple[float, float] | None:
    if raw is None:
        return None
    low, high = raw
    return float(low), float(high)


def _number(raw: Any) -> float | None:
    return None if raw is None else float(raw)
