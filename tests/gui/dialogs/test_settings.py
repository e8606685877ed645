"""The settings dialog shows every field of the settings and gives back exactly what it shows."""

from dataclasses import fields, replace

import pytest

from usassist.gui.dialogs.settings import _HIDDEN, SettingsDialog
from usassist.gui.settings import Settings

CHANGED = Settings(
    theme="light",
    reader="Ann",
    engine="classical",
    model="mine",
    device="cpu",
    auto_propose=False,
    opacity=70,
    brush_radius=3.5,
    last_folder="/somewhere",
)


@pytest.mark.parametrize("settings", [Settings(), CHANGED])
def test_what_goes_in_comes_out(qtbot, settings: Settings) -> None:
    dialog = SettingsDialog(settings, models=[("mine", "Mine")])
    qtbot.addWidget(dialog)
    assert dialog.settings() == settings
    assert set(dialog._readers) == {field.name for field in fields(Settings)} - _HIDDEN


def test_defaults_spare_what_is_not_shown(qtbot) -> None:
    dialog = SettingsDialog(CHANGED, models=[("mine", "Mine")])
    qtbot.addWidget(dialog)
    dialog.restore_defaults()
    assert dialog.settings() == replace(Settings(), last_folder="/somewhere")


def test_a_model_that_is_gone_stays_chosen(qtbot) -> None:
    dialog = SettingsDialog(replace(Settings(), model="lost"), models=[])
    qtbot.addWidget(dialog)
    assert dialog.settings().model == "lost"


def test_it_fits_a_small_screen(qtbot) -> None:
    dialog = SettingsDialog(Settings())
    qtbot.addWidget(dialog)
    assert dialog.sizeHint().height() < 700
    for child in (dialog,):
        assert child.accessibleName() == "Settings"
