"""The files panel: every source with how far it is, a search that answers at once, and the progress."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

from PySide6.QtCore import QItemSelectionModel, QModelIndex, QStringListModel, Qt
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QListView, QProgressBar, QStackedWidget, QVBoxLayout, QWidget

from usassist.core.domain import Annotation, Source, Status
from usassist.gui import theme
from usassist.gui.docks.dock import Dock, EmptyState, Field, label
from usassist.gui.docks.rows import Index, Row, RowDelegate, list_view, row_data
from usassist.gui.document import Document
from usassist.gui.theme import Tone

_STATUS: dict[Status, tuple[str, Tone, str]] = {
    "untouched": ("ph.circle", "faint", "to do"),
    "draft": ("ph.circle-half-fill", "warning", "draft"),
    "accepted": ("ph.check-circle-fill", "positive", "accepted"),
    "unusable": ("ph.prohibit", "normal", "unusable"),
}


class FilesModel(QStringListModel):
    """The document's sources that match the search, as rows made only when they are painted.

    The names lie on Qt's side: laying out a list asks for every row, which Python would answer for 20 ms with 10,000.
    Positions in the model and in the document differ while a search is on: `source_index` and `row_of` translate.
    """

    def __init__(self, document: Document) -> None:
        super().__init__()
        self._document = document
        self._sources: tuple[Source, ...] = ()
        self._texts: list[str] = []
        self._shown: Sequence[int] = ()
        self._index_by_key: dict[str, int] = {}
        self._needle = ""
        self._flagged: dict[str, set[str]] = {}

    def reload(self) -> None:
        """Take over the document's sources, all of them: a search is over."""
        self._sources = self._document.sources
        self._texts = []
        self._needle = ""
        self._flagged.clear()
        self._index_by_key = {source.key: number for number, source in enumerate(self._sources)}
        self._show()

    def search(self, text: str) -> None:
        """Show only the sources whose relative path holds every word of the text."""
        needle = " ".join(text.casefold().split())
        if needle != self._needle:
            self._needle = needle
            self._show()

    def refresh(self, source_key: str) -> None:
        """Repaint one source's row."""
        row = self.row_of(self._index_by_key.get(source_key, -1))
        if row >= 0:
            self.dataChanged.emit(self.index(row), self.index(row))

    def note_flag(self, annotation: Annotation) -> None:
        """Remember whether a frame is flagged; a source is, while any frame of it is."""
        source_key = annotation.frame_key.rpartition("_")[0]
        frames = self._flagged.setdefault(source_key, set())
        if annotation.flagged != (annotation.frame_key in frames):
            (frames.add if annotation.flagged else frames.discard)(annotation.frame_key)
            self.refresh(source_key)

    def source_index(self, row: int) -> int:
        """Return the document's position of a row."""
        return self._shown[row]

    def row_of(self, source_index: int) -> int:
        """Return the row of a position in the document, -1 where the search hides it."""
        row = bisect_left(self._shown, source_index)
        return row if row < len(self._shown) and self._shown[row] == source_index else -1

    def _show(self) -> None:
        words = self._needle.split()
        if words and not self._texts:
            self._texts = [source.relative.casefold() for source in self._sources]
        shown: Sequence[int] = range(len(self._sources))
        for word in words:
            shown = [number for number in shown if word in self._texts[number]]
        self._shown = shown
        self.setStringList([self._sources[number].relative.rpartition("/")[2] for number in shown])

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Return that a row can be chosen; names are not edited here."""
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if role == Qt.ItemDataRole.DisplayRole or not index.isValid() or index.row() >= len(self._shown):
            return super().data(index, role)
        return row_data(self._row(self._sources[self._shown[index.row()]]), role)

    def _row(self, source: Source) -> Row:
        path = PurePosixPath(source.relative)
        folder = "" if path.parent == PurePosixPath() else str(path.parent)
        failure = self._document.failure_of(source.key)
        if failure is not None:
            return Row(
                key=source.key,
                title=path.name,
                trailing="cannot be read",
                trailing_tone="danger",
                icon="ph.warning-circle-fill",
                icon_tone="danger",
                tip=f"{source.relative}\n{failure}",
                spoken=f"{path.name}, cannot be read: {failure}",
            )
        icon, tone, words = _STATUS[self._document.status_of(source.key)]
        flagged = bool(self._flagged.get(source.key))
        warning = self._document.warning_about(source.key)
        return Row(
            key=source.key,
            title=path.name,
            trailing=folder,
            icon=icon,
            icon_tone=tone,
            trailing_icon="ph.flag-fill" if flagged else "ph.warning-circle-fill" if warning else "",
            trailing_icon_tone="warning",
            tip="\n".join(
                filter(None, (source.relative, words.capitalize(), "Flagged for another look" * flagged, warning))
            ),
            spoken=", ".join(filter(None, (path.name, words, "unlike the training images" * bool(warning), folder)))
            + ", flagged" * flagged,
        )


class FilesDock(Dock):
    """The list of sources; choosing a row shows the file, and the row follows the document."""

    def __init__(self, document: Document) -> None:
        super().__init__("files", "Files", icon="ph.files")
        self._document = document
        self._following = False
        self.model = FilesModel(document)
        self.search_field = Field()
        self.search_field.setPlaceholderText("Search files")
        self.search_field.setAccessibleName("Search files")
        self.search_field.setClearButtonEnabled(True)
        self.search_field.addAction(theme.icon("ph.magnifying-glass"), QLineEdit.ActionPosition.LeadingPosition)
        self.view = list_view("Files", delegate=RowDelegate())
        self.view.setModel(self.model)
        self.empty = EmptyState(
            "ph.folder-open",
            "Nothing is open",
            "Drop files or a folder here, or press Ctrl+O for files and Ctrl+U for a folder.",
        )
        self._stack = QStackedWidget()
        self._stack.addWidget(self.empty)
        self._stack.addWidget(self.view)
        self._fill_body()
        self.search_field.textChanged.connect(self._on_search)
        self.search_field.returnPressed.connect(self.view.setFocus)
        self.view.selectionModel().currentChanged.connect(self._on_view_current)
        document.opened.connect(self._on_document_opened)
        document.frame_shown.connect(lambda _frame: self._on_document_frame())
        document.frame_loading.connect(self._follow)
        document.annotation_changed.connect(lambda _key: self._note_flag())
        document.frame_failed.connect(lambda key, _reason: self._on_document_source_state(key, follow=True))
        document.source_state_changed.connect(self._on_document_source_state)
        self._on_document_opened()

    def _fill_body(self) -> None:
        self.add_to_title(self.search_field)  # a line of its own would cost the list a row and a half
        self.body.addWidget(self._stack, 1)
        self._footer = QWidget()
        self._footer.setObjectName("Footer")
        self._footer.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        column = QVBoxLayout(self._footer)
        column.setContentsMargins(14, 4, 14, 7)
        column.setSpacing(4)
        words = QHBoxLayout()
        self.progress_text = label("", "muted")
        self.progress_text.setToolTip(
            "Counted are stills, a frame each, and the frames of cines that somebody worked on"
        )
        self._percent = label("", "value")
        words.addWidget(self.progress_text)
        words.addStretch(1)
        words.addWidget(self._percent)
        column.addLayout(words)
        self.progress_bar = QProgressBar()
        self.progress_bar.setTextVisible(False)
        self.progress_bar.setProperty("tone", "positive")
        self.progress_bar.setAccessibleName("Progress of the annotation")
        column.addWidget(self.progress_bar)
        self.body.addWidget(self._footer)

    def _on_document_opened(self) -> None:
        self.search_field.blockSignals(True)
        self.search_field.clear()
        self.search_field.blockSignals(False)
        self._keeping_quiet(self.model.reload)
        self.search_field.setEnabled(bool(self._document.sources))
        self._show_state()
        self._show_progress()
        self._follow()

    def _on_document_frame(self) -> None:
        self._note_flag()
        self._show_progress()
        self._follow()

    def _note_flag(self) -> None:
        if self._document.annotation is not None:
            self.model.note_flag(self._document.annotation)

    def _on_document_source_state(self, source_key: str, *, follow: bool = False) -> None:
        self.model.refresh(source_key)
        self._show_progress()
        if follow:
            self._follow()

    def _on_search(self, text: str) -> None:
        self._keeping_quiet(lambda: self.model.search(text))
        self._show_state()
        self.view.scrollToTop()
        self._follow()

    def _on_view_current(self, current: QModelIndex, _previous: QModelIndex) -> None:
        if self._following or not current.isValid():
            return
        source_index = self.model.source_index(current.row())
        if source_index != self._document.source_index:
            self._document.show(source_index)

    def _follow(self) -> None:
        """Select the row of the document's source, without telling the document."""
        row = self.model.row_of(self._document.source_index)
        if row < 0:
            return
        index = self.model.index(row)
        chosen = self.view.selectionModel()
        if row != self.view.currentIndex().row() or not chosen.isSelected(index):
            flags = QItemSelectionModel.SelectionFlag.ClearAndSelect
            self._keeping_quiet(lambda: chosen.setCurrentIndex(index, flags))
        self.view.scrollTo(index, QListView.ScrollHint.EnsureVisible)

    def _keeping_quiet(self, change: Callable[[], None]) -> None:
        """Change the view while its selection is not passed on: the document is already where it points."""
        self._following = True
        try:
            change()
        finally:
            self._following = False

    def _show_state(self) -> None:
        if not self._document.sources:
            self.empty.say(
                "Nothing is open",
                "Drop files or a folder here, or press Ctrl+O for files and Ctrl+U for a folder.",
                icon="ph.folder-open",
            )
        else:
            self.empty.say(
                "No file matches", "Shorten the search; every word must occur in the path.", icon="ph.magnifying-glass"
            )
        self._stack.setCurrentWidget(self.view if self.model.rowCount() else self.empty)

    def _show_progress(self) -> None:
        self._footer.setVisible(bool(self._document.sources))
        done, total = self._document.counts() if self._document.sources else (0, 0)
        self.progress_text.setText(f"{done:,} of {total:,} frames annotated".replace(",", "\u202f"))
        self._percent.setText(f"{done / total:.0%}".replace("%", " %") if total else "")
        self.progress_bar.setRange(0, max(total, 1))
        self.progress_bar.setValue(done)
