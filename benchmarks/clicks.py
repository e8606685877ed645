"""How many clicks does a mask need until it is good: clicks to Dice 0.85 (NoC@85), over a dataset.

    python benchmarks/clicks.py --data DATA/busi --split val --engine classical --out OUT

The person is simulated. Each click is the point deepest inside the largest 4-connected part of the mistake (maximum
of the distance transform): positive where the part is missing, negative where it is too much. All clicks so far are
asked again with each new one, together with the mask of the last answer where the engine takes one. As in the window, a
first click that is positive and far from the first proposal (not `is_meant` for it) begins another object: the mask is
left out, and the proposal goes on waiting. The person accepts it beside the answer where most of it is right and the
answer is elsewhere, and rejects it otherwise. Three starts:

- proposal: the engine's first answer, which counts as 0 clicks;
- blank: an empty mask, so the first click is in the middle of the object's largest part;
- box: the engine's answer to the truth's bounding box, which counts as 0 clicks and stays.

An image that does not reach the target within 20 clicks is a failure and counts 20. Truth is compared at the frame's
own size; images whose truth is empty are left out. Intervals are 95 %: bootstrap, whole groups at a time; Wilson's for
shares of images.
Writes clicks.json and clicks.csv, prints two tables. Exit status 3 where an image could not be used, 1 where all.
"""

import argparse
import csv
import io
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from common import results_document, table

import usassist
from usassist.core.cli.arguments import out_folder
from usassist.core.cli.engine import LABEL_ID, Engine, add_engine_arguments, engine
from usassist.core.cli.output import Exit, complain, progress, report_failures, to_json
from usassist.core.data.dataset import Example, fingerprint, load
from usassist.core.data.frames import read_frames
from usassist.core.domain import Box, Frame, Mask, Prompt, PromptPoint
from usassist.core.errors import UsassistError
from usassist.core.evaluation.bootstrap import mean_ci95, statistic_ci95
from usassist.core.evaluation.wilson import wilson_ci95
from usassist.core.geometry.meant import is_meant, takes_over
from usassist.core.geometry.next_click import Click, next_click
from usassist.core.metrics.overlap import dice
from usassist.core.project import atomic

Bits = npt.NDArray[np.bool_]
Start = Literal["proposal", "blank", "box"]
STARTS: tuple[Start, ...] = get_args(Start)
CAP = 20
WITHIN = (1, 2, 3, 5, 8)


@dataclass(frozen=True, slots=True)
class Course:
    """What became of one image from one start: the Dice after 0, 1, ... CAP clicks."""

    input: str
    frame: int
    class_name: str
    group: str
    start: Start
    dice: tuple[float, ...]

    def needed(self, target: float) -> int | None:
        """Return the clicks until the Dice is at least the target, None where it never was."""
        return next((count for count, reached in enumerate(self.dice) if reached >= target), None)


@dataclass
class Times:
    """Seconds of each answer: to a frame that is new, and to each click on one that is encoded."""

    first: list[float] = field(default_factory=list)
    click: list[float] = field(default_factory=list)


class Session:
    """One frame and an engine that has looked at it once; every answer comes from the same features."""

    def __init__(self, built: Engine, frame: Frame, *, text: str | None, times: Times) -> None:
        self._built, self._frame, self._text, self._times = built, frame, text, times
        self._takes_mask = "mask" in built.proposer.spec.prompts
        started = time.perf_counter()
        built.proposer.warm(frame)
        self._ask(box=None)
        times.first.append(time.perf_counter() - started)

    def course(self, truth: Bits, start: Start) -> list[float]:
        """Return the Dice after 0, 1, ... CAP clicks; once nothing is wrong it stays 1."""
        box = _box_around(truth) if start == "box" else None
        answer = found = np.zeros_like(truth) if start == "blank" else self._ask(box=box)
        reached = [dice(truth, found)]
        points: list[PromptPoint] = []
        waits: Bits | None = None
        while len(reached) <= CAP:
            click = next_click(found, truth)
            if click is None:
                return reached + [1.0] * (CAP + 1 - len(reached))
            if start == "proposal" and not points and _begins_another(answer, click):
                waits, answer = answer, np.zeros_like(truth)
            points.append(PromptPoint(click.x, click.y, click.positive))
            started = time.perf_counter()
            answer = self._ask(box=box, points=points, previous=answer)
            self._times.click.append(time.perf_counter() - started)
            found = answer | waits if waits is not None and _is_kept(waits, answer, truth) else answer
            reached.append(dice(truth, found))
        return reached

    def _ask(self, *, box: Box | None, points: Sequence[PromptPoint] = (), previous: Bits | None = None) -> Bits:
        mask = None
        if self._takes_mask and previous is not None and previous.any():
            mask = Mask.from_array(previous)
        prompt = Prompt(LABEL_ID, text=self._text, points=tuple(points), box=box, mask=mask)
        found = np.zeros(self._frame.shape, dtype=np.bool_)
        for proposal in self._built.proposer.propose(self._frame, prompt):
            found |= proposal.mask.to_array()
        return found


def _begins_another(proposal: Bits, click: Click) -> bool:
    return click.positive and bool(proposal.any()) and not is_meant(Mask.from_array(proposal), click.x, click.y)


def _is_kept(waits: Bits, answer: Bits, truth: Bits) -> bool:
    """Return whether an outline that waits beside an answer is one that a person accepts too."""
    return 2 * int((waits & truth).sum()) > int(waits.sum()) and not takes_over(
        Mask.from_array(answer), Mask.from_array(waits)
    )


@dataclass
class Played:
    """All courses, and what was not played: images without an object, and those that failed with the reason."""

    courses: list[Course] = field(default_factory=list)
    times: Times = field(default_factory=Times)
    left_out: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)


def play(built: Engine, examples: Sequence[Example], *, text: str | None = None, quiet: bool = True) -> Played:
    """Click through every example from every start. Raises UsassistError for an engine that follows no clicks."""
    _require_clicks(built)
    played = Played()
    with progress("clicking", total=len(examples), unit="image", quiet=quiet) as bar:
        for example, frame in _frames(examples, played.failed):
            bar.update()
            try:
                played.courses += _courses(built, example, frame, text, played)
            except UsassistError as error:
                played.failed.append((example.source.relative, str(error)))
    return played


def _frames(examples: Sequence[Example], failed: list[tuple[str, str]]) -> Iterator[tuple[Example, Frame]]:
    return read_frames(examples, on_error=lambda example, error: failed.append((example.source.relative, str(error))))


def _courses(built: Engine, example: Example, frame: Frame, text: str | None, played: Played) -> list[Course]:
    truth = example.read_truth(frame.shape)
    name = example.source.relative
    if not truth.any():
        played.left_out.append(name)
        return []
    session = Session(built, frame, text=text, times=played.times)
    group = example.group or example.key
    return [
        Course(name, example.frame, example.class_name, group, start, tuple(session.course(truth, start)))
        for start in STARTS
    ]


def _require_clicks(built: Engine) -> None:
    if "points" not in built.proposer.spec.prompts:
        raise UsassistError(
            f"{built.model or built.name} follows no clicks: choose a model with the head promptable, or --engine "
            f"classical."
        )


def _box_around(truth: Bits) -> Box:
    rows, cols = np.nonzero(truth)
    return Box(int(rows.min()), int(cols.min()), int(rows.max()) + 1, int(cols.max()) + 1)


def summarised(courses: Sequence[Course], target: float) -> dict[str, Any]:
    """Return the numbers of one start: JSON values."""
    needed = [course.needed(target) for course in courses]
    counted = np.array([CAP if clicks is None else clicks for clicks in needed], dtype=np.float64)
    groups = [course.group for course in courses]

    def estimate(values: Sequence[float]) -> dict[str, Any]:
        return {"mean": float(np.mean(values)), "ci95": list(mean_ci95(values, groups=groups))}

    def median(chosen: npt.NDArray[np.intp]) -> float:
        return float(np.median(counted[chosen]))

    between = statistic_ci95(median, groups)
    return {
        "n": len(courses),
        "groups": len(set(groups)),
        "clicks": estimate(counted.tolist()),
        "clicks_median": {"median": float(np.median(counted)), "ci95": None if between is None else list(between)},
        "within": {str(most): _share([clicks is not None and clicks <= most for clicks in needed]) for most in WITHIN},
        "dice_after": [
            {"clicks": count, **estimate([course.dice[count] for course in courses])} for count in range(CAP + 1)
        ],
        "failures": [course.input for course, clicks in zip(courses, needed, strict=True) if clicks is None],
    }


def _share(hits: Sequence[bool]) -> dict[str, Any]:
    return {"mean": sum(hits) / len(hits), "ci95": list(wilson_ci95(sum(hits), len(hits)))}


def document(played: Played, built: Engine, *, target: float, **asked: Any) -> dict[str, Any]:
    """Return clicks.json as plain values. Raises UsassistError where no image could be used."""
    if not played.courses:
        raise UsassistError("There is nothing to click at: no image with an object in its mask could be used.")
    starts = {start: summarised([c for c in played.courses if c.start == start], target) for start in STARTS}
    header = ("start", "n", "clicks, mean (95 % CI)", "median", *(f"within {most}" for most in WITHIN), "failures")
    rows = [
        (
            *(start, found["n"], _interval(found["clicks"], 2), f"{found['clicks_median']['median']:g}"),
            *(_interval(found["within"][str(most)], 2) for most in WITHIN),
            len(found["failures"]),
        )
        for start, found in starts.items()
    ]
    facts = {
        "target": target,
        "cap": CAP,
        "connectivity": 4,
        **asked,
        "engine": built.name,
        "model": built.model,
        "weights_hash": built.weights_hash or None,
        "device": built.device,
        "usassist": usassist.__version__,
        "n_left_out_empty": len(played.left_out),
        "starts": starts,
        "seconds": {"first": _times(played.times.first), "click": _times(played.times.click)},
        "failed": [{"input": name, "reason": reason} for name, reason in played.failed],
    }
    title = f"Clicks to Dice {target:g}: {built.model or built.name} on {asked['data']}, {asked['split']}"
    return results_document("clicks", title=title, header=header, rows=rows, **facts)


def per_image(courses: Sequence[Course], target: float) -> str:
    """Return clicks.csv: a line for each image and start; `clicks` is empty where the target was not reached."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("input", "frame", "class", "start", "clicks", *(f"dice_{count}" for count in range(CAP + 1))))
    for course in courses:
        clicks = course.needed(target)
        named = (course.input, course.frame, course.class_name, course.start, "" if clicks is None else clicks)
        writer.writerow((*named, *(f"{reached:.6f}" for reached in course.dice)))
    return out.getvalue()


def _times(seconds: Sequence[float]) -> dict[str, float | int | None]:
    if not seconds:
        return {"n": 0, "median": None, "p95": None}
    return {"n": len(seconds), "median": statistics.median(seconds), "p95": float(np.percentile(seconds, 95))}


def _interval(estimate: dict[str, Any], digits: int) -> str:
    low, high = estimate["ci95"]
    return f"{estimate['mean']:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def show(found: dict[str, Any]) -> None:
    """Print the two tables and what was left out."""
    table(found["title"], found["header"], found["rows"])
    counts = (0, *WITHIN, CAP)
    rows = [[s, *(f"{part['dice_after'][k]['mean']:.3f}" for k in counts)] for s, part in found["starts"].items()]
    table("Mean Dice after clicks", ("start", *map(str, counts)), rows)
    first, click = (found["seconds"][name]["median"] for name in ("first", "click"))
    print(f"\nFirst answer to a frame {1e3 * first:.1f} ms, each click {1e3 * (click or 0.0):.1f} ms (medians).")
    print(f"{found['n_left_out_empty']} images show no object and were left out.")


def main() -> int:
    """Click, write, print; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", metavar="DATASET", type=Path, required=True, help="a dataset folder or a project")
    parser.add_argument("--split", metavar="S", default="val", help="train, val, test or all (default: %(default)s)")
    parser.add_argument("--target", metavar="DICE", type=float, default=0.85, help="(default: %(default)s)")
    parser.add_argument("--out", metavar="DIR", type=out_folder, required=True, help="for clicks.json and clicks.csv")
    add_engine_arguments(parser)
    arguments = parser.parse_args()
    try:
        with engine(arguments) as built:
            examples = load(arguments.data, split=arguments.split)
            played = play(built, examples, text=arguments.prompt or None, quiet=False)
            report_failures(played.failed)
            found = document(
                played,
                built,
                target=arguments.target,
                data=arguments.data.resolve().name,
                split=arguments.split,
                prompt=arguments.prompt or None,
                data_fingerprint=fingerprint(examples),
            )
        atomic.make_folder(arguments.out, error=UsassistError)
        for name, text in (
            ("clicks.csv", per_image(played.courses, arguments.target)),
            ("clicks.json", to_json(found) + "\n"),
        ):
            atomic.write_bytes(arguments.out / name, text.encode(), error=UsassistError)
    except UsassistError as error:
        complain(str(error))
        return Exit.NOTHING
    show(found)
    return Exit.PARTLY if played.failed else Exit.DONE


if __name__ == "__main__":
    sys.exit(main())
