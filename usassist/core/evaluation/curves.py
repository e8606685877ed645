"""What a training wrote about its epochs."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

METRICS_FILE = "metrics.jsonl"
_MOST_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Epoch:
    """One line of a training's metrics.jsonl.

    `score` is what chose the weights, `dice` the mean Dice of the images that show something; None where nothing
    validated, and `dice` where no masks were learned. `kept` says that its weights became the model, until those of a
    later epoch did; None in files of earlier versions, which kept the best score.
    """

    number: int
    loss: float
    score: float | None
    seconds: float
    dice: float | None = None
    kept: bool | None = None


def read_epochs(folder: Path) -> tuple[Epoch, ...]:
    """Return the epochs in metrics.jsonl of a model's folder, in order; empty where there is no such file.

    Lines that are no epoch are left out: a training that was killed may leave a part of one.
    """
    path = folder / METRICS_FILE
    try:
        with path.open("rb") as file:
            lines = file.read(_MOST_BYTES).decode("utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    found: dict[int, Epoch] = {}
    for line in lines:
        try:
            epoch = _epoch(json.loads(line))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            continue
        found[epoch.number] = epoch
    return tuple(found[number] for number in sorted(found))


def kept_epoch(epochs: Sequence[Epoch]) -> Epoch | None:
    """Return the epoch whose weights a training keeps; where the file does not say, the first of the best score."""
    if all(epoch.kept is not None for epoch in epochs):
        return next((epoch for epoch in reversed(epochs) if epoch.kept), None)
    scored = [epoch for epoch in epochs if epoch.score is not None]
    return max(scored, key=lambda epoch: epoch.score or 0.0, default=epochs[-1] if epochs else None)


def _epoch(raw: Mapping[str, Any]) -> Epoch:
    val = raw.get("val") or {}
    score = val.get("score") if val.get("n", 1) else None
    dice = val.get("dice_lesion") if score is not None else None
    return Epoch(
        number=int(raw["epoch"]),
        loss=_finite(raw["loss"]),
        score=None if score is None else _finite(score),
        seconds=_finite(raw["seconds"]),
        dice=None if dice is None else _finite(dice),
        kept=bool(raw["kept"]) if "kept" in raw else None,
    )


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value} is not finite")
    return number
