"""The labels panel: which label is drawn with, and the regions of the frame on screen."""

from collections import Counter
from collections.abc import Callable, Sequence

from PySide6.QtCore import QItemSelectionModel, QModelIndex, QPoint, Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QHBoxLayout, QListView, QMenu, QStackedWidget, QWidget

from usassist.core.domain import Annotation, Frame, Label, Region
from usassist.gui import theme
from usassist.gui.commands import region as region_commands
from usassist.gui.docks.dock import ONLY_SHOWN, Dock, EmptyState, context_menu, label, menu_text, tool_button
from usassist.gui.docks.rows import Row, RowDelegate, RowsModel, list_view
from usassist.gui.document import Document

_MOST_LABEL_ROWS = 6


class LabelsDock(Dock):
    """Labels above, the frame's regions below.

    `edit_requested(label_id)` asks for the label dialog, "" for a new label: dialogs and panels do not know each other.
    """

    edit_requested = Signal(str)

    def __init__(self, document: Document) -> None:
        super().__init__("labels", "Labels", icon="ph.tag", subtitle="Draw with")
        self._document = document
        self._quiet = False
        self.add_button = self.add_title_button(
            "ph.plus", name="Add a label", tip="Add a label", on_click=lambda: self.edit_requested.emit("")
        )
        self.labels = RowsModel(self)
        self.labels_view = list_view("Labels", delegate=RowDelegate())
        self.regions = RowsModel(self)
        self.regions_view = list_view("Regions on this frame", delegate=RowDelegate(two_lines=True))
        self.empty = EmptyState("ph.polygon", "No regions on this frame", "")
        self._fill_body()
        self._connect_views()
        document.opened.connect(self._show_all)
        document.labels_changed.connect(self._show_all)
        document.active_label_changed.connect(lambda _label_id: self._show_labels())
        document.frame_shown.connect(lambda _frame: self._show_regions())
        document.frame_failed.connect(lambda _key, _reason: self._show_regions())
        document.annotation_changed.connect(self._on_document_annotation)
        document.selection_changed.connect(lambda _region_id: self._follow_selection())
        self._show_all()

    def _fill_body(self) -> None:
        self.labels_view.setModel(self.labels)
        self.labels_view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.body.addWidget(self.labels_view)
        header = QWidget()
        row = QHBoxLayout(header)
        row.setContentsMargins(14, 8, 10, 2)
        row.setSpacing(2)
        self._regions_title = label("Regions on this frame", "section")
        row.addWidget(self._regions_title)
        row.addStretch(1)
        self.relabel_button = tool_button("ph.tag", name="Change the region's label", tip="Change label")
        self.relabel_button.clicked.connect(lambda: self._relabel_menu().exec(self._below(self.relabel_button)))
        self.delete_button = tool_button("ph.trash", name="Delete the region", tip="Delete region (Del)")
        self.delete_button.clicked.connect(lambda: region_commands.delete_selected(self._document))
        row.addWidget(self.relabel_button)
        row.addWidget(self.delete_button)
        self.body.addWidget(header)
        self.regions_view.setModel(self.regions)
        self.regions_view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self._stack = QStackedWidget()
        self._stack.addWidget(self.empty)
        self._stack.addWidget(self.regions_view)
        self.body.addWidget(self._stack, 1)

    def _connect_views(self) -> None:
        self.labels_view.selectionModel().currentChanged.connect(self._on_labels_current)
        self.labels_view.clicked.connect(lambda index: self._on_labels_current(index, QModelIndex()))
        self.labels_view.doubleClicked.connect(lambda index: self._edit_at(index.row()))
        self.labels_view.customContextMenuRequested.connect(self._on_labels_menu)
        self.regions_view.selectionModel().currentChanged.connect(self._on_regions_current)
        self.regions_view.clicked.connect(lambda index: self._on_regions_current(index, QModelIndex()))
        self.regions_view.customContextMenuRequested.connect(self._on_regions_menu)
        rename = QShortcut(QKeySequence(Qt.Key.Key_F2), self.labels_view)
        rename.setContext(Qt.ShortcutContext.WidgetShortcut)
        rename.activated.connect(lambda: self._edit_at(self.labels_view.currentIndex().row()))

    # From the document

    def _on_document_annotation(self, frame_key: str) -> None:
        if self._document.ref is not None and frame_key == self._document.ref.key:
            self._show_regions()

    def _show_all(self) -> None:
        self._show_labels()
        self._show_regions()

    def _show_labels(self) -> None:
        labels = self._document.labels
        active = self._document.active_label.id if labels else ""
        rows = tuple(_label_row(item, number, active=item.id == active) for number, item in enumerate(labels))
        self._keeping_quiet(lambda: self.labels.set_rows(rows))
        self._select(self.labels_view, self.labels, active)
        height = self.labels_view.sizeHintForRow(0) if rows else 0
        self.labels_view.setFixedHeight(height * min(len(rows), _MOST_LABEL_ROWS) + 2)

    def _show_regions(self) -> None:
        annotation, frame = self._document.annotation, self._document.frame
        rows: tuple[Row, ...] = ()
        if annotation is not None and frame is not None:
            rows = _region_rows(annotation.regions, self._document.labels, frame=frame)
        self._keeping_quiet(lambda: self.regions.set_rows(rows))
        self._regions_title.setText(f"Regions on this frame · {len(rows)}" if rows else "Regions on this frame")
        self._say_what_is_missing(annotation)
        self._stack.setCurrentWidget(self.regions_view if rows else self.empty)
        self._follow_selection()

    def _say_what_is_missing(self, annotation: Annotation | None) -> None:
        source = self._document.source
        if source is not None and self._document.failure_of(source.key) is not None:
            self.empty.say("This file cannot be read", "Nothing can be drawn on it.", icon="ph.warning-circle")
        elif self._document.only_shown:
            self.empty.say(*ONLY_SHOWN, icon="ph.warning-circle")
        elif annotation is None:
            self.empty.say("No frame is shown", "Open files to draw regions on them.", icon="ph.image-square")
        elif annotation.status == "unusable":
            self.empty.say("Marked unusable", "This frame is left out of training.", icon="ph.prohibit")
        elif annotation.status == "accepted":
            self.empty.say("Nothing to segment", "Accepted as a frame without regions.", icon="ph.check-circle")
        else:
            self.empty.say(
                "No regions yet",
                "Enter accepts a proposal, Q points at it, B paints; N says that there is nothing.",
                icon="ph.polygon",
            )

    def _follow_selection(self) -> None:
        selected = self._document.selected_region
        self._select(self.regions_view, self.regions, selected.id if selected is not None else "")
        self.delete_button.setEnabled(selected is not None)
        self.relabel_button.setEnabled(selected is not None and len(self._document.labels) > 1)

    def _select(self, view: QListView, model: RowsModel, key: str) -> None:
        def select() -> None:
            row = model.row_of(key)
            if row < 0:
                view.setCurrentIndex(QModelIndex())
            elif row != view.currentIndex().row() or not view.selectionModel().hasSelection():
                flags = QItemSelectionModel.SelectionFlag.ClearAndSelect
                view.selectionModel().setCurrentIndex(model.index(row), flags)

        self._keeping_quiet(select)

    # From the views

    def _on_labels_current(self, current: QModelIndex, _previous: QModelIndex) -> None:
        if not self._quiet and current.isValid():
            self._document.set_active_label(self.labels.rows[current.row()].key)

    def _on_regions_current(self, current: QModelIndex, _previous: QModelIndex) -> None:
        if self._quiet:
            return
        key = self.regions.rows[current.row()].key if current.isValid() else None
        selected = self._document.selected_region
        if key != (selected.id if selected is not None else None):
            self._document.select_region(key)

    def _on_labels_menu(self, position: QPoint) -> None:
        row = self.labels_view.indexAt(position).row()
        menu = context_menu(self)
        if row >= 0:
            menu.addAction(theme.icon("ph.pencil-simple"), "Rename or recolour…", lambda: self._edit_at(row))
        menu.addAction(theme.icon("ph.plus"), "Add a label…", lambda: self.edit_requested.emit(""))
        menu.exec(self.labels_view.viewport().mapToGlobal(position))

    def _on_regions_menu(self, position: QPoint) -> None:
        if not self.regions_view.indexAt(position).isValid():
            return
        menu = self._relabel_menu()
        menu.addSeparator()
        menu.addAction(theme.icon("ph.trash"), "Delete region", lambda: region_commands.delete_selected(self._document))
        menu.exec(self.regions_view.viewport().mapToGlobal(position))

    def _edit_at(self, row: int) -> None:
        if 0 <= row < len(self.labels.rows):
            self.edit_requested.emit(self.labels.rows[row].key)

    def _relabel_menu(self) -> QMenu:
        """Return a menu of the labels the selected region could have instead."""
        menu = context_menu(self)
        selected = self._document.selected_region
        for item in self._document.labels:
            action = menu.addAction(theme.swatch(item.colour), menu_text(item.name))
            action.setEnabled(selected is not None and item.id != selected.label_id)
            action.triggered.connect(lambda _checked=False, label_id=item.id: self.relabel_selected(label_id))
        return menu

    def relabel_selected(self, label_id: str) -> None:
        """Give the selected region another label, as one undo step."""
        selected, ref = self._document.selected_region, self._document.ref
        if selected is not None and ref is not None and selected.label_id != label_id:
            region_commands.change_label(self._document, region_id=selected.id, label_id=label_id)

    def _keeping_quiet(self, change: Callable[[], None]) -> None:
        """Change a view while its selection is not passed on to the document."""
        before, self._quiet = self._quiet, True
        try:
            change()
        finally:
            self._quiet = before

    @staticmethod
    def _below(widget: QWidget) -> QPoint:
        return widget.mapToGlobal(QPoint(0, widget.height() + 2))


def _label_row(item: Label, number: int, *, active: bool) -> Row:
    key = str(number + 1) if number < 9 else ""
    caption = f"\nPrompt: {item.caption}" if item.caption else ""
    return Row(
        key=item.id,
        title=item.name,
        swatch=item.colour,
        key_hint=key,
        strong=active,
        tip=f"{item.name}{caption}\nDouble-click to rename or recolour",
        spoken=f"{item.name}{', active' if active else ''}{f', key {key}' if key else ''}",
    )


def _region_rows(regions: Sequence[Region], labels: Sequence[Label], *, frame: Frame) -> tuple[Row, ...]:
    """Return a row a region; regions that share a label are numbered."""
    by_id = {item.id: item for item in labels}
    total = Counter(region.label_id for region in regions)
    seen: Counter[str] = Counter()
    rows = []
    for region in regions:
        seen[region.label_id] += 1
        number = seen[region.label_id] if total[region.label_id] > 1 else 0
        rows.append(_region_row(region, by_id.get(region.label_id), frame=frame, number=number))
    return tuple(rows)


def _region_row(region: Region, item: Label | None, *, frame: Frame, number: int) -> Row:
    if region.origin == "human":
        icon, origin = "", "drawn by hand"
    elif region.edited:
        icon, origin = "ph.pencil-simple", "proposed, then corrected"
    else:
        icon, origin = "ph.sparkle", "proposed, accepted unchanged"
    name = item.name if item is not None else region.label_id
    title = f"{name} {number}" if number else name
    return Row(
        key=region.id,
        title=title,
        subtitle=size_text(region, frame),
        swatch=item.colour if item is not None else "#808080",
        trailing_icon=icon,
        tip=origin.capitalize(),
        spoken=f"{title}, {size_text(region, frame)}, {origin}",
    )


def size_text(region: Region, frame: Frame) -> str:
    """Return a region's area in px, and in mm² only where the file declares the spacing under all of it."""
    from usassist.core.geometry.measure import spacing_of  # cv2 is loaded with the first region, not at start

    pixels = f"{region.mask.area:,} px".replace(",", "\u202f")
    spacing = spacing_of(region.mask, frame) if region.mask.shape == frame.shape else None
    if spacing is None:
        return pixels
    return f"{pixels} · {region.mask.area * spacing[0] * spacing[1]:.1f} mm²"
