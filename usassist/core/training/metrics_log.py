"""The curve of a run: metrics.jsonl, and TensorBoard's events where the recipe asks for them."""

import contextlib
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from usassist.core.errors import TrainingError
from usassist.core.project.atomic import write_bytes
from usassist.core.training.loop import EpochReport

METRICS_FILE = "metrics.jsonl"
_EVENTS_FOLDER = "tensorboard"


class MetricsLog:
    """Writes one line an epoch; the file is always whole. A context manager."""

    def __init__(self, out: Path, *, tensorboard: bool) -> None:
        """Raises TrainingError where TensorBoard is asked for and not installed."""
        self._path = out / METRICS_FILE
        self._events = _events(out / _EVENTS_FOLDER) if tensorboard else None

    def __enter__(self) -> "MetricsLog":
        return self

    def __exit__(self, *_: object) -> None:
        if self._events is not None:
            self._events.close()

    def keep(self, epochs: int, *, more: EpochReport | None = None) -> None:
        """Keep the lines of the first epochs, add one, and write the file in one step."""
        lines: list[str] = []
        for line in self._path.read_text(encoding="utf-8").splitlines() if self._path.is_file() else ():
            with contextlib.suppress(ValueError, TypeError, KeyError):
                if json.loads(line)["epoch"] <= epochs:
                    lines.append(line)
        if more is not None:
            lines.append(json.dumps(_finite(asdict(more)), allow_nan=False))
        write_bytes(self._path, "".join(f"{line}\n" for line in lines).encode(), error=TrainingError)

    def add(self, report: EpochReport) -> None:
        """Write an epoch's line, in place of one of the same epoch that an interrupted run left."""
        self.keep(report.epoch - 1, more=report)
        if self._events is None:
            return
        scalars = {"loss": report.loss, "lr": report.lr, "skipped": report.skipped}
        scalars |= {f"loss/{name}": value for name, value in report.parts.items()}
        scalars |= {f"val/{name}": value for name, value in report.val.items()}
        for name, value in scalars.items():
            self._events.add_scalar(name, value, report.epoch)
        self._events.flush()


def _events(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise TrainingError(
            "The recipe asks for TensorBoard, which is not installed: pip install 'usassist[tensorboard]', or "
            "--set tensorboard=false. metrics.jsonl holds the same numbers."
        ) from error
    return SummaryWriter(str(folder))


def _finite(value: Any) -> Any:
    """Return JSON that every parser reads: what is not finite becomes null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
