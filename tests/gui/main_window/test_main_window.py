"""The window's own work: binding actions, the status bar, layout, dropping files, recovery, closing."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMessageBox
from pytestqt.qtbot import QtBot

from tests.gui.faults import full_disk
from tests.gui.strokes import dab
from usassist.core.domain import Box, Frame, FrameRef, Reader, ScanRegion
from usassist.core.errors import ModelError
from usassist.core.geometry.cv import cv2
from usassist.core.paths import settings_file, user_home
from usassist.core.project import recovery, store
from usassist.gui import commands, theme
from usassist.gui.actions import ACTIONS
from usassist.gui.dialogs.recovery import RecoveryDialog
from usassist.gui.main_window import MainWindow
from usassist.gui.main_window.status import MessagesDialog, _spacing_at
from usassist.gui.settings import Settings


def test_an_empty_window_offers_what_can_be_done(open_window: Callable[..., MainWindow]) -> None:
    window = open_window()
    assert set(window.bindings.actions) == {entry.id for entry in ACTIONS}
    enabled = {key for key, action in window.bindings.actions.items() if action.isEnabled()}
    assert {"open_files", "open_folder", "settings", "shortcuts", "tool_brush"} <= enabled
    assert not enabled & {"accept", "save", "next_file", "play", "undo", "redo", "delete"}
    assert window.windowTitle() == "[*]usassist"


def test_keys_do_what_the_table_says(open_window: Callable[..., MainWindow], images: Path, qtbot: QtBot) -> None:
    window = open_window(images)
    document = window.document
    qtbot.waitUntil(lambda: bool(document.proposals))
    QTest.keyClick(window.canvas, Qt.Key.Key_Backspace)
    assert document.proposals == ()
    QTest.keyClick(window.canvas, Qt.Key.Key_I)
    qtbot.waitUntil(lambda: bool(document.proposals))
    QTest.keyClick(window.canvas, Qt.Key.Key_Return)
    assert document.annotation.status == "accepted"
    QTest.keyClick(window.canvas, Qt.Key.Key_Escape)
    assert document.selected_region is None
    QTest.keyClick(window.canvas, Qt.Key.Key_G)
    assert document.annotation.flagged
    QTest.keyClick(window.canvas, Qt.Key.Key_N)
    assert document.annotation.regions == ()
    QTest.keyClick(window.canvas, Qt.Key.Key_2)
    assert document.active_label == document.labels[1]
    for key, tool in ((Qt.Key.Key_P, "polygon"), (Qt.Key.Key_V, "edit_contour"), (Qt.Key.Key_H, "pan")):
        QTest.keyClick(window.canvas, key)
        assert window.canvas.tool.id == tool
    radius = window.tools["brush"].size.radius
    QTest.keyClick(window.canvas, Qt.Key.Key_BracketRight)
    assert window.tools["brush"].size.radius > radius
    QTest.keyClick(window.canvas, Qt.Key.Key_T)
    assert window.bindings["hide_masks"].isChecked()
    QTest.keyClick(window.canvas, Qt.Key.Key_T)
    assert not window.bindings["hide_masks"].isChecked()
    with qtbot.waitSignal(document.frame_shown):
        QTest.keyClick(window.canvas, Qt.Key.Key_D)
    assert document.source_index == 1
    with qtbot.waitSignal(document.frame_shown):
        QTest.keyClick(window.canvas, Qt.Key.Key_A)
    assert document.source_index == 0


def test_an_open_tool_takes_enter_and_escape_wherever_the_focus_is(
    open_window: Callable[..., MainWindow], images: Path
) -> None:
    window = open_window(images, auto_propose=False, settings=Settings(auto_propose=False))
    window.pick_tool("polygon")
    viewport, canvas = window.canvas.viewport(), window.canvas
    for x, y in ((10, 10), (40, 10), (40, 40)):
        QTest.mouseClick(viewport, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, canvas.mapFromScene(x, y))
    assert canvas.tool.is_open
    window.bindings["deselect"].trigger()
    assert not canvas.tool.is_open
    for x, y in ((10, 10), (40, 10), (40, 40)):
        QTest.mouseClick(viewport, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, canvas.mapFromScene(x, y))
    window.bindings["accept"].trigger()
    (region,) = window.document.annotation.regions
    assert region.mask.contains(15, 35)
    assert window.document.annotation.status == "draft"


def test_the_status_bar_says_where_what_and_how_large(
    open_window: Callable[..., MainWindow], images: Path, qtbot: QtBot
) -> None:
    window = open_window(images)
    window.canvas.cursor_moved.emit(3.4, 5.6)
    pixel = int(window.document.frame.pixels[6, 3])
    assert window.status.position.text() == "x 3, y 6"
    assert window.status.value.text() == f"value {pixel}"
    assert window.status.spacing.text() == "px (spacing unknown)"
    window.canvas.cursor_moved.emit(-30.0, 5.0)
    assert window.status.position.text() == "64 × 48 px"
    window.canvas.zoom_to(2.0)
    assert window.status.zoom.text() == "200 %"
    assert "CLIP-Mona" in window.status.engine.text()


def test_the_status_bar_says_that_a_frame_is_strange(
    open_window: Callable[..., MainWindow], images: Path, engine: Any, qtbot: QtBot
) -> None:
    engine.warning = "Unlike the images this model was trained on; check everything it says."
    window = open_window(images)
    qtbot.waitUntil(window.status.notice.isVisible)
    assert window.status.notice.text == "unlike the training images"
    assert engine.warning in " ".join(window.status.notice.toolTip().split())
    engine.warning = ""
    with qtbot.waitSignal(window.document.proposals_changed):
        window.document.set_engine("clip_mona", "mine")
    assert not window.status.notice.isVisible()


def test_the_status_bar_says_that_a_text_was_never_learned(
    open_window: Callable[..., MainWindow], images: Path, engine: Any, qtbot: QtBot
) -> None:
    engine.text_warning = "The model never learned the word 'liver'."
    window = open_window(images)
    qtbot.waitUntil(window.status.notice.isVisible)
    assert window.status.notice.text == "never learned what was asked"
    assert engine.text_warning in " ".join(window.status.notice.toolTip().split())
    engine.text_warning = ""
    with qtbot.waitSignal(window.document.proposals_changed):
        window.document.request_proposals()
    qtbot.waitUntil(lambda: not window.status.notice.isVisible())


def test_messages_are_kept_with_their_details(open_window: Callable[..., MainWindow]) -> None:
    window = open_window()
    window.document.message.emit("One.", "The first, at length.")
    window.document.message.emit("Two.", "")
    assert window.status.message_label.text() == "Two."
    QTest.mouseClick(window.status.message_label, Qt.MouseButton.LeftButton)
    (dialog,) = window.findChildren(MessagesDialog)
    text = dialog.text.toPlainText()
    assert text.index("Two.") < text.index("One.") < text.index("at length")
    dialog.close()


def test_a_broken_engine_is_one_line_and_no_box(
    open_window: Callable[..., MainWindow], images: Path, engine: Any, qtbot: QtBot
) -> None:
    engine.start_error = ModelError("There are no weights.")
    window = open_window(images)
    qtbot.waitUntil(lambda: window.document.engine_state == "failed")
    assert "There are no weights." in window.status.message_label.text()
    assert "failed" in window.status.engine.text()
    assert QApplication.activeModalWidget() is None
    dab(window.document, 30, 20)
    assert window.document.annotation.regions


def test_files_can_be_dropped(open_window: Callable[..., MainWindow], images: Path, qtbot: QtBot) -> None:
    window = open_window()
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(images / "still2.png")), QUrl("https://example.org/x.png")])
    drop = QDropEvent(
        QPointF(9, 9), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    with qtbot.waitSignal(window.document.frame_shown):
        window.dropEvent(drop)
    assert [source.relative for source in window.document.sources] == ["still2.png"]
    assert window.windowTitle() == "still2.png[*] · images of mine · usassist"


def test_a_crash_is_answered_with_a_choice(open_window: Callable[..., MainWindow], images: Path, qtbot: QtBot) -> None:
    first = open_window(images, auto_propose=False, settings=Settings(auto_propose=False))
    dab(first.document, 30, 20)
    painted = first.document.annotation
    first.document.lane_save.drain()
    first.document._session.release()
    again = open_window(images)
    (dialog,) = again.findChildren(RecoveryDialog)
    assert "still1.png, frame 1" in dialog.list.item(0).text()
    QTest.mouseClick(dialog.restore_button, Qt.MouseButton.LeftButton)
    assert again.document.annotation == painted
    again.document.lane_save.drain()
    assert recovery.drafts(again.document.project, "ann") == []
    assert store.load_annotation(again.document.project, reader_id="ann", frame_key=painted.frame_key) == painted


def test_a_draft_kept_for_later_is_asked_about_before_its_frame_is_edited(
    open_window: Callable[..., MainWindow], images: Path, qtbot: QtBot
) -> None:
    first = open_window(images, auto_propose=False, settings=Settings(auto_propose=False))
    dab(first.document, 30, 20)
    painted = first.document.annotation
    first.document.lane_save.drain()
    first.document._session.release()
    again = open_window(images, auto_propose=False, settings=Settings(auto_propose=False))
    again.findChild(RecoveryDialog).reject()
    dab(again.document, 50, 40)
    assert again.document.annotation.regions == ()
    QApplication.activeModalWidget().reject()
    with qtbot.waitSignal(again.document.frame_shown):
        again.document.show(1)
    assert not QApplication.activeModalWidget()
    with qtbot.waitSignal(again.document.frame_shown):
        again.document.show(0)
    dialog = QApplication.activeModalWidget()
    assert isinstance(dialog, RecoveryDialog)
    QTest.mouseClick(dialog.restore_button, Qt.MouseButton.LeftButton)
    assert again.document.annotation == painted


def test_settings_count_at_once_and_are_kept(open_window: Callable[..., MainWindow]) -> None:
    window = open_window()
    window.preferences.edit()
    dialog = QApplication.activeModalWidget()
    dialog._writers["theme"]("light")
    dialog._writers["engine"]("classical")
    dialog._writers["opacity"](60)
    dialog.accept()
    assert theme.tokens().name == "light"
    assert window.document.engine_name == "classical"
    assert window.view.opacity.value() == 60
    assert 'theme = "light"' in settings_file().read_text("utf-8")


def test_the_layout_is_kept(open_window: Callable[..., MainWindow]) -> None:
    window = open_window()
    window.history.close()
    window.close()
    again = open_window()
    assert not again.history.isVisible()
    assert again.files.isVisible()
    assert (user_home() / "window.ini").is_file()


def test_closing_saves(open_window: Callable[..., MainWindow], images: Path) -> None:
    window = open_window(images, auto_propose=False, settings=Settings(auto_propose=False))
    dab(window.document, 30, 20)
    assert window.isWindowModified()
    annotation, project = window.document.annotation, window.document.project
    window.close()
    assert store.load_annotation(project, reader_id="ann", frame_key=annotation.frame_key) == annotation


def test_a_full_disk_keeps_the_window_open(
    open_window: Callable[..., MainWindow], images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = open_window(images, auto_propose=False, settings=Settings(auto_propose=False))
    dab(window.document, 30, 20)

    with monkeypatch.context() as patch:
        patch.setattr(store, "save_annotation", full_disk)
        patch.setattr(QMessageBox, "warning", lambda *_args: QMessageBox.StandardButton.Cancel)
        assert not window.close()
        assert window.isVisible()
        assert "The disk is full." in window.status.message_label.text()
    assert window.close()


def test_what_a_tool_has_begun_is_asked_about_where_the_disk_is_full(
    open_window: Callable[..., MainWindow], images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = open_window(images, auto_propose=False, settings=Settings(auto_propose=False))
    document, asked = window.document, list[str]()
    document.frame_leaving.connect(lambda: None if document.is_dirty else dab(document, 30, 20))

    def cancel(*args: object) -> QMessageBox.StandardButton:
        asked.append(str(args[1]))
        return QMessageBox.StandardButton.Cancel

    with monkeypatch.context() as patch:
        patch.setattr(store, "save_annotation", full_disk)
        patch.setattr(QMessageBox, "warning", cancel)
        assert not window.close()
    assert asked == ["Not everything is saved"]
    assert window.close()


def test_the_frames_state_is_said(open_window: Callable[..., MainWindow], images: Path, qtbot: QtBot) -> None:
    window = open_window(images, auto_propose=False, settings=Settings(auto_propose=False))
    document, state = window.document, window.status.state
    assert state.text() == "to do"
    commands.label.nothing_to_segment(document)
    assert state.text() == "nothing to segment"
    commands.label.toggle_flag(document)
    assert state.text() == "nothing to segment, flagged"
    document.undo_stack.undo()
    document.undo_stack.undo()
    assert state.text() == "to do"


def test_the_next_file_to_do_leaves_out_what_is_done(
    open_window: Callable[..., MainWindow], images: Path, qtbot: QtBot
) -> None:
    window = open_window(images, auto_propose=False, settings=Settings(auto_propose=False))
    document = window.document
    with qtbot.waitSignal(document.frame_shown):
        document.show(1)
    commands.label.nothing_to_segment(document)
    with qtbot.waitSignal(document.frame_shown):
        document.show(0)
    with qtbot.waitSignal(document.frame_shown):
        window.bindings["next_open"].trigger()
    assert document.source_index == 2
    with qtbot.waitSignal(document.frame_shown):
        window.bindings["previous_open"].trigger()
    assert document.source_index == 0
    window.bindings["previous_open"].trigger()
    assert "annotated" in window.status.message_label.text()


def test_keys_steer_the_picture_from_the_start(open_window: Callable[..., MainWindow], images: Path) -> None:
    window = open_window(images, auto_propose=False, settings=Settings(auto_propose=False))
    assert window.focusWidget() is window.canvas


def test_an_engine_picked_with_the_mouse_leaves_the_keys_to_the_picture_and_the_model_chosen(
    open_window: Callable[..., MainWindow],
) -> None:
    window = open_window(auto_propose=False, settings=Settings(auto_propose=False, model="mine"))
    question = window.proposals.question
    question.fill()
    question.prompt_field.setFocus()
    box = question.engine_box
    QTest.mouseClick(box, Qt.MouseButton.LeftButton)
    box.view().setCurrentIndex(box.model().index(box.findData("classical"), 0))
    QTest.keyClick(box.view(), Qt.Key.Key_Return)
    assert window.document.engine_name == "classical"
    assert window.focusWidget() is window.canvas
    assert (window.preferences.current().engine, window.preferences.current().model) == ("classical", "mine")


def test_another_reader_counts_from_the_next_opening(
    open_window: Callable[..., MainWindow], images: Path, qtbot: QtBot
) -> None:
    window = open_window(images, auto_propose=False, settings=Settings(auto_propose=False))
    window.preferences.edit()
    dialog = QApplication.activeModalWidget()
    dialog._writers["reader"]("Bob Builder")
    dialog.accept()
    assert window.document.reader.id == "ann"
    with qtbot.waitSignals([window.document.opened, window.document.frame_shown]):
        window.open_paths([images])
    assert window.document.reader == Reader("bob-builder", "Bob Builder")


def test_saving_on_request_says_so(open_window: Callable[..., MainWindow], images: Path, qtbot: QtBot) -> None:
    window = open_window(images, auto_propose=False, settings=Settings(auto_propose=False))
    window.bindings["save"].trigger()
    assert window.status.message_label.text() == "Everything is saved."
    dab(window.document, 30, 20)
    with qtbot.waitSignal(window.document.annotation_saved):
        window.bindings["save"].trigger()
    assert window.status.message_label.text() == "Saved."


def test_saved_is_not_said_any_longer_than_it_is_true(
    open_window: Callable[..., MainWindow], images: Path, qtbot: QtBot
) -> None:
    window = open_window(images)
    dab(window.document, 40, 40)
    QTest.keyClick(window.canvas, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: window.status.message_label.text() == "Saved.")
    dab(window.document, 30, 30)
    assert window.status.message_label.text() == ""


def test_a_message_about_one_frame_does_not_stay_for_the_next(
    open_window: Callable[..., MainWindow], images: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = open_window(images, auto_propose=False, settings=Settings(auto_propose=False))
    monkeypatch.setattr("usassist.gui.main_window.status.READING_S", math.inf)
    window.status.say("There was no time to read this.")
    with qtbot.waitSignal(window.document.frame_shown):
        window.document.step_file(1)
    assert window.status.message_label.text() == "There was no time to read this."
    monkeypatch.setattr("usassist.gui.main_window.status.READING_S", -1.0)
    with qtbot.waitSignal(window.document.frame_shown):
        window.document.step_file(1)
    assert window.status.message_label.text() == ""


def test_the_buttons_of_every_panel_stay_in_a_small_window(
    open_window: Callable[..., MainWindow], images: Path, qtbot: QtBot
) -> None:
    window = open_window(images)
    window.resize(900, 300)
    QApplication.processEvents()
    for dock in (window.labels, window.proposals, window.files):
        assert dock.height() >= dock.minimumSizeHint().height()


def test_six_files_are_seen_on_a_usual_laptop(
    open_window: Callable[..., MainWindow], tmp_path: Path, qtbot: QtBot
) -> None:
    folder = tmp_path / "twelve"
    folder.mkdir()
    for number in range(12):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((48, 64), 120, dtype=np.uint8))
    window = open_window(folder)
    window.resize(1366, 768)
    QApplication.processEvents()
    view = window.files.view
    assert view.viewport().height() >= 6 * view.sizeHintForRow(0)
    for dock in (window.labels, window.proposals, window.files):
        assert dock.height() >= dock.minimumSizeHint().height()


def test_the_status_bar_says_what_the_engine_runs_on(
    open_window: Callable[..., MainWindow], images: Path, engine: Any, qtbot: QtBot
) -> None:
    engine.device = "cuda:0"
    window = open_window()
    assert window.status.device.text() == "auto"
    assert "known once the engine is loaded" in window.status.device.toolTip()
    window.open_paths([images])
    qtbot.waitUntil(lambda: window.status.device.text() == "cuda:0")
    assert "asked for: auto" in window.status.device.toolTip()
    window.document.auto_propose = False
    window.document.set_engine("classical", device="cpu")
    assert window.status.device.text() == "cpu"


def test_nothing_found_is_said_with_the_words_and_goes_with_them(
    open_window: Callable[..., MainWindow], images: Path, engine: Any, qtbot: QtBot
) -> None:
    window = open_window(images)
    qtbot.waitUntil(lambda: bool(window.document.proposals))
    engine.finds_nothing = True
    window.proposals.prompt_field.setText("fetal head")
    window.proposals.ask_again()
    qtbot.waitUntil(lambda: "Nothing found for 'fetal head'" in window.status.message_label.text())
    engine.finds_nothing = False
    window.proposals.ask_again()
    qtbot.waitUntil(lambda: bool(window.document.proposals))
    assert "Nothing found" not in window.status.message_label.text()


def test_on_a_low_screen_files_and_proposals_share_their_place(
    open_window: Callable[..., MainWindow], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("usassist.gui.main_window.window.LOW_SCREEN", 100_000)
    window = open_window()
    QApplication.processEvents()
    assert window.tabifiedDockWidgets(window.proposals) == [window.files]
    assert window.minimumSizeHint().height() < 560


@pytest.mark.parametrize("height", [560, 900])
def test_every_icon_of_the_tool_bar_is_there_in_a_low_window(
    open_window: Callable[..., MainWindow], monkeypatch: pytest.MonkeyPatch, height: int
) -> None:
    monkeypatch.setattr("usassist.gui.main_window.window.LOW_SCREEN", 100_000)
    window = open_window()
    bar = window.bindings.tool_bar
    for now in (1000, height, 1000, height):
        window.resize(1024, now)
        QApplication.processEvents()
    assert window.height() == height
    buttons = [bar.widgetForAction(action) for action in bar.actions() if not action.isSeparator()]
    assert all(button.isVisible() and bar.rect().contains(button.geometry()) for button in buttons)
    assert min(button.height() for button in buttons) >= 24


def test_nothing_can_be_done_to_a_file_that_cannot_be_read(
    open_window: Callable[..., MainWindow], images: Path, qtbot: QtBot
) -> None:
    (images / "still2.png").write_bytes(b"not a picture")
    window = open_window(images)
    of_the_frame = ("accept", "reject", "nothing", "unusable", "flag", "propose", "tool_brush", "fit", "larger")
    assert all(window.bindings[action].isEnabled() for action in of_the_frame)
    with qtbot.waitSignal(window.document.frame_failed):
        window.document.step_file(1)
    assert not any(window.bindings[action].isEnabled() for action in of_the_frame)
    assert window.bindings["next_file"].isEnabled()
    with qtbot.waitSignal(window.document.frame_shown):
        window.document.step_file(1)
    assert all(window.bindings[action].isEnabled() for action in of_the_frame)
    assert window.bindings["tool_brush"].isChecked()


def test_the_spacing_that_all_regions_share_is_said_outside_of_them_too() -> None:
    left = ScanRegion(Box(0, 0, 10, 10), "b_mode", (0.25, 0.25))
    right, chart = replace(left, box=Box(0, 10, 10, 20)), ScanRegion(Box(12, 0, 14, 20), "other")
    frame = Frame(FrameRef("k_00000", 0), np.zeros((20, 20), dtype=np.uint8), regions=(left, right, chart))
    assert _spacing_at(frame, -1, -1) == "0.25 mm/px"
    assert _spacing_at(frame, 13, 3) == "px (spacing unknown)"
    other = replace(right, spacing_mm=(0.5, 0.5))
    assert _spacing_at(replace(frame, regions=(left, other)), -1, -1) == "px (spacing unknown)"


def test_accepting_shows_the_masks_that_were_hidden(
    open_window: Callable[..., MainWindow], images: Path, qtbot: QtBot
) -> None:
    window = open_window(images)
    qtbot.waitUntil(lambda: bool(window.document.proposals))
    QTest.keyClick(window.canvas, Qt.Key.Key_T)
    assert window.bindings["hide_masks"].isChecked()
    QTest.keyClick(window.canvas, Qt.Key.Key_Return)
    assert window.document.annotation.regions
    assert not window.bindings["hide_masks"].isChecked()


def test_nothing_found_is_said_of_the_frame_it_is_true_of(
    open_window: Callable[..., MainWindow], images: Path, engine: Any, qtbot: QtBot
) -> None:
    window = open_window(images)
    qtbot.waitUntil(lambda: bool(window.document.proposals))
    engine.propose = lambda _frame, _prompt: ()
    QTest.keyClick(window.canvas, Qt.Key.Key_I)
    qtbot.waitUntil(lambda: "found nothing" in window.status.message_label.text())
    del engine.propose
    with qtbot.waitSignal(window.document.frame_shown):
        window.document.step_file(1)
    assert "found nothing" not in window.status.message_label.text()
