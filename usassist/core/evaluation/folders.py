"""Two folders of masks as cases: predictions beside their truth."""

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from usassist.core.domain import Source
from usassist.core.errors import UsassistError
from usassist.core.evaluation.protocol import Case, Picture
from usassist.core.evaluation.report import ReportFacts
from usassist.core.exchange.png_mask import read_mask
from usassist.core.io.display import to_grey8
from usassist.core.io.open_study import find_sources, open_source
from usassist.core.metrics.overlap import require_same_frame

_SUFFIXES = frozenset({".png", ".bmp", ".jpg", ".jpeg", ".tif", ".tiff", ".webp"})

Failure = tuple[str, str]
"""What could not be evaluated, and why."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A truth mask and the prediction that belongs to it; `name` is the truth's posix path in its folder."""

    name: str
    truth: Path
    pred: Path


@dataclass(frozen=True, slots=True)
class Pairing:
    """The pairs in order of name, the truths without a prediction with the reason, and the predictions left over."""

    pairs: tuple[Pair, ...]
    failed: tuple[Failure, ...]
    unused: tuple[str, ...]


def pair_folders(pred: Path, truth: Path) -> Pairing:
    """Return which prediction belongs to which truth.

    A prediction is looked for under the truth's own path, then under its path with another suffix, then under its
    whole name with a suffix added (`a.dcm` and `a.dcm.png`), then by its stem in any folder if only one has it. A truth
    without a prediction is a failure, not an empty prediction. Raises UsassistError for a folder that is missing or
    holds no mask.
    """
    truths, preds = _masks(truth, "truth"), _masks(pred, "prediction")
    by_path = set(preds)
    by_stem, by_bare = _grouped(preds, _stem), _grouped(preds, lambda name: PurePosixPath(name).stem)
    truth_stems = _grouped(truths, lambda name: PurePosixPath(name).stem)
    pairs, failed, used = [], [], set()
    for name in truths:
        bare = PurePosixPath(name).stem
        found = [name] if name in by_path else by_stem[_stem(name)] or by_stem[name]
        if not found and len(truth_stems[bare]) == 1:
            found = by_bare[bare]
        if len(found) == 1:
            pairs.append(Pair(name, truth / name, pred / found[0]))
            used.add(found[0])
        elif found:
            failed.append((name, f"several predictions have its name: {', '.join(found[:5])}. Keep one of them."))
        else:
            failed.append((name, f"no prediction of this name was found in {pred}."))
    return Pairing(tuple(pairs), tuple(failed), tuple(name for name in preds if name not in used))


def folder_cases(pairing: Pairing, pred: Path, *, failed: list[Failure]) -> Iterator[Case]:
    """Yield a case for each pair, read when it is asked for.

    What `propose` wrote into proposals.json beside the predictions (scores and seconds) comes along, and where the
    truth is the `masks` of a dataset folder its `images` serve as pictures. A mask that cannot be read or is of another
    size than its truth is added to `failed` with the reason, which names both sizes, and left out.
    """
    items = {str(item.get("mask")): item for item in _proposals(pred).get("items", []) if isinstance(item, dict)}
    pictures: dict[str, Source] | None = None
    for pair in pairing.pairs:
        if pictures is None:
            pictures = _pictures(pair)
        try:
            truth, predicted = read_mask(pair.truth), read_mask(pair.pred)
            require_same_frame(truth, predicted)
        except UsassistError as fault:
            failed.append((pair.name, str(fault)))
            continue
        source = pictures.get(PurePosixPath(pair.name).stem)
        case = Case(pair.name, truth, predicted, image=None if source is None else _reading(source, truth.shape))
        yield _with_item(case, items.get(pair.pred.relative_to(pred).as_posix(), {}))


def folder_facts(pred: Path, truth: Path) -> ReportFacts:
    """Return what is known about the predictions of a folder: what `propose` wrote beside them, or nothing."""
    found = _proposals(pred)

    def text(name: str) -> str | None:
        return str(found[name]) if found.get(name) else None

    return ReportFacts(
        model=text("model"),
        engine=text("engine"),
        weights_hash=text("weights_hash"),
        prompt=text("prompt"),
        device=text("device"),
        data=truth.name,
    )


def _masks(folder: Path, what: str) -> list[str]:
    if not folder.is_dir():
        raise UsassistError(f"{folder} is not a folder; expected the folder of the {what} masks.")
    names = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.suffix.lower() in _SUFFIXES and path.is_file() and not path.name.startswith(".")
    )
    if not names:
        raise UsassistError(f"{folder} holds no {what} mask; expected images such as PNG, one for each frame.")
    return names


def _stem(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(""))


def _grouped(names: list[str], key: Callable[[str], str]) -> defaultdict[str, list[str]]:
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[key(name)].append(name)
    return groups


def _proposals(folder: Path) -> dict[str, Any]:
    """Return proposals.json, and nothing where there is none: foreign masks have no such file."""
    path = folder / "proposals.json"
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as fault:
        raise UsassistError(
            f"{path} is not valid JSON ({fault}). Write it again with propose, or remove it."
        ) from fault
    return found if isinstance(found, dict) else {}


def _with_item(case: Case, item: dict[str, Any]) -> Case:
    def number(name: str) -> float | None:
        value = item.get(name)
        return float(value) if isinstance(value, int | float) and math.isfinite(value) else None

    return replace(
        case,
        score=number("score"),
        presence=number("presence"),
        quality=number("quality"),
        seconds=number("seconds"),
        frame=int(number("frame") or 0),
        group=item["input"] if isinstance(item.get("input"), str) else None,
    )


def _pictures(pair: Pair) -> dict[str, Source]:
    """Return the images beside the truth's folder by stem, nothing where the truth is not part of a dataset folder."""
    root = pair.truth.parents[len(PurePosixPath(pair.name).parts) - 1]
    images = root.parent / "images"
    if root.name != "masks" or not images.is_dir():
        return {}
    return {PurePosixPath(source.relative).stem: source for source in find_sources(images)}


def _reading(source: Source, shape: tuple[int, int]) -> Callable[[], Picture | None]:
    def read() -> Picture | None:
        try:
            reader = open_source(source)
            try:
                picture = to_grey8(reader.frame(0))
            finally:
                reader.close()
        except UsassistError:
            # The picture is an extra: what is evaluated are the masks.
            return None
        return picture if picture.shape == shape else None

    return read
