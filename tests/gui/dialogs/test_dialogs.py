"""About, shortcuts, recovery and the pickers."""

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog

from usassist.core.domain import Annotation, Mask, Region
from usassist.gui import actions
from usassist.gui.dialogs import open_study
from usassist.gui.dialogs.about import AboutDialog, installed
from usassist.gui.dialogs.recovery import RecoveryDialog
from usassist.gui.dialogs.shortcuts import ShortcutsDialog

MASK = Mask.from_array(np.ones((4, 4), dtype=np.bool_))
DRAFTS = (
    Annotation("a_00000", "ann", (4, 4), regions=(Region("r1", "lesion", MASK),), status="draft"),
    Annotation("b_00000", "ann", (4, 4), status="accepted"),
)


def test_about_says_what_it_is_not_for(qtbot) -> None:
    dialog = AboutDialog()
    qtbot.addWidget(dialog)
    assert "Not a medical device" in dialog.warning.text()
    dialog.copy_versions()
    lines = QGuiApplication.clipboard().text().splitlines()
    assert lines[0].startswith("usassist ")
    assert f"PySide6-Essentials {installed('PySide6-Essentials')}" in lines
    dialog.grab()


def test_a_part_that_is_missing_is_no_error() -> None:
    assert installed("no-such-package-of-ours") == "not installed"


def test_every_key_is_listed(qtbot) -> None:
    dialog = ShortcutsDialog()
    qtbot.addWidget(dialog)
    listed = {name for _menu, name, _keys in dialog.entries}
    assert {entry.text.removesuffix("…") for entry in actions.ACTIONS if entry.keys} <= listed
    assert "Draw with label 1 to 9" in listed


@pytest.mark.parametrize(
    ("text", "name"), [("ctrl+z", "Undo"), ("nothing seg", "Nothing to segment"), ("BRUSH", "Brush")]
)
def test_keys_are_found_by_name_and_by_key(qtbot, text: str, name: str) -> None:
    dialog = ShortcutsDialog()
    qtbot.addWidget(dialog)
    dialog.search_field.setText(text)
    assert name in {entry for _menu, entry, _keys in dialog.entries}
    assert len(dialog.entries) < len(actions.ACTIONS)
    dialog.search_field.setText("there is no such key")
    assert dialog.entries == []
    dialog.grab()


@pytest.fixture
def recovery(qtbot) -> RecoveryDialog:
    dialog = RecoveryDialog(DRAFTS, name_of=lambda key: f"file {key[0]}")
    qtbot.addWidget(dialog)
    return dialog


def test_recovery_lists_frames_and_restores_all(recovery: RecoveryDialog) -> None:
    assert "2 frames" in recovery.accessibleDescription()
    assert "file a" in recovery.list.item(0).text()
    assert "1 region" in recovery.list.item(0).text()
    assert "nothing to segment" in recovery.list.item(1).text()
    recovery.restore_button.click()
    assert (recovery.answer, recovery.chosen()) == ("restore", DRAFTS)


def test_recovery_takes_only_what_is_checked(recovery: RecoveryDialog) -> None:
    recovery.list.item(0).setCheckState(Qt.CheckState.Unchecked)
    assert recovery.discard_button.text() == "Discard 1 of 2"
    recovery.discard_button.click()
    assert (recovery.answer, recovery.chosen()) == ("discard", DRAFTS[1:])


def test_recovery_loses_nothing_by_itself(recovery: RecoveryDialog) -> None:
    recovery.reject()
    assert recovery.answer == "later"
    for row in range(2):
        recovery.list.item(row).setCheckState(Qt.CheckState.Unchecked)
    assert not recovery.restore_button.isEnabled()
    assert not recovery.discard_button.isEnabled()


def test_filters_know_every_suffix() -> None:
    filters = open_study.file_filters()
    for suffix in (".png", ".dcm", ".nii.gz", ".TIF"):
        assert f"*{suffix}" in filters
    assert filters.endswith("All files (*)")


def test_pickers_answer_with_paths(monkeypatch, tmp_path: Path) -> None:
    asked = []
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *args: (asked.append(args[2]), (["/a/b.png"], ""))[1])
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: "/a")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: ("/a/p/project.json", ""))
    assert open_study.pick_files(None, folder=tmp_path) == (Path("/a/b.png"),)
    assert asked == [str(tmp_path)]
    assert open_study.pick_folder(None, folder=tmp_path / "gone") == Path("/a")
    assert open_study.pick_project(None) == Path("/a/p")


def test_pickers_answer_nothing_when_cancelled(monkeypatch) -> None:
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([], ""))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: "")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: ("", ""))
    assert open_study.pick_files(None) == ()
    assert open_study.pick_folder(None) is None
    assert open_study.pick_project(None) is None
