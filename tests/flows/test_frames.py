"""Changing frames, quickly and in the middle of things: no mask ever gets under another frame's name."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from usassist.core.project import store


def pixels_of_cells(index: int) -> tuple[int, int]:
    """Return (x, y) of the place on which only the frame `index` is painted."""
    return 8 + index % 6 * 9, 10 + index // 6 * 18


def test_quick_changes_never_write_one_frames_mask_under_anothers_name(
    sit_down: Callable, images: Path, qtbot: QtBot
) -> None:
    """Paint a place of its own on each frame while frames change without waiting; strokes in between are refused."""
    hand = sit_down(auto_propose=False)
    hand.open(images)
    document, rng = hand.document, np.random.default_rng(7)
    hand.show(3, 0)
    hand.window.tools["brush"].size.radius = 2
    painted: set[str] = set()
    for _ in range(150):
        choice = int(rng.integers(4))
        if choice == 0:
            hand.key(Qt.Key.Key_Right)
        elif choice == 1:
            hand.key(Qt.Key.Key_Left)
        elif choice == 2:
            document.seek(int(rng.integers(12)))
        elif document.frame is None:
            with qtbot.waitSignal(document.frame_shown):
                pass
        # Whatever is on the screen, the hand paints where the frame it believes in has its place.
        index, shown = document.frame_index, document.ref
        x, y = pixels_of_cells(index)
        hand.drag((x, y), (x + 1, y))
        if shown is not None:
            assert shown.index == index
            painted.add(shown.key)
    document.flush()
    assert len(painted) > 6
    keys = store.annotated_keys(document.project, "ann")
    assert set(keys) == painted
    for key in painted:
        saved = store.load_annotation(document.project, reader_id="ann", frame_key=key)
        own = int(key.rpartition("_")[2])
        array = np.logical_or.reduce([region.mask.to_array() for region in saved.regions])
        for other in range(12):
            x, y = pixels_of_cells(other)
            assert array[y, x] == (other == own), f"{key} has the place of frame {other}"


def test_a_stroke_that_is_open_when_the_frame_changes_stays_on_its_frame(
    sit_down: Callable, images: Path, qtbot: QtBot
) -> None:
    hand = sit_down(auto_propose=False)
    hand.open(images)
    viewport = hand.window.canvas.viewport()
    first = hand.document.ref.key
    QTest.mousePress(viewport, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, hand.at(20, 20))
    QTest.mouseMove(viewport, hand.at(30, 30))
    hand.key(Qt.Key.Key_D)
    QTest.mouseMove(viewport, hand.at(40, 30))
    QTest.mouseRelease(viewport, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, hand.at(40, 30))
    qtbot.waitUntil(lambda: hand.document.frame is not None)
    assert hand.document.source_index == 1
    assert hand.document.annotation.regions == ()
    (region,) = hand.document.annotation_of(first).regions
    assert region.mask.contains(20, 20)
    assert region.mask.contains(30, 30)


def test_holding_d_ends_at_the_last_file_and_its_proposal(sit_down: Callable, images: Path, qtbot: QtBot) -> None:
    hand = sit_down()
    hand.open(images)
    for _ in range(9):
        hand.key(Qt.Key.Key_D)
    qtbot.waitUntil(lambda: hand.document.frame is not None)
    assert hand.document.source_index == 3
    hand.wait_for_proposal()
    assert {proposal.frame_key for proposal in hand.document.proposals} == {hand.document.ref.key}


@pytest.mark.parametrize("key", [Qt.Key.Key_A, Qt.Key.Key_D, Qt.Key.Key_N, Qt.Key.Key_U, Qt.Key.Key_B])
def test_letters_in_a_text_field_are_text(sit_down: Callable, images: Path, key: Qt.Key) -> None:
    hand = sit_down(auto_propose=False)
    hand.open(images)
    hand.show(1)
    field = hand.window.proposals.prompt_field
    hand.window.activateWindow()
    field.setFocus()
    before, tool = hand.document.annotation, hand.window.canvas.tool
    QTest.keyClick(field, key)
    assert field.text().upper() == chr(key)
    assert hand.document.source_index == 1
    assert hand.document.annotation is before
    assert hand.window.canvas.tool is tool


def test_a_cine_plays_and_stops(sit_down: Callable, images: Path, qtbot: QtBot) -> None:
    hand = sit_down(auto_propose=False)
    hand.open(images)
    hand.show(3)
    seen: list[int] = []
    hand.document.frame_shown.connect(lambda frame: seen.append(frame.ref.index))
    hand.key(Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: len(seen) >= 3)
    hand.key(Qt.Key.Key_Space)
    assert not hand.window.cine.is_playing
    assert len(set(seen)) > 1
