"""Runs that end at bad moments: by signals, really sent to the process that runs the tests, and by a sudden death."""

import dataclasses
import json
import signal
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from usassist.core.errors import TrainingError
from usassist.core.models.config import ModelConfig
from usassist.core.project import atomic
from usassist.core.training import run, segmentation
from usassist.core.training.interrupts import held_signals
from usassist.core.training.run import resume, train


@pytest.fixture(autouse=True)
def polite_end():
    """SIGTERM interrupts, as `usassist-train` has it."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_until_the_block_is_done(number: signal.Signals) -> None:
    handlers = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    done = []
    with pytest.raises(KeyboardInterrupt), held_signals():
        signal.raise_signal(number)
        done.append("written")
    assert done == ["written"]
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == handlers


def test_without_a_signal_nothing_happens_and_an_error_passes_through() -> None:
    before = signal.getsignal(signal.SIGINT)
    with held_signals():
        pass
    with pytest.raises(ValueError, match="full"), held_signals():
        raise ValueError("full")
    assert signal.getsignal(signal.SIGINT) is before


def test_a_signal_is_answered_also_where_the_block_failed() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt) as stop, held_signals():
        signal.raise_signal(signal.SIGINT)
        raise ValueError("full")
    assert isinstance(stop.value.__context__, ValueError)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a process under nohup does so with others
    with held_signals():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


def test_another_thread_changes_no_handler() -> None:
    seen: list[object] = []

    def work() -> None:
        with held_signals():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]


@pytest.fixture
def always_best(discs, monkeypatch) -> Path:
    """Data on which no epoch is judged: each is the best so far, and writes everything."""
    monkeypatch.setattr(segmentation.SegmentTask, "validate", lambda *_: {"score": 0.0, "n": 0.0})
    return discs


def _what_is_left(folder: Path) -> tuple[Any, ...]:
    lines = [json.loads(line) | {"seconds": 0} for line in (folder / "metrics.jsonl").read_text().splitlines()]
    tensors = {name: t.numpy().tobytes() for name, t in load_file(folder / "weights.safetensors").items()}
    return lines, tensors, ModelConfig.read(folder)


class _DeathError(BaseException):
    """What ends a process without asking it."""


def test_a_run_that_dies_while_it_saves_comes_to_the_same_end(
    recipe, always_best, small, tmp_path, monkeypatch
) -> None:
    """At each of the files that the first epoch leaves, in a later one, and before there is a run at all."""
    options: dict[str, Any] = {"task": "segment", "overrides": small, "device": "cpu"}
    train(recipe, [always_best], tmp_path / "whole", **options)
    expected = _what_is_left(tmp_path / "whole")
    replace = atomic._replace
    first = [("metrics.jsonl", 2), ("checkpoint.pt", 1), ("weights.safetensors", 1), ("model.json", 1)]
    for name, count in [("config.toml", 1), *first, ("weights.safetensors", 2)]:
        written: Counter[str] = Counter()

        def die_at(temporary: Path, path: Path, *, name=name, count=count, written=written) -> None:
            written[path.name] += 1
            if path.name == name and written[name] == count:
                raise _DeathError
            replace(temporary, path)

        folder = tmp_path / f"{name}{count}"
        with monkeypatch.context() as patch, pytest.raises(_DeathError):
            patch.setattr(atomic, "_replace", die_at)
            train(recipe, [always_best], folder, **options)
        if name in ("config.toml", "metrics.jsonl"):  # no epoch was finished: the same command begins again
            train(recipe, [always_best], folder, **options)
        else:
            assert resume(folder, device="cpu").epochs == 2
        assert _what_is_left(folder) == expected, (name, count)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_while_the_first_epoch_is_saved_waits_for_it(
    recipe, always_best, small, tmp_path, monkeypatch, *, number: signal.Signals
) -> None:
    save = run.save_checkpoint

    def interrupted(*arguments: Any, **named: Any) -> None:
        signal.raise_signal(number)
        save(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(run, "save_checkpoint", interrupted)
        first = train(recipe, [always_best], tmp_path / "run", task="segment", overrides=small, device="cpu")
    assert first.interrupted and first.epochs == 1
    assert {"checkpoint.pt", "weights.safetensors", "model.json"} <= {path.name for path in first.folder.iterdir()}
    assert resume(first.folder, device="cpu").epochs == 2


def test_ctrl_c_while_the_model_is_calibrated_waits_for_it(recipe, discs, small, tmp_path, monkeypatch) -> None:
    """Again and again: the weights that are written last are whole, and have their calibration."""
    written = run.save_model

    def finished(task: Any, model: Any, description: ModelConfig) -> ModelConfig:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        return dataclasses.replace(description, title="calibrated")

    def impatient(*arguments: Any, **named: Any) -> None:
        written(*arguments, **named)
        if named["config"].title == "calibrated":
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(segmentation.SegmentTask, "finished", finished)
    monkeypatch.setattr(run, "save_model", impatient)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, [discs], tmp_path / "run", task="segment", overrides=[*small, "epochs=1"], device="cpu")
    assert ModelConfig.read(tmp_path / "run").title == "calibrated"


def test_ctrl_c_is_no_failed_training_where_the_save_it_waited_for_fails(
    recipe, always_best, small, tmp_path, *, monkeypatch, caplog
) -> None:
    """A failed one would let `compare` go on with the next."""

    def full(*_: Any, **__: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        raise TrainingError("The disk is full.")

    monkeypatch.setattr(run, "save_checkpoint", full)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, [always_best], tmp_path / "run", task="segment", overrides=small, device="cpu")
    assert "The disk is full." in caplog.text


def test_a_run_that_finished_no_epoch_begins_again_and_says_so(recipe, always_best, small, tmp_path, caplog) -> None:
    first = train(
        *(recipe, [always_best], tmp_path / "run"),
        task="segment",
        overrides=small,
        device="cpu",
        on_progress=_at_step(1),
    )
    assert first.interrupted and first.epochs == 0
    assert not (first.folder / "checkpoint.pt").exists()
    assert resume(first.folder, device="cpu").epochs == 2
    assert "finished no epoch; it begins again" in caplog.text
    (first.folder / "checkpoint.pt").unlink()
    with pytest.raises(TrainingError, match="cannot go on"):
        resume(first.folder, device="cpu")


def _at_step(step: int):
    """Return what interrupts a training after so many steps of its first epoch."""

    def stop(what: str, done: int, _total: int) -> None:
        if (what, done) == ("epoch 1", step):
            signal.raise_signal(signal.SIGINT)

    return stop
