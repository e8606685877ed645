"""What keys and menus do that needs the window: picking files, refusing politely, leaving a cine in peace."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from usassist.core.paths import user_home
from usassist.gui.dialogs import open_study
from usassist.gui.dialogs.about import AboutDialog
from usassist.gui.dialogs.shortcuts import ShortcutsDialog
from usassist.gui.main_window import MainWindow
from usassist.gui.settings import Settings

OFF = Settings(auto_propose=False)


@pytest.mark.parametrize(
    ("deed", "picker", "several"),
    [
        ("open_files", "pick_files", True),
        ("open_folder", "pick_folder", False),
        ("open_project", "pick_project", False),
    ],
)
def test_what_is_picked_is_opened_and_nothing_picked_opens_nothing(
    open_window: Callable[..., MainWindow],
    images: Path,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
    *,
    deed: str,
    picker: str,
    several: bool,
) -> None:
    window = open_window(images, auto_propose=False, settings=OFF)
    document, asked = window.document, []
    root = document.project_root
    picked: dict[str, Any] = {"pick_files": [images / "still2.png"], "pick_folder": images, "pick_project": root}
    nothing: Any = [] if several else None
    monkeypatch.setattr(open_study, picker, lambda _parent, *, folder: asked.append(folder) or nothing)
    window.bindings[deed].trigger()
    assert document.project_root == root
    assert asked == [user_home() / "projects" if deed == "open_project" else images]
    monkeypatch.setattr(open_study, picker, lambda _parent, *, folder: picked[picker])
    with qtbot.waitSignals([document.opened, document.frame_shown]):
        window.bindings[deed].trigger()
    assert len(document.sources) == (1 if several else 4)


def test_rejecting_where_nothing_waits_changes_nothing(open_window: Callable[..., MainWindow], images: Path) -> None:
    window = open_window(images, auto_propose=False, settings=OFF)
    before = window.document.annotation
    window.bindings["reject"].trigger()
    assert window.document.annotation is before
    assert "no proposal to reject" in window.status.message_label.text()


def test_all_proposals_are_accepted_with_one_key_and_taken_back_in_one_step(
    open_window: Callable[..., MainWindow], images: Path, qtbot: QtBot
) -> None:
    window = open_window(images)
    document = window.document
    qtbot.waitUntil(lambda: bool(document.proposals))
    document.restore_proposal(replace(document.proposals[0], label_id=document.labels[1].id), 1)
    waiting = document.proposals
    window.canvas.set_masks_visible(False)
    QTest.keyClick(window.canvas, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    assert [region.label_id for region in document.annotation.regions] == [item.label_id for item in waiting]
    assert document.proposals == () and document.annotation.status == "accepted" and window.canvas.layers.visible
    window.bindings["undo"].trigger()
    assert document.proposals == waiting and document.annotation.regions == ()


def test_accepting_all_where_nothing_waits_changes_nothing(
    open_window: Callable[..., MainWindow], images: Path
) -> None:
    window = open_window(images, auto_propose=False, settings=OFF)
    before = window.document.annotation
    window.bindings["accept_all"].trigger()
    assert window.document.annotation is before
    assert "no proposal to accept" in window.status.message_label.text()


def test_an_open_tool_has_the_key_that_accepts_all(open_window: Callable[..., MainWindow], images: Path) -> None:
    window = open_window(images, auto_propose=False, settings=OFF)
    window.pick_tool("polygon")
    canvas, held = window.canvas, Qt.KeyboardModifier.NoModifier
    for x, y in ((10, 10), (40, 10), (40, 40)):
        QTest.mouseClick(canvas.viewport(), Qt.MouseButton.LeftButton, held, canvas.mapFromScene(x, y))
    window.bindings["accept_all"].trigger()
    assert len(window.document.annotation.regions) == 1 and not canvas.tool.is_open


def test_accepting_without_a_proposal_accepts_the_frame_as_it_is(
    open_window: Callable[..., MainWindow], images: Path
) -> None:
    window = open_window(images, auto_propose=False, settings=OFF)
    window.bindings["accept"].trigger()
    assert window.document.annotation.regions == ()
    assert window.document.proposals == ()


def test_a_step_stops_a_cine_and_goes_where_it_says(
    open_window: Callable[..., MainWindow], images: Path, qtbot: QtBot
) -> None:
    window = open_window(images, auto_propose=False, settings=OFF)
    document = window.document
    with qtbot.waitSignal(document.frame_shown):
        document.show(3)
    for deed, index in (("last_frame", 11), ("previous_frame", 10), ("first_frame", 0), ("next_frame", 1)):
        window.cine.play()
        with qtbot.waitSignal(
            document.frame_shown, check_params_cb=lambda frame, index=index: frame.ref.index == index
        ):
            window.bindings[deed].trigger()
            assert not window.cine.is_playing
        assert document.ref.index == index


@pytest.mark.parametrize(("deed", "kind"), [("shortcuts", ShortcutsDialog), ("about", AboutDialog)])
def test_what_can_be_read_opens_over_the_window(open_window: Callable[..., MainWindow], deed: str, kind: type) -> None:
    window = open_window()
    window.bindings[deed].trigger()
    dialog = QApplication.activeModalWidget()
    assert isinstance(dialog, kind)
    assert dialog.parent() is window
    dialog.close()
