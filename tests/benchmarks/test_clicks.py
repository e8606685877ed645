"""The simulated person of benchmarks/clicks.py, with engines whose answers are known."""

import csv
import importlib
import io
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from usassist.core import proposers
from usassist.core.cli.engine import Engine
from usassist.core.data.dataset import load
from usassist.core.domain import Frame, Mask, Prompt, Proposal
from usassist.core.errors import ModelError, UsassistError
from usassist.core.evaluation.wilson import wilson_ci95
from usassist.core.geometry.cv import cv2
from usassist.core.proposers import ProposerSpec

ROOT = Path(__file__).resolve().parents[2]
SHAPE = (60, 80)


@pytest.fixture(scope="module")
def clicks() -> Iterator[ModuleType]:
    """Return the script as a module; scripts find `common` beside themselves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        yield importlib.import_module("clicks")
        sys.modules.pop("common", None)


def two_squares() -> np.ndarray:
    truth = np.zeros(SHAPE, dtype=np.bool_)
    truth[10:30, 10:30] = True
    truth[35:50, 50:65] = True
    return truth


@dataclass
class Painter:
    """An engine that fills the part of the truth under each positive click, and nothing where `deaf`.

    `invents` is what it draws beside that until a negative click hits it, `proposes` what it answers to no prompt.
    """

    truth: np.ndarray
    deaf: bool = False
    invents: np.ndarray | None = None
    proposes: np.ndarray | None = None
    spec: ProposerSpec = field(
        default_factory=lambda: ProposerSpec("painter", "Painter", frozenset({"points", "box", "mask"}), (), None)
    )
    weights_hash: str = "ab12"
    asked: list[Prompt] = field(default_factory=list)
    looked: list[str] = field(default_factory=list)

    def warm(self, frame: Frame) -> None:
        self.looked.append(frame.ref.key)

    def propose(self, frame: Frame, prompt: Prompt) -> tuple[Proposal, ...]:
        self.asked.append(prompt)
        if frame.pixels.max() == 255:
            raise ModelError("The frame is white.")
        _, parts = cv2.connectedComponents(self.truth.astype(np.uint8), connectivity=4)
        found = np.zeros(SHAPE, dtype=np.bool_) if self.invents is None else self.invents.copy()
        if self.proposes is not None and not prompt.points and prompt.box is None:
            found |= self.proposes
        for point in () if self.deaf else prompt.points:
            at = int(point.y), int(point.x)
            if point.positive:
                found |= parts == parts[at] if parts[at] else False
            elif self.invents is not None and self.invents[at]:
                found &= ~self.invents
        mask = Mask.from_array(found)
        return (Proposal(frame.ref.key, prompt.label_id, mask, 0.9, 0.8, "painter", "ab12", prompt, 0.01),)

    def close(self) -> None:
        """Do nothing."""


def built(engine: Painter) -> Engine:
    return Engine(engine, "painter", None, "cpu", "ab12")


def dataset(folder: Path, *, masks: dict[str, np.ndarray], white: str = "") -> Path:
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    lines = ["file,class,split,patient"]
    for name, mask in masks.items():
        picture = np.full(SHAPE, 255 if name == white else 90, dtype=np.uint8)
        cv2.imwrite(str(folder / "images" / name), picture)
        cv2.imwrite(str(folder / "masks" / name), mask.astype(np.uint8) * 255)
        lines.append(f"{name},benign,val,p_{name}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def played(clicks: ModuleType, tmp_path: Path, engine: Painter, **masks: np.ndarray) -> Any:
    folder = dataset(tmp_path / "data", masks={f"{name}.png": mask for name, mask in masks.items()})
    return clicks.play(built(engine), load(folder, split="val"))


def needed(run: Any) -> dict[str, int | None]:
    return {course.start: course.needed(0.85) for course in run.courses}


def test_what_paints_where_it_is_clicked_needs_one_click_a_part(clicks: ModuleType, tmp_path: Path) -> None:
    """The larger square alone is Dice 0.78: the engine needs exactly two clicks, whatever it starts from."""
    truth = two_squares()
    engine = Painter(truth)
    run = played(clicks, tmp_path, engine, a=truth)
    assert needed(run) == {"proposal": 2, "blank": 2, "box": 2}
    for course in run.courses:
        assert course.dice[0] == 0.0
        assert course.dice[1] == pytest.approx(2 * 400 / (400 + 625))
        assert course.dice[2:] == (1.0,) * 19, "once nothing is wrong nobody clicks, and it stays right"
    assert len(engine.looked) == 1, "a frame is encoded once for all starts"


def test_the_clicks_are_in_the_middle_and_all_are_asked_again(clicks: ModuleType, tmp_path: Path) -> None:
    truth = two_squares()
    engine = Painter(truth)
    played(clicks, tmp_path, engine, a=truth)
    blank = [prompt for prompt in engine.asked if prompt.points and prompt.box is None][:2]
    assert [len(prompt.points) for prompt in blank] == [1, 2]
    (first,), (_, second) = blank[0].points, blank[1].points
    assert (first.positive, second.positive) == (True, True)
    assert 18 <= first.x <= 21
    assert 18 <= first.y <= 21
    assert (second.x, second.y) == (57, 42)
    assert blank[0].mask is None, "there was nothing to go on from"
    assert blank[1].mask is not None
    assert blank[1].mask.area == 400
    boxes = [prompt.box for prompt in engine.asked if prompt.box is not None]
    assert {(box.top, box.left, box.bottom, box.right) for box in boxes} == {(10, 10, 50, 65)}


def test_what_is_too_much_is_clicked_away(clicks: ModuleType, tmp_path: Path) -> None:
    truth, invented = np.zeros((2, *SHAPE), dtype=np.bool_)
    truth[10:30, 10:30] = True
    invented[5:45, 40:75] = True
    engine = Painter(truth, invents=invented)
    run = played(clicks, tmp_path, engine, a=truth)
    assert needed(run) == {"proposal": 2, "blank": 2, "box": 2}
    assert [point.positive for point in engine.asked[3].points] == [False, True]


@pytest.mark.parametrize(
    ("proposed", "asked_along", "reached"),
    [((slice(10, 30), slice(10, 30)), False, 1.0), ((slice(0, 6), slice(60, 80)), False, 0.78), (None, True, 0.78)],
    ids=["the other part", "a wrong place", "close to the first part"],
)
def test_a_first_click_elsewhere_begins_another_object_as_in_the_window(
    clicks: ModuleType, tmp_path: Path, proposed: Any, asked_along: bool, reached: float
) -> None:
    """What waits is accepted too where it is right: both squares are there after a single click."""
    truth, proposes = two_squares(), np.zeros(SHAPE, dtype=np.bool_)
    proposes[proposed or (slice(5, 35), slice(10, 18))] = True
    engine = Painter(truth, proposes=proposes)
    run = played(clicks, tmp_path, engine, a=truth)
    first = next(prompt for prompt in engine.asked if prompt.points)
    assert (first.mask is not None) is asked_along
    assert run.courses[0].start == "proposal"
    assert run.courses[0].dice[1] == pytest.approx(reached, abs=0.01)


def test_an_engine_that_ignores_clicks_fails_with_twenty(clicks: ModuleType, tmp_path: Path) -> None:
    truth = two_squares()
    run = played(clicks, tmp_path, Painter(truth, deaf=True), a=truth, b=truth)
    found = clicks.document(run, built(Painter(truth)), target=0.85, data="data", split="val")
    for part in found["starts"].values():
        assert part["clicks"] == {"mean": 20.0, "ci95": [20.0, 20.0]}
        assert part["clicks_median"]["median"] == 20.0
        assert part["within"]["8"] == {"mean": 0.0, "ci95": list(wilson_ci95(0, 2))}
        assert part["failures"] == ["a.png", "b.png"]
        assert [step["mean"] for step in part["dice_after"]] == [0.0] * 21


def test_a_right_first_proposal_counts_no_click(clicks: ModuleType, tmp_path: Path) -> None:
    truth = two_squares()
    run = played(clicks, tmp_path, Painter(truth & False, invents=truth), a=truth)
    assert needed(run) == {"proposal": 0, "blank": 1, "box": 0}


def test_summary_over_images_and_groups(clicks: ModuleType) -> None:
    def course(name: str, group: str, count: int) -> Any:
        return clicks.Course(name, 0, "", group, "blank", (0.0,) * count + (0.9,) * (21 - count))

    found = clicks.summarised(
        [course("a", "p", 1), course("b", "p", 3), course("c", "q", 8), course("d", "r", 21)], 0.85
    )
    assert (found["n"], found["groups"]) == (4, 3)
    assert found["clicks"]["mean"] == (1 + 3 + 8 + 20) / 4
    assert found["clicks"]["ci95"][0] < 8 < found["clicks"]["ci95"][1]
    assert found["clicks_median"]["median"] == 5.5
    shares = {most: part["mean"] for most, part in found["within"].items()}
    assert shares == {"1": 0.25, "2": 0.25, "3": 0.5, "5": 0.5, "8": 0.75}
    assert found["failures"] == ["d"]
    after = {step["clicks"]: step["mean"] for step in found["dice_after"]}
    assert (after[0], after[1], after[20]) == (0.0, pytest.approx(0.225), pytest.approx(0.675))
    last = clicks.summarised([course("a", "p", 20)], 0.85)
    assert (last["clicks"]["mean"], last["failures"]) == (20.0, []), "the twentieth click is not too late"


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Painter:
    engine = Painter(two_squares())
    engine.spec = replace(engine.spec, build=lambda _options: engine)
    engines = {**proposers.specs(), "painter": engine.spec}
    for module in ("usassist.core.proposers", "usassist.core.cli.engine"):
        monkeypatch.setattr(f"{module}.specs", lambda: engines)
    return engine


def test_the_command_writes_and_says_what_was_left_out(
    clicks: ModuleType,
    known: Painter,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    truth = two_squares()
    masks = {"a.png": truth, "b.png": truth & False, "c.png": truth}
    data = dataset(tmp_path / "data", masks=masks, white="c.png")
    out = tmp_path / "out"
    monkeypatch.setattr(
        sys, "argv", ["clicks.py", "--data", str(data), "--engine", "painter", "--out", str(out), "--target", "0.75"]
    )
    assert clicks.main() == 3
    said = capsys.readouterr()
    assert "c.png: The frame is white." in said.err
    assert "1 images show no object and were left out." in said.out
    found = json.loads((out / "clicks.json").read_text(encoding="utf-8"))
    assert (found["benchmark"], found["connectivity"], found["cap"]) == ("clicks", 4, 20)
    assert (found["weights_hash"], found["n_left_out_empty"]) == ("ab12", 1)
    assert [row[0] for row in found["rows"]] == ["proposal", "blank", "box"]
    assert found["starts"]["blank"]["clicks"]["mean"] == 1.0
    assert found["failed"] == [{"input": "c.png", "reason": "The frame is white."}]
    lines = list(csv.DictReader(io.StringIO((out / "clicks.csv").read_text(encoding="utf-8"))))
    assert [(line["input"], line["start"], line["clicks"]) for line in lines] == [
        ("a.png", start, "1") for start in ("proposal", "blank", "box")
    ]
    assert lines[0]["dice_20"] == "1.000000"


def test_an_engine_that_follows_no_clicks_is_refused(clicks: ModuleType) -> None:
    engine = Painter(two_squares())
    engine.spec = replace(engine.spec, prompts=frozenset({"text", "support"}))
    with pytest.raises(UsassistError, match="follows no clicks"):
        clicks.play(built(engine), [])


@pytest.mark.data
def test_classical_on_real_lesions(clicks: ModuleType, data_root: Path) -> None:
    """A box around a lesion helps the engine without weights on real images."""
    from usassist.core.proposers import BuildOptions, build

    engine = Engine(build("classical", BuildOptions()), "classical", None, "cpu", "")
    run = clicks.play(engine, load(data_root / "busi", split="val")[:2])
    first = {start: np.mean([c.dice[0] for c in run.courses if c.start == start]) for start in clicks.STARTS}
    assert first["box"] > 0.6
    assert first["blank"] == 0.0
