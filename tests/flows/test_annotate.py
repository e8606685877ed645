"""The whole path in the real window: open, propose, accept, paint, erase, undo, redo, save, quit, reopen."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from usassist.core.domain import Annotation
from usassist.core.project import journal, recovery, store
from usassist.gui.document.proposing import start_remote


def middle_of(annotation: Annotation) -> tuple[float, float]:
    """Return (x, y) of a pixel deep in the first region."""
    mask = annotation.regions[0].mask
    rows, cols = np.nonzero(mask.crop)
    nearest = np.argmin((rows - rows.mean()) ** 2 + (cols - cols.mean()) ** 2)
    return float(cols[nearest] + mask.origin[1]), float(rows[nearest] + mask.origin[0])


def edit_everything(hand: Any) -> list[Annotation]:
    """Accept, paint and erase with the keys and the mouse; return the annotation after each step."""
    document = hand.document
    rows, cols = document.frame.shape
    seen = [document.annotation]
    hand.key(Qt.Key.Key_Return)
    seen.append(document.annotation)
    x, y = middle_of(document.annotation)
    hand.key(Qt.Key.Key_B)
    hand.window.tools["brush"].size.radius = max(1.5, cols / 40)
    hand.drag((x, y), (cols * 0.3, rows * 0.4), (cols * 0.7, rows * 0.6))
    seen.append(document.annotation)
    hand.key(Qt.Key.Key_E)
    hand.drag((x, y), (x + cols / 20, y))
    seen.append(document.annotation)
    assert len({id(annotation) for annotation in seen}) == 4
    return seen


def undo_all_redo_all(hand: Any, seen: list[Annotation]) -> None:
    control, shift = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
    for annotation in reversed(seen[:-1]):
        hand.key(Qt.Key.Key_Z, control)
        assert hand.document.annotation == annotation
    for number, annotation in enumerate(seen[1:]):
        if number % 2:
            hand.key(Qt.Key.Key_Z, control | shift)
        else:
            hand.key(Qt.Key.Key_Y, control)
        assert hand.document.annotation == annotation


def the_whole_path(sit_down: Callable[..., Any], paths: list[Path], qtbot: QtBot, **options: object) -> None:
    """Do it all on the first frame of every source, quit, and find every mask again bit for bit."""
    hand = sit_down(**options)
    hand.open(*paths)
    done: dict[str, Annotation] = {}
    for index in range(len(hand.document.sources)):
        if index != hand.document.source_index:
            hand.show(index)
        hand.wait_for_proposal()
        seen = edit_everything(hand)
        undo_all_redo_all(hand, seen)
        done[hand.document.ref.key] = seen[-1]
    project = hand.document.project
    with qtbot.waitSignal(hand.document.dirty_changed):
        hand.key(Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    hand.close()
    for key, annotation in done.items():
        assert store.load_annotation(project, reader_id="ann", frame_key=key) == annotation
    again = sit_down(**options)
    again.open(*paths)
    for index in range(len(again.document.sources)):
        if index != again.document.source_index:
            again.show(index)
        found = again.document.annotation
        expected = done[found.frame_key]
        assert found == expected
        assert [
            np.array_equal(a.mask.to_array(), b.mask.to_array())
            for a, b in zip(found.regions, expected.regions, strict=True)
        ] == [True] * len(expected.regions)
        assert again.document.proposals == ()
    assert recovery.drafts(project, "ann") == []
    actions = [event.action for event in journal.read(project, "ann")]
    assert actions.count("edited") >= len(done)


def test_the_whole_path_on_small_pictures_and_a_cine(sit_down: Callable, images: Path, qtbot: QtBot) -> None:
    the_whole_path(sit_down, [images], qtbot)


@pytest.mark.data
def test_the_whole_path_on_real_ultrasound(sit_down: Callable, data_root: Path, tmp_path: Path, qtbot: QtBot) -> None:
    """Real lesions and a real cine, an engine in a child process; the folder is linked, never copied or changed."""
    folder = tmp_path / "real"
    folder.mkdir()
    stills = sorted((data_root / "busi" / "images").iterdir())[:2]
    clips = [data_root / "dicom" / "pydicom_examples_ybr_color.dcm"]  # 30 frames of JPEG
    for path in (*stills, *clips):
        (folder / path.name).symlink_to(path)
    the_whole_path(sit_down, [folder], qtbot, engine="classical", device="cpu", start_engine=start_remote)
