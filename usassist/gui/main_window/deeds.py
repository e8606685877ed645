"""What each action of the table does."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QDialog

from usassist.core.paths import user_home
from usassist.gui.actions import ACTIONS
from usassist.gui.canvas.view import STEP
from usassist.gui.commands import label as frame_commands
from usassist.gui.commands import proposal as proposal_commands
from usassist.gui.commands import region as region_commands
from usassist.gui.dialogs import open_study
from usassist.gui.main_window.status import SAVED
from usassist.gui.tools.brush import BrushTool

if TYPE_CHECKING:
    from usassist.gui.main_window.window import MainWindow

Deed = Callable[[], object]


class Deeds:
    """The actions' answers for one window; `by_id` has one for every action but undo and redo, which Qt makes."""

    def __init__(self, window: "MainWindow") -> None:
        self._window = window
        self._document = window.document
        self._told_to_save = False
        window.document.dirty_changed.connect(self._on_dirty_changed)

    def by_id(self) -> dict[str, Deed]:
        """Return action id -> what it does."""
        return self._for_files() | self._for_frames() | self._for_the_view() | self._for_tools()

    def _for_files(self) -> dict[str, Deed]:
        document = self._document
        return {
            "open_files": self._open_files,
            "open_folder": self._open_folder,
            "open_project": self._open_project,
            "save": self._save,
            "previous_file": lambda: document.step_file(-1),
            "next_file": lambda: document.step_file(1),
            "previous_open": lambda: self._step_to_do(-1),
            "next_open": lambda: self._step_to_do(1),
            "train": self._window.training.show,
            "settings": self._window.preferences.edit,
            "quit": self._window.close,
            "shortcuts": self._show_shortcuts,
            "about": self._show_about,
        }

    def _for_frames(self) -> dict[str, Deed]:
        document = self._document
        return {
            "delete": lambda: region_commands.delete_selected(document),
            "deselect": self._deselect,
            "accept": self._accept,
            "accept_all": self._accept_all,
            "reject": self._reject,
            "propose": self._window.proposals.ask_again,
            "nothing": lambda: frame_commands.nothing_to_segment(document),
            "unusable": lambda: frame_commands.unusable(document),
            "flag": lambda: frame_commands.toggle_flag(document),
        }

    def _for_the_view(self) -> dict[str, Deed]:
        canvas, cine = self._window.canvas, self._window.cine
        return {
            "fit": canvas.fit,
            "zoom_in": lambda: canvas.zoom_by(STEP),
            "zoom_out": lambda: canvas.zoom_by(1 / STEP),
            "actual_size": canvas.actual_size,
            "hide_masks": lambda: canvas.set_masks_visible(not self._window.bindings["hide_masks"].isChecked()),
            "play": cine.toggle_play,
            "previous_frame": lambda: self._step_frame(-1),
            "next_frame": lambda: self._step_frame(1),
            "first_frame": lambda: self._seek(0),
            "last_frame": lambda: self._seek(-1),
        }

    def _for_tools(self) -> dict[str, Deed]:
        picks: dict[str, Deed] = {
            entry.id: lambda tool=entry.tool: self._window.pick_tool(tool)  # type: ignore[misc]
            for entry in ACTIONS
            if entry.tool
        }
        return picks | {"smaller": lambda: self._resize_brush(-1), "larger": lambda: self._resize_brush(1)}

    # Files

    def _open_files(self) -> None:
        self._window.open_paths(open_study.pick_files(self._window, folder=self._folder()))

    def _open_folder(self) -> None:
        folder = open_study.pick_folder(self._window, folder=self._folder())
        self._window.open_paths([folder] if folder is not None else [])

    def _open_project(self) -> None:
        project = open_study.pick_project(self._window, folder=user_home() / "projects")
        self._window.open_paths([project] if project is not None else [])

    def _folder(self) -> Path | None:
        last = self._window.settings.last_folder
        return Path(last) if last else None

    def _save(self) -> None:
        if self._document.is_dirty:
            self._told_to_save = True
            self._document.save()
        else:
            self._window.status.hint("Everything is saved.")

    def _on_dirty_changed(self, dirty: bool) -> None:
        if self._told_to_save and not dirty:
            self._told_to_save = False
            self._window.status.hint(SAVED)

    def _step_to_do(self, step: int) -> None:
        if not self._document.step_to_do(step):
            self._window.status.hint("Every file that way is annotated.")

    # Frames

    def _accept(self) -> None:
        if self._tool_takes(Qt.Key.Key_Return):
            return
        # What a person accepts has to be seen.
        self._window.canvas.set_masks_visible(True)
        if not proposal_commands.accept(self._document, max(0, self._window.proposals.chosen())):
            frame_commands.accept_frame(self._document)

    def _accept_all(self) -> None:
        if self._tool_takes(Qt.Key.Key_Return):
            return
        self._window.canvas.set_masks_visible(True)
        if not proposal_commands.accept_all(self._document):
            self._window.status.hint("There is no proposal to accept; press I to ask for one.")

    def _reject(self) -> None:
        if self._tool_takes(Qt.Key.Key_Backspace):
            return
        if not proposal_commands.reject(self._document, max(0, self._window.proposals.chosen())):
            self._window.status.hint("There is no proposal to reject; press I to ask for one.")

    def _deselect(self) -> None:
        if not self._tool_takes(Qt.Key.Key_Escape):
            self._document.select_region(None)

    def _tool_takes(self, key: Qt.Key) -> bool:
        """Let an open tool have its key although the focus is not on the canvas."""
        tool = self._window.canvas.tool
        if tool is None or not tool.is_open:
            return False
        return tool.key(QKeyEvent(QKeyEvent.Type.KeyPress, key, Qt.KeyboardModifier.NoModifier))

    # The view and the tools

    def _step_frame(self, step: int) -> None:
        self._window.cine.pause()
        self._document.step_frame(step)

    def _seek(self, index: int) -> None:
        study = self._document.study
        if study is not None:
            self._window.cine.pause()
            self._document.seek(index if index >= 0 else len(study.frames) + index)

    def _resize_brush(self, steps: int) -> None:
        brush = self._window.tools["brush"]
        if isinstance(brush, BrushTool):
            brush.size.step(steps)
            self._window.status.hint(f"Brush radius {brush.size.radius:g} px")
            self._window.canvas.refresh()

    def _show_shortcuts(self) -> None:
        from usassist.gui.dialogs.shortcuts import ShortcutsDialog

        self._open(ShortcutsDialog(self._window))

    def _show_about(self) -> None:
        from usassist.gui.dialogs.about import AboutDialog

        self._open(AboutDialog(self._window))

    @staticmethod
    def _open(dialog: QDialog) -> None:
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()
