"""The window's preferences: what was turned in the window is kept, and a disk that refuses is no crash."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.gui.faults import full_disk
from usassist.core.paths import settings_file
from usassist.gui import settings as settings_store
from usassist.gui import theme
from usassist.gui.main_window import MainWindow
from usassist.gui.settings import Settings

OWN = Settings(
    theme="light",
    reader="Ann",
    engine="classical",
    device="cpu",
    precision="int8",
    auto_propose=False,
    opacity=61,
    brush_radius=7.5,
)


def test_a_window_that_changes_nothing_writes_what_it_was_given(open_window: Callable[..., MainWindow]) -> None:
    window = open_window(settings=OWN, auto_propose=False)
    assert window.preferences.current() == OWN
    assert theme.tokens().name == "light"
    assert (window.document.engine_name, window.document.device) == ("classical", "cpu")
    assert window.document.precision == "int8"
    assert not window.document.auto_propose
    assert window.view.opacity.value() == 61
    window.close()
    assert settings_store.load() == OWN


def test_what_is_turned_in_the_window_is_kept(open_window: Callable[..., MainWindow], images: Path) -> None:
    window = open_window(settings=OWN, auto_propose=False)
    window.view.opacity.setValue(20)
    window.bindings["larger"].trigger()
    window.document.set_engine("clip_mona", "mine")
    window.open_paths([images])
    size = window.tools["brush"].size.radius
    assert size > OWN.brush_radius
    window.close()
    kept = replace(OWN, opacity=20, brush_radius=size, engine="clip_mona", model="mine", last_folder=str(images))
    assert settings_store.load() == kept


@pytest.mark.parametrize("soon", [False, True])
def test_a_disk_that_refuses_is_said_and_the_window_goes_on(
    open_window: Callable[..., MainWindow], monkeypatch: pytest.MonkeyPatch, soon: bool
) -> None:
    window = open_window(settings=OWN, auto_propose=False)

    with monkeypatch.context() as patch:
        patch.setattr(settings_store, "save", full_disk)
        if soon:
            window.preferences.write_soon()
            window.document.lane_save.drain()
        else:
            window.preferences.write()
    assert window.status.message_label.text() == "The settings could not be written."
    assert not settings_file().exists()
    window.preferences.write()
    assert settings_store.load() == OWN


def test_what_is_written_soon_is_what_was_true_then(open_window: Callable[..., MainWindow]) -> None:
    window = open_window(settings=OWN, auto_propose=False)
    window.preferences.write_soon()
    window.view.opacity.setValue(5)
    window.document.lane_save.drain()
    assert settings_store.load() == OWN
