"""Classes and their prompts as a tree: written in place, with what the engine reads from them beside the words."""

from collections.abc import Sequence

from PySide6.QtCore import QAbstractItemModel, QEvent, QModelIndex, QObject, QRect, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QFont, QFontMetricsF, QKeyEvent, QMouseEvent, QPainter, QStandardItem, QStandardItemModel
from PySide6.QtWidgets import QLineEdit, QStyledItemDelegate, QStyleOptionViewItem, QTreeView, QWidget

from usassist.gui import theme
from usassist.gui.docks.class_questions import Classes
from usassist.gui.docks.dock import keep_keys, wrapped
from usassist.gui.docks.rows import Index, paint_bar, paint_ground, paint_text, percent, row_fonts
from usassist.gui.document.reading import ClassReading
from usassist.gui.settings import MOST_PROMPT_CHARACTERS

_VALUE = Qt.ItemDataRole.UserRole + 1
_CUT = Qt.ItemDataRole.UserRole + 2
_KEYS = (
    *(Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Escape, Qt.Key.Key_Backspace, Qt.Key.Key_Delete),
    *(Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Home, Qt.Key.Key_End),
)
_LEFT, _RIGHT, _INDENT = 10, 12, 18


class ClassDelegate(QStyledItemDelegate):
    """Paints a class with its probability over a bar, and a prompt with its similarity.

    What is written in the editor counts letter by letter; Esc brings back what stood there before.
    """

    def createEditor(self, parent: QWidget, option: QStyleOptionViewItem, index: Index) -> QWidget:
        editor = QLineEdit(parent)
        editor.setMaxLength(MOST_PROMPT_CHARACTERS)
        editor.setAccessibleName("Prompt" if index.parent().isValid() else "Class")
        editor.setProperty("before", index.data(Qt.ItemDataRole.EditRole))
        keep_keys(editor, *_KEYS)
        editor.textEdited.connect(lambda _text: self.commitData.emit(editor))
        return editor

    def setEditorData(self, editor: QWidget, index: Index) -> None:
        text = index.data(Qt.ItemDataRole.EditRole)
        if isinstance(editor, QLineEdit) and editor.text() != text:  # setting it again would move the cursor
            editor.setText(text)

    def setModelData(self, editor: QWidget, model: QAbstractItemModel, index: Index) -> None:
        if isinstance(editor, QLineEdit) and isinstance(index, QModelIndex):
            model.setData(index, editor.text(), Qt.ItemDataRole.EditRole)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QKeyEvent) and isinstance(watched, QLineEdit):
            pressed = event.type() == QEvent.Type.KeyPress
            if pressed and event.key() == Qt.Key.Key_Escape:
                watched.setText(watched.property("before"))
                self.commitData.emit(watched)
        return super().eventFilter(watched, event)

    def updateEditorGeometry(self, editor: QWidget, option: QStyleOptionViewItem, index: Index) -> None:
        height = editor.sizeHint().height()
        left = option.rect.left() + _LEFT + (_INDENT if index.parent().isValid() else 0)
        top = option.rect.center().y() - height // 2
        viewport = editor.parentWidget()
        if viewport is not None:
            top = max(0, min(top, viewport.height() - height))
        editor.setGeometry(QRect(left, top, option.rect.right() - _RIGHT + 6 - left, height))

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        title, small = row_fonts(option.font)
        if index.parent().isValid():
            return QSize(80, round(QFontMetricsF(small).height() + 7))
        return QSize(80, round(QFontMetricsF(title).height() + 19))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        paint_ground(painter, option)
        area = QRectF(option.rect).adjusted(_LEFT, 0, -_RIGHT, 0)
        (self._paint_prompt if index.parent().isValid() else self._paint_class)(painter, option, index, area)
        painter.restore()

    def _paint_class(self, painter: QPainter, option: QStyleOptionViewItem, index: Index, area: QRectF) -> None:
        font, small = row_fonts(option.font)
        font.setWeight(QFont.Weight.DemiBold)
        metrics = QFontMetricsF(font)
        line = QRectF(area.left() + _INDENT, area.top() + 5, area.width() - _INDENT, metrics.height())
        prompts = index.model().rowCount(index)
        if prompts:
            is_open = bool(option.state & option.state.State_Open)
            box = QRectF(area.left(), line.center().y() - 6, 12, 12)
            icon = "ph.caret-down" if is_open else "ph.caret-right"
            theme.paint_icon(painter, box, icon, colour=theme.tone_colour("faint"))
        value = index.data(_VALUE)
        shown = percent(value) if value is not None else "–"
        paint_text(painter, line, shown, font=font, tone="text", align=Qt.AlignmentFlag.AlignRight)
        line.setRight(line.right() - metrics.horizontalAdvance("100 %") - 8)
        name = index.data()
        paint_text(painter, line, name, font=font, tone="text")
        line.setLeft(line.left() + metrics.horizontalAdvance(name) + 8)
        if prompts and line.width() > 24:
            words = "1 prompt" if prompts == 1 else f"{prompts} prompts"
            paint_text(painter, line, words, font=small, tone="faint")
        paint_bar(painter, QRectF(area.left() + _INDENT, line.bottom() + 4, area.width() - _INDENT, 4), value or 0.0)

    def _paint_prompt(self, painter: QPainter, option: QStyleOptionViewItem, index: Index, area: QRectF) -> None:
        _title, small = row_fonts(option.font)
        line = area.adjusted(_INDENT, 0, 0, 0)
        value = index.data(_VALUE)
        if value is not None:
            shown = f"{value:.3f}".replace("-", "−")
            paint_text(painter, line, shown, font=small, tone="text", align=Qt.AlignmentFlag.AlignRight)
        line.setRight(line.right() - QFontMetricsF(small).horizontalAdvance("−0.000") - 8)
        tone: theme.Tone = "warning" if index.data(_CUT) else "normal"
        # Prompts of a class begin alike, and differ at their ends.
        left = Qt.TextElideMode.ElideLeft
        paint_text(painter, line, index.data() or "(empty)", font=small, tone=tone, elide=left)


class ClassTree(QTreeView):
    """The classes of a question; a double click or F2 changes the words, the arrow at the left opens a class."""

    reworded = Signal()
    """Words, classes or prompts are others now; while someone writes, after each letter."""
    finished = Signal()
    """A change is complete: worth keeping."""
    left = Signal()
    """A person is done with writing, and went nowhere else."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Classes and their prompts")
        self.setHeaderHidden(True)
        self.setRootIsDecorated(False)
        self.setIndentation(0)
        self.setExpandsOnDoubleClick(False)
        self.setVerticalScrollMode(QTreeView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMouseTracking(True)
        self.setMinimumHeight(self.fontMetrics().height() * 3)
        keep_keys(self, Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Delete, Qt.Key.Key_Home, Qt.Key.Key_End)
        self._items = QStandardItemModel(self)
        self.setModel(self._items)
        delegate = ClassDelegate(self)
        delegate.closeEditor.connect(lambda: QTimer.singleShot(0, self, self._tidy))
        self.setItemDelegate(delegate)
        self._fixed = False
        self._filling = False
        self._items.dataChanged.connect(self._on_data)

    # What it says

    def set_classes(self, classes: Classes, *, fixed: bool = False) -> None:
        """Show other classes; `fixed` ones are a model's own and cannot be changed."""
        self._fixed = fixed
        triggers = QTreeView.EditTrigger
        self.setEditTriggers(
            triggers.NoEditTriggers if fixed else triggers.DoubleClicked | triggers.EditKeyPressed,
        )
        self._filling = True
        self._items.clear()
        for name, prompts in classes:
            self._items.appendRow(_class_item(name, prompts))
        self._filling = False

    def classes(self) -> Classes:
        """Return the classes as they are worded now; prompts without a letter are left out."""
        rows = (self._items.item(row) for row in range(self._items.rowCount()))
        return tuple(
            (
                _clean(item.text()),
                tuple(text for row in range(item.rowCount()) if (text := _clean(item.child(row).text()))),
            )
            for item in rows
        )

    def show_reading(self, reading: ClassReading | None) -> None:
        """Show what was read beside the words; None takes the numbers away."""
        self._filling = True
        for row in range(self._items.rowCount()):
            item = self._items.item(row)
            name = _clean(item.text())
            value = reading.probabilities.get(name) if reading is not None else None
            _say(item, value, spoken=f"probability {percent(value)}" if value is not None else "")
            for child in (item.child(number) for number in range(item.rowCount())):
                text = _clean(child.text())
                value = reading.similarities.get((name, text)) if reading is not None else None
                cut = reading.cut.get(text, "") if reading is not None else ""
                spoken = f"similarity {value:.3f}" if value is not None else ""
                _say(child, value, spoken=spoken, cut=cut)
        self._filling = False

    # What a person does with it

    def add_prompt(self) -> None:
        """Begin a new prompt of the class that is chosen, of the first where none is."""
        item = self._chosen_class() or self._items.item(0)
        if item is not None and not self._fixed:
            self._begin(item, _item(""))

    def add_class(self) -> None:
        """Begin a new class."""
        if not self._fixed:
            self._begin(self._items.invisibleRootItem(), _class_item("", ()))

    def edit_chosen(self) -> None:
        """Begin to reword what is chosen."""
        if self.currentIndex().isValid() and not self._fixed:
            self.edit(self.currentIndex())

    def remove_chosen(self) -> None:
        """Remove the chosen prompt, or the chosen class with its prompts."""
        index = self.currentIndex()
        if index.isValid() and not self._fixed:
            self._items.removeRow(index.row(), index.parent())
            self.reworded.emit()
            self.finished.emit()

    def chosen(self) -> str:
        """Return "class" or "prompt" for what is chosen, "" where nothing is."""
        index = self.currentIndex()
        if not index.isValid():
            return ""
        return "prompt" if index.parent().isValid() else "class"

    def _chosen_class(self) -> QStandardItem | None:
        index = self.currentIndex()
        if not index.isValid():
            return None
        return self._items.itemFromIndex(index.parent() if index.parent().isValid() else index)

    def _begin(self, parent: QStandardItem, item: QStandardItem) -> None:
        parent.appendRow(item)
        if parent.index().isValid():
            self.setExpanded(parent.index(), True)
        self.setCurrentIndex(item.index())
        self.scrollTo(item.index())
        self.edit(item.index())

    def _tidy(self) -> None:
        """Take away what was left empty, and give each class a name of its own."""
        if self.state() == QTreeView.State.EditingState:
            return
        names: set[str] = set()
        for row in reversed(range(self._items.rowCount())):
            item = self._items.item(row)
            for child in reversed(range(item.rowCount())):
                if not _clean(item.child(child).text()):
                    item.removeRow(child)
            if not _clean(item.text()) and not item.rowCount():
                self._items.removeRow(row)
        for row in range(self._items.rowCount()):
            item = self._items.item(row)
            name = wanted = _clean(item.text()) or "class"
            number = 2
            while name in names:
                name, number = f"{wanted} {number}", number + 1
            names.add(name)
            if item.text() != name:
                item.setText(name)
        self.finished.emit()
        if self.hasFocus():
            self.left.emit()

    def _on_data(self, _first: QModelIndex, _last: QModelIndex, roles: list[int]) -> None:
        if not self._filling and Qt.ItemDataRole.EditRole in roles:
            self.reworded.emit()

    # What Qt says

    def mousePressEvent(self, event: QMouseEvent) -> None:
        index = self.indexAt(event.position().toPoint())
        if index.isValid() and not index.parent().isValid() and event.position().x() < _LEFT + _INDENT:
            self.setExpanded(index, not self.isExpanded(index))
            event.accept()
            return
        super().mousePressEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Delete:
            self.remove_chosen()
            return
        super().keyPressEvent(event)


def _class_item(name: str, prompts: Sequence[str]) -> QStandardItem:
    item = _item(name)
    item.appendRows([_item(text) for text in prompts])
    return item


def _item(text: str) -> QStandardItem:
    item = QStandardItem(text)
    item.setToolTip(wrapped(text))
    return item


def _say(item: QStandardItem, value: float | None, *, spoken: str, cut: str = "") -> None:
    text = item.text()
    item.setData(value, _VALUE)
    item.setData(cut, _CUT)
    item.setToolTip(wrapped(f"{text}\nToo long for this model; not read: {cut}" if cut else text))
    item.setData(", ".join(part for part in (text, spoken) if part), Qt.ItemDataRole.AccessibleTextRole)


def _clean(text: str) -> str:
    return " ".join(text.split())
