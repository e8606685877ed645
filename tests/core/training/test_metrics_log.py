import json
import math
import sys
import types

from usassist.core.training.loop import EpochReport
from usassist.core.training.metrics_log import MetricsLog


def _report(epoch: int, *, loss: float = 0.5) -> EpochReport:
    return EpochReport(epoch, 1.0, 1e-3, loss, {"dice": loss}, {"score": 0.25, "n": 4.0}, skipped=1)


def test_an_epoch_is_a_line_and_replaces_what_an_interrupt_left(tmp_path) -> None:
    with MetricsLog(tmp_path, tensorboard=False) as log:
        log.add(_report(1))
        log.add(_report(2))
        log.add(_report(2, loss=0.4))
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(line["epoch"], line["loss"]) for line in lines] == [(1, 0.5), (2, 0.4)]
    assert lines[0]["val"] == {"score": 0.25, "n": 4.0} and lines[0]["skipped"] == 1


def test_what_is_not_finite_is_null_in_every_parsers_json(tmp_path) -> None:
    with MetricsLog(tmp_path, tensorboard=False) as log:
        log.add(_report(1, loss=math.nan))
    (line,) = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line, parse_constant=lambda name: 1 / 0)["loss"] is None


def test_tensorboard_gets_the_same_numbers(tmp_path, monkeypatch) -> None:
    written: list[tuple[str, float, int]] = []

    class Writer:
        def __init__(self, folder: str) -> None:
            assert folder.startswith(str(tmp_path))

        def add_scalar(self, name: str, value: float, epoch: int) -> None:
            written.append((name, value, epoch))

        def flush(self) -> None: ...

        def close(self) -> None:
            written.append(("closed", 0.0, 0))

    module = types.ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    with MetricsLog(tmp_path, tensorboard=True) as log:
        log.add(_report(3))
    assert ("loss/dice", 0.5, 3) in written and ("val/score", 0.25, 3) in written
    assert written[-1][0] == "closed"
