from collections import Counter

import pytest
from PySide6.QtGui import QKeySequence
from pytestqt.qtbot import QtBot

from usassist.gui import theme
from usassist.gui.actions import ACTIONS, LABEL_KEYS, MENUS, action
from usassist.gui.tools import all_tools

CONTRACT = {
    "A": "previous_file",
    "D": "next_file",
    "Left": "previous_frame",
    "Right": "next_frame",
    "Space": "play",
    "Return": "accept",
    "Shift+Return": "accept_all",
    "Backspace": "reject",
    "Esc": "deselect",
    "Ctrl+S": "save",
    "Ctrl+Z": "undo",
    "Ctrl+Shift+Z": "redo",
    "Ctrl+Y": "redo",
    "Ctrl+F": "fit",
    "Ctrl++": "zoom_in",
    "Ctrl+-": "zoom_out",
    "Ctrl+0": "actual_size",
    "Ctrl+O": "open_files",
    "Ctrl+U": "open_folder",
    "B": "tool_brush",
    "E": "tool_eraser",
    "P": "tool_polygon",
    "Q": "tool_click",
    "V": "tool_edit",
    "H": "tool_pan",
    "[": "smaller",
    "]": "larger",
    "N": "nothing",
    "U": "unusable",
    "Del": "delete",
    "T": "hide_masks",
    "Ctrl+,": "settings",
    "F1": "shortcuts",
    "G": "flag",
    "I": "propose",
}


def test_no_key_means_two_things() -> None:
    keys = Counter(QKeySequence(key).toString() for entry in ACTIONS for key in (*entry.keys,))
    keys.update(LABEL_KEYS)
    assert [key for key, count in keys.items() if count > 1] == []
    assert "" not in keys


@pytest.mark.parametrize(("key", "action_id"), CONTRACT.items())
def test_the_promised_keys(key: str, action_id: str) -> None:
    assert key in action(action_id).keys


def test_every_action_has_words_a_menu_and_an_icon(qtbot: QtBot) -> None:
    for entry in ACTIONS:
        assert entry.text
        assert entry.tip
        assert entry.menu in MENUS
        assert not theme.icon(entry.icon).isNull()


def test_every_tool_has_an_action_and_the_other_way_round() -> None:
    assert {entry.tool for entry in ACTIONS if entry.tool} == {tool.id for tool in all_tools()}


def test_the_smart_click_tells_of_the_right_button() -> None:
    assert "right-click" in action("tool_click").tip
