"""Killed in the middle of painting, again and again: at most the last stroke is missing and every file parses."""

import json
import os
import random
import select
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from usassist.core.domain import Annotation
from usassist.core.geometry.cv import cv2
from usassist.core.project import journal, recovery, store
from usassist.gui.document.opening import project_folder

KILLS = 20
CHILD = Path(__file__).with_name("painting_child.py")
SHAPE = (160, 240)


def paint_until_killed(folder: Path, *, strokes: int, pause_s: float) -> int:
    """Let a child paint `strokes` strokes, kill it `pause_s` later; return how many were on its screen."""
    child = subprocess.Popen(
        [sys.executable, str(CHILD), str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    try:
        for _ in range(strokes):
            line = child.stdout.readline()
            assert line, f"The child ended by itself: {child.communicate(timeout=30)[1]}"
        # A random moment of the stroke that is being painted: nothing is waited for.
        select.select([], [], [], pause_s)
        os.kill(child.pid, signal.SIGKILL)
        rest, trouble = child.communicate(timeout=30)
    finally:
        child.kill()
    assert "Traceback" not in trouble, trouble
    return int([line, *rest.splitlines()][-1])


def everything_parses(root: Path) -> None:
    """Read every file of the project with the program's own eyes and with a JSON parser's."""
    project = store.open_project(root)
    for file in root.rglob("*.json"):
        json.loads(file.read_text("utf-8"))
    for key in store.annotated_keys(project, "ann"):
        assert store.load_annotation(project, reader_id="ann", frame_key=key) is not None
    assert not list(root.rglob("*.damaged*"))
    journal.read(project, "ann")


def what_is_left(root: Path) -> Annotation | None:
    """Return what a person gets back: the draft, else what was saved."""
    project = store.open_project(root)
    drafts = recovery.drafts(project, "ann")
    if drafts:
        return drafts[0]
    keys = list(store.annotated_keys(project, "ann"))
    return store.load_annotation(project, reader_id="ann", frame_key=keys[0]) if keys else None


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="There is no SIGKILL here.")
def test_twenty_kills_in_the_middle_of_painting(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    cv2.imwrite(str(folder / "one.png"), np.full(SHAPE, 90, dtype=np.uint8))
    root, rng = project_folder(folder), random.Random(20)
    for _ in range(KILLS):
        painted = paint_until_killed(folder, strokes=rng.randint(1, 10), pause_s=rng.uniform(0, 0.03))
        everything_parses(root)
        left = what_is_left(root)
        array = left.regions[0].mask.to_array() if left is not None and left.regions else np.zeros(SHAPE, np.bool_)
        present = _strokes_in(array)
        count = sum(present)
        assert present == [True] * count + [False] * (len(present) - count)
        assert count >= painted - 1, f"{painted} strokes were painted; only {count} are there."


def _strokes_in(array: np.ndarray) -> list[bool]:
    import importlib.util

    spec = importlib.util.spec_from_file_location("painting_child", CHILD)
    child = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(child)
    return child.strokes_in(array)
