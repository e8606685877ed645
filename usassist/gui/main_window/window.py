"""The main window: tools on the left, the canvas in the middle, panels on the right, the status below."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QByteArray, QSettings, Qt
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import QMainWindow, QMessageBox, QTabWidget, QVBoxLayout, QWidget

from usassist.core.domain import Annotation
from usassist.core.paths import user_home
from usassist.gui import theme
from usassist.gui.actions import ACTIONS, LABEL_KEYS
from usassist.gui.canvas.view import CanvasView
from usassist.gui.docks.cine import CineBar
from usassist.gui.docks.classes import ClassesDock
from usassist.gui.docks.files import FilesDock
from usassist.gui.docks.history import HistoryDock
from usassist.gui.docks.labels import LabelsDock
from usassist.gui.docks.proposals import ProposalsDock
from usassist.gui.docks.view import ViewDock
from usassist.gui.document import Document
from usassist.gui.main_window.bindings import Bindings
from usassist.gui.main_window.deeds import Deeds
from usassist.gui.main_window.preferences import WindowPreferences
from usassist.gui.main_window.status import StatusBar
from usassist.gui.main_window.training import WindowTraining
from usassist.gui.settings import Settings
from usassist.gui.tools import Tool, all_tools

_log = logging.getLogger(__name__)
LAYOUT_VERSION = 1
FIRST_TOOL = "brush"
LOW_SCREEN = 720
"""Below this many pixels three panels do not fit under each other: files and proposals share their place."""
TITLE_BAR = 40
"""Room for what the desktop draws around a window; Qt does not know it before the window is shown."""
_NEED_FRAME = (
    *("delete", "deselect", "accept", "accept_all", "reject", "propose", "nothing", "unusable", "flag"),
    *("fit", "zoom_in", "zoom_out", "actual_size"),
)
_NEED_PICTURE = (
    *(entry.id for entry in ACTIONS if entry.tool),
    *("smaller", "larger", "hide_masks"),
)
"""What can be made ready while nothing is open, but does nothing to a file that cannot be read."""
_NEED_CINE = ("play", "previous_frame", "next_frame", "first_frame", "last_frame")
_NEED_FILES = ("save", "train", "previous_file", "next_file", "previous_open", "next_open")


class MainWindow(QMainWindow):
    """Composition only: it knows every part, and no part knows it. It closes its document when it closes."""

    def __init__(self, document: Document, *, settings: Settings | None = None) -> None:
        super().__init__()
        self.document = document
        self.settings = settings if settings is not None else Settings()
        self._closed = False
        self._readable = True
        self.setObjectName("main")
        self.setWindowIcon(theme.app_icon())
        self.setAcceptDrops(True)
        self.setMinimumWidth(900)  # the height follows from the panels, which would hide each other's buttons
        self.tools: dict[str, Tool] = {tool.id: tool for tool in all_tools()}
        self._build_centre()
        self._build_docks()
        self.status = StatusBar(document)
        self.setStatusBar(self.status)
        self.training = WindowTraining(self)
        self.preferences = WindowPreferences(self)
        self._deeds = Deeds(self)
        self.bindings = Bindings(self, deeds=self._deeds.by_id(), document=document)
        self._finish_menus()
        self._connect()
        self.preferences.apply()
        self.pick_tool(FIRST_TOOL)
        self._restore_layout()
        self._show_title()
        self._show_actions()
        # Else the first text field has it, and A and D would be typed.
        self.canvas.setFocus()

    # Building

    def _build_centre(self) -> None:
        self.canvas = CanvasView()
        self.cine = CineBar(self.document)
        centre = QWidget()
        column = QVBoxLayout(centre)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.canvas, 1)
        column.addWidget(self.cine)
        self.setCentralWidget(centre)
        self.canvas.set_document(self.document)

    def _build_docks(self) -> None:
        self.files = FilesDock(self.document)
        self.labels = LabelsDock(self.document)
        self.proposals = ProposalsDock(self.document)
        self.view = ViewDock(opacity=self.settings.opacity / 100)
        self.history = HistoryDock(self.document)
        self.classes = ClassesDock(self.document, settings=self.settings)
        right = Qt.DockWidgetArea.RightDockWidgetArea
        for dock in (self.labels, self.proposals, self.files):
            self.addDockWidget(right, dock)
        self.setTabPosition(right, QTabWidget.TabPosition.North)
        self.tabifyDockWidget(self.labels, self.view)
        self.tabifyDockWidget(self.view, self.history)
        if self.screen().availableSize().height() < LOW_SCREEN:
            self.tabifyDockWidget(self.files, self.proposals)
            self.proposals.raise_()
        # Beside the proposals it is about; a fourth tab beside the labels would leave no room for the words.
        self.tabifyDockWidget(self.files, self.classes)
        self.classes.hide()  # for research: whoever wants it finds it in the View menu
        self.labels.raise_()
        self.setCorner(Qt.Corner.BottomRightCorner, right)
        # The list of files gets what the others do not need: on a screen of 768 pixels that are six files.
        self.resizeDocks([self.labels, self.proposals, self.files], [200, 255, 300], Qt.Orientation.Vertical)
        self.resizeDocks([self.labels], [300], Qt.Orientation.Horizontal)

    def _finish_menus(self) -> None:
        menu = self.bindings.menus["View"]
        menu.addSeparator()
        for dock in (self.files, self.labels, self.proposals, self.view, self.history, self.classes):
            menu.addAction(dock.toggleViewAction())
            # Among tabs a panel that is only shown would stay behind the others.
            dock.toggleViewAction().triggered.connect(lambda shown, dock=dock: dock.raise_() if shown else None)
        for number, key in enumerate(LABEL_KEYS):
            shortcut = QShortcut(QKeySequence(key), self)
            shortcut.activated.connect(lambda n=number: self._pick_label(n))

    def _connect(self) -> None:
        document, canvas = self.document, self.canvas
        canvas.cursor_moved.connect(self.status.set_cursor)
        canvas.zoom_changed.connect(self.status.set_zoom)
        canvas.masks_visible_changed.connect(lambda visible: self.bindings["hide_masks"].setChecked(not visible))
        canvas.play_requested.connect(self.cine.toggle_play)
        self.view.opacity_changed.connect(canvas.set_opacity)
        self.view.brightness_contrast_changed.connect(canvas.set_brightness_contrast)
        self.labels.edit_requested.connect(self._edit_label)
        self.proposals.prompt_field.returnPressed.connect(canvas.setFocus)
        question = self.proposals.question
        for part in (self.classes.tree, self.classes.question_box, question.engine_box, question.model_box):
            part.left.connect(canvas.setFocus)
        self.classes.settings_changed.connect(self.preferences.write_soon)
        document.dirty_changed.connect(self.setWindowModified)
        document.recovery_found.connect(self._on_recovery_found)
        document.opened.connect(self._on_document_moved)
        document.frame_loading.connect(self._show_actions)
        document.engine_changed.connect(self._show_smart_click)
        document.frame_shown.connect(lambda _frame: self._on_document_moved())
        document.frame_failed.connect(lambda _key, _reason: self._on_document_moved(readable=False))

    def _on_document_moved(self, *, readable: bool = True) -> None:
        self._show_title()
        self._show_actions()
        self._readable = readable
        self.bindings.enable(_NEED_PICTURE, readable)
        self._show_smart_click()
        if not readable:
            self.bindings.enable(_NEED_FRAME, False)

    def _show_title(self) -> None:
        source, project = self.document.source, self.document.project_root
        where = [f"{source.relative}[*]"] if source is not None else []
        if project is not None:
            where.append(self.document.project.images_root.name)
        # The name comes last, else the desktop's own " - usassist" would be put after it.
        self.setWindowTitle(" · ".join([*where, "usassist"]) if source is not None else "[*]usassist")

    def _show_actions(self) -> None:
        document = self.document
        study = document.study
        # While a frame is loading its actions stay as they are: they would flicker, and the document refuses edits.
        if document.frame is not None or not document.is_open or document.source is None:
            self.bindings.enable(_NEED_FRAME, document.frame is not None)
        self.bindings.enable(_NEED_CINE, study is not None and study.is_cine)
        self.bindings.enable(_NEED_FILES, bool(document.sources))

    def _show_smart_click(self) -> None:
        """Offer the tool where the engine follows clicks, else say why not; one in hand is put down."""
        why = self.document.why_no_clicks
        self.bindings.explain("tool_click", why)
        self.bindings.enable(("tool_click",), self._readable and not why)
        if why and self.canvas.tool is self.tools["smart_click"]:
            self.pick_tool("pan")  # the one that draws nothing: the next click was not meant for another tool
            self.status.say(why)

    # What the window does

    def pick_tool(self, tool_id: str) -> None:
        """Put a tool in hand; its hint shows in the status bar."""
        tool = self.tools[tool_id]
        self.canvas.set_tool(tool)
        entry = next(entry for entry in ACTIONS if entry.tool == tool_id)
        self.bindings[entry.id].setChecked(True)
        self.status.hint(tool.hint)

    def open_paths(self, paths: Sequence[Path]) -> None:
        """Open files, folders or a project; nothing happens where none is named."""
        if paths:
            first = paths[0]
            self.settings = replace(
                self.settings, last_folder=str((first if first.is_dir() else first.parent).resolve())
            )
            self.document.open_paths(list(paths))

    def _pick_label(self, number: int) -> None:
        if number < len(self.document.labels):
            self.document.set_active_label(self.document.labels[number].id)
            self.status.hint(f"Drawing {self.document.active_label.name}")

    def _edit_label(self, label_id: str) -> None:
        from usassist.gui.dialogs.label import edit_label

        edit_label(self.document, label_id, parent=self)

    def _on_recovery_found(self, drafts: list[Annotation]) -> None:
        from usassist.gui.dialogs.recovery import RecoveryDialog

        names = {source.key: source.relative for source in self.document.sources}

        def name_of(frame_key: str) -> str:
            source_key, _, index = frame_key.rpartition("_")
            return f"{names.get(source_key, source_key)}, frame {int(index) + 1}"

        dialog = RecoveryDialog(drafts, name_of=name_of, parent=self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)

        def answered(_result: int) -> None:
            chosen = dialog.chosen() if dialog.answer != "later" else ()
            self.document.postpone_drafts([draft for draft in drafts if draft not in chosen])
            if dialog.answer == "restore":
                self.document.restore_drafts(chosen)
            elif dialog.answer == "discard":
                self.document.discard_drafts(chosen)

        dialog.finished.connect(answered)
        dialog.open()

    # Layout

    def _layout_file(self) -> QSettings:
        return QSettings(str(user_home() / "window.ini"), QSettings.Format.IniFormat)

    def _restore_layout(self) -> None:
        kept = self._layout_file()
        geometry, state = kept.value("geometry"), kept.value("state")
        if not (isinstance(geometry, QByteArray) and self.restoreGeometry(geometry)):
            room = self.screen().availableSize()
            self.resize(min(1440, room.width()), min(900, room.height() - TITLE_BAR))
        if isinstance(state, QByteArray):
            self.restoreState(state, LAYOUT_VERSION)

    def _keep_layout(self) -> None:
        kept = self._layout_file()
        kept.setValue("geometry", self.saveGeometry())
        kept.setValue("state", self.saveState(LAYOUT_VERSION))
        kept.sync()

    # What Qt says

    def closeEvent(self, event: QCloseEvent) -> None:
        if self._closed:
            event.accept()
            return
        self.document.finish_tools()  # while there is somebody to ask if it cannot be saved
        self.document.flush()
        if (self.document.is_dirty and not self._close_anyway()) or not self.training.may_close():
            event.ignore()
            return
        self._closed = True
        self._keep_layout()
        self.preferences.write()
        self.hide()  # the engine may take a moment to stop
        self.training.close()
        self.document.close()
        event.accept()

    def _close_anyway(self) -> bool:
        answer = QMessageBox.warning(
            self,
            "Not everything is saved",
            "Some frames or labels could not be written; the status bar says why. Recovery drafts are offered "
            "at the next start where the disk took them. Close all the same?",
            QMessageBox.StandardButton.Close | QMessageBox.StandardButton.Cancel,
            QMessageBox.StandardButton.Cancel,
        )
        return answer == QMessageBox.StandardButton.Close

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self.open_paths(paths)
