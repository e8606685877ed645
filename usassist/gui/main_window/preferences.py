"""The window's preferences: shown in its parts, changed in a dialog, written to the settings file."""

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from usassist.core.errors import UsassistError
from usassist.gui import settings as settings_store
from usassist.gui import theme
from usassist.gui.document.opening import reader_of
from usassist.gui.settings import Settings
from usassist.gui.tools.brush import BrushTool

if TYPE_CHECKING:
    from usassist.gui.main_window.window import MainWindow


class WindowPreferences:
    """Between `window.settings`, as it was read, and what the person has turned since then."""

    def __init__(self, window: "MainWindow") -> None:
        self._window = window

    def edit(self) -> None:
        """Let the person change the preferences; they count from the next moment on."""
        from usassist.gui.dialogs.settings import SettingsDialog

        window = self._window
        dialog = SettingsDialog(self.current(), parent=window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)

        def accepted() -> None:
            before, window.settings = window.settings, dialog.settings()
            if before.reader != window.settings.reader:
                window.document.set_reader(reader_of(window.settings.reader_name))
            self.apply()
            self.write()

        dialog.accepted.connect(accepted)
        dialog.open()

    def current(self) -> Settings:
        """Return the preferences with what was turned in the window itself: engine, opacity, brush, classes."""
        window = self._window
        brush = window.tools["brush"]
        return replace(
            window.settings,
            engine=window.document.engine_name,
            model=window.document.model_name,
            opacity=window.view.opacity.value(),
            question=window.classes.questions.name,
            wordings=window.classes.questions.wordings,
            brush_radius=brush.size.radius if isinstance(brush, BrushTool) else window.settings.brush_radius,
        )

    def apply(self) -> None:
        """Bring every part of the window to `window.settings`."""
        window, wanted = self._window, self._window.settings
        app = QApplication.instance()
        if isinstance(app, QApplication) and (theme.tokens().name != wanted.theme or not app.styleSheet()):
            theme.apply(app, wanted.theme)
        window.view.opacity.setValue(wanted.opacity)
        window.canvas.set_opacity(wanted.opacity / 100)
        brush = window.tools["brush"]
        if isinstance(brush, BrushTool):
            brush.size.radius = wanted.brush_radius
        document = window.document
        document.auto_propose = wanted.auto_propose
        document.set_engine(wanted.engine, wanted.model or None, device=wanted.device, precision=wanted.precision)

    def write(self) -> None:
        """Write the preferences; where that fails the status bar says so."""
        try:
            settings_store.save(self.current())
        except UsassistError as error:
            self._failed(error)

    def write_soon(self) -> None:
        """Write the preferences without waiting for the disk: prompts are work that a crash should not take."""
        wanted = self.current()
        self._window.document.lane_save.submit(lambda: settings_store.save(wanted), failed=self._failed, key="settings")

    def _failed(self, error: Exception) -> None:
        self._window.status.say("The settings could not be written.", str(error))
