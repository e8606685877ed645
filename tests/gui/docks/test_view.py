"""The view panel passes on what its sliders say and goes back to the defaults."""

import pytest
from PySide6.QtCore import QPoint, Qt

from usassist.gui.docks.view import DEFAULT_OPACITY, ViewDock


@pytest.fixture
def dock(qtbot) -> ViewDock:
    dock = ViewDock()
    qtbot.addWidget(dock)
    return dock


def test_sliders_speak(dock: ViewDock, qtbot) -> None:
    with qtbot.waitSignal(dock.brightness_contrast_changed) as heard:
        dock.brightness.setValue(-40)
    assert heard.args == [-40, 0]
    with qtbot.waitSignal(dock.brightness_contrast_changed) as heard:
        dock.contrast.setValue(25)
    assert heard.args == [-40, 25]
    with qtbot.waitSignal(dock.opacity_changed) as heard:
        dock.opacity.setValue(80)
    assert heard.args == [0.8]


def test_a_double_click_resets_one_slider(dock: ViewDock, qtbot) -> None:
    dock.brightness.setValue(60)
    dock.contrast.setValue(60)
    qtbot.mouseDClick(dock.brightness, Qt.MouseButton.LeftButton, pos=QPoint(3, 3))
    assert (dock.brightness.value(), dock.contrast.value()) == (0, 60)


def test_reset_puts_everything_back(dock: ViewDock) -> None:
    assert not dock.reset_button.isEnabled()
    dock.brightness.setValue(60)
    dock.opacity.setValue(3)
    assert dock.reset_button.isEnabled()
    dock.reset_button.click()
    assert (dock.brightness.value(), dock.opacity.value()) == (0, DEFAULT_OPACITY)
    assert not dock.reset_button.isEnabled()


def test_it_begins_with_the_preferred_opacity(qtbot) -> None:
    dock = ViewDock(opacity=0.6)
    qtbot.addWidget(dock)
    assert dock.opacity.value() == 60
    dock.resize(260, 200)
    dock.brightness.setValue(-100)
    dock.contrast.setValue(100)
    dock.grab()
