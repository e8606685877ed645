"""Making a label, or giving one another name, colour and prompt."""

from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import (
    QAbstractButton,
    QButtonGroup,
    QColorDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QWidget,
)

from usassist.core.domain import Label
from usassist.core.project.labels import new_id
from usassist.core.project.palette import COLOURS, next_colour
from usassist.gui import theme
from usassist.gui.dialogs.dialog import Dialog, caption_for, text_label
from usassist.gui.document import Document

_COLOUR_NAMES = ("Orange", "Sky blue", "Bluish green", "Yellow", "Blue", "Vermilion", "Reddish purple")


class ColourButton(QAbstractButton):
    """A round, checkable swatch."""

    def __init__(self, colour: str, *, name: str) -> None:
        super().__init__()
        self.colour = colour
        self.setCheckable(True)
        self.setAccessibleName(name)
        self.setToolTip(name)
        self.setFixedSize(self.sizeHint())

    def sizeHint(self) -> QSize:
        return QSize(28, 28)

    def paintEvent(self, event: QPaintEvent) -> None:
        t = theme.tokens()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = self.rect().toRectF()
        if self.isChecked() or self.hasFocus():
            painter.setPen(QPen(QColor(t.text if self.isChecked() else t.accent), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(area.adjusted(2, 2, -2, -2))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self.colour))
        painter.drawEllipse(area.adjusted(5, 5, -5, -5))
        if self.isChecked():
            ink = QColor(theme.label_text_colour(self.colour))
            theme.paint_icon(painter, QRectF(8, 8, 12, 12), "check-bold", colour=ink)
        painter.end()


class LabelDialog(Dialog):
    """Asks for a label's name, colour and prompt; `result_label()` gives the label once it was accepted.

    Offered are the colours that colour-blind people tell apart; any other can be picked too. Two labels cannot have
    one name.
    """

    def __init__(self, label: Label | None, *, labels: Sequence[Label], parent: QWidget | None = None) -> None:
        super().__init__("Edit label" if label is not None else "New label", parent=parent)
        self._label, self._others = label, [other for other in labels if label is None or other.id != label.id]
        self.name_field, self.caption_field = QLineEdit(), QLineEdit()
        self.name_field.setAccessibleName("Name")
        self.name_field.setPlaceholderText("For instance: Cyst")
        self.name_field.setMaxLength(60)
        self.caption_field.setAccessibleName("Prompt")
        self.caption_field.setPlaceholderText("What the model looks for, in words")
        if label is not None:
            self.name_field.setText(label.name)
            self.caption_field.setText(label.caption)
        self._swatches = QButtonGroup(self)
        self._swatch_row = QHBoxLayout()
        self._swatch_row.setSpacing(2)
        self._add_swatches(label.colour if label is not None else next_colour(labels))
        form = QFormLayout()
        form.setHorizontalSpacing(14)
        form.setVerticalSpacing(10)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow(caption_for(self.name_field, "Name"), self.name_field)
        form.addRow(caption_for(self.caption_field, "Prompt"), self.caption_field)
        form.addRow(caption_for(self._more, "Colour"), self._swatch_row)
        self.body.addLayout(form)
        self.problem = text_label("", "warning")
        self.body.addWidget(self.problem)
        self.add_button("Cancel", self.reject)
        self.ok_button = self.add_button(
            "Save" if label is not None else "Add label", self.accept, kind="primary", default=True
        )
        self.name_field.textChanged.connect(lambda _text: self._check())
        self._check()
        self.name_field.setFocus()
        self.prefer_size(440, 260)

    @property
    def colour(self) -> str:
        """Return the chosen colour as "#rrggbb"."""
        chosen = self._swatches.checkedButton()
        return chosen.colour if isinstance(chosen, ColourButton) else COLOURS[0]

    def choose_colour(self, colour: str) -> None:
        """Choose a colour; one that is not offered yet gets a swatch of its own."""
        for button in self._swatches.buttons():
            if isinstance(button, ColourButton) and button.colour.upper() == colour.upper():
                button.setChecked(True)
                return
        self._add_swatch(colour, name=f"Own colour {colour}").setChecked(True)

    def result_label(self) -> Label:
        """Return the label as it is described; a new one gets an id made of its name."""
        name, caption = self.name_field.text().strip(), self.caption_field.text().strip()
        taken = {other.id for other in self._others}
        return Label(self._label.id if self._label is not None else new_id(name, taken), name, self.colour, caption)

    def _add_swatches(self, chosen: str) -> None:
        self._more = QPushButton("More…")
        self._more.setAccessibleName("Pick any other colour")
        self._more.setAutoDefault(False)
        self._more.clicked.connect(self._on_more)
        self._swatch_row.addSpacing(6)
        self._swatch_row.addWidget(self._more)
        self._swatch_row.addStretch(1)
        for colour, name in zip(COLOURS, _COLOUR_NAMES, strict=True):
            used = [other.name for other in self._others if other.colour.upper() == colour.upper()]
            self._add_swatch(colour, name=f"{name} (used by {', '.join(used)})" if used else name)
        self.choose_colour(chosen)

    def _add_swatch(self, colour: str, *, name: str) -> ColourButton:
        button = ColourButton(colour, name=name)
        self._swatches.addButton(button)
        self._swatch_row.insertWidget(len(self._swatches.buttons()) - 1, button)
        return button

    def _on_more(self) -> None:
        picked = QColorDialog.getColor(QColor(self.colour), self, "Colour of the label")
        if picked.isValid():
            self.choose_colour(picked.name())

    def _check(self) -> None:
        name = self.name_field.text().strip()
        twin = next((other for other in self._others if other.name.casefold() == name.casefold()), None)
        self.problem.setText(f"There is a label {twin.name} already; give this one another name." if twin else "")
        self.ok_button.setEnabled(bool(name) and twin is None)


def edit_label(document: Document, label_id: str, *, parent: QWidget | None = None) -> None:
    """Ask about a label, a new one where `label_id` is "", and give the project the answer.

    An answer that comes when another project is open is for none: a message says that nothing was changed.
    """
    root, asked = document.project_root, document.labels
    known = next((label for label in asked if label.id == label_id), None)
    dialog = LabelDialog(known, labels=asked, parent=parent)
    accepted = dialog.exec() == Dialog.DialogCode.Accepted
    dialog.deleteLater()  # once this is over
    if not accepted:
        return
    if document.project_root != root:
        document.message.emit("Nothing was changed: another project was opened while the label was described.", "")
        return
    answer, labels = dialog.result_label(), document.labels  # which may be others: the project was opened again
    ids = {label.id for label in labels}
    if known is None:
        answer = replace(answer, id=new_id(answer.name, ids))
    kept = tuple(answer if label.id == answer.id else label for label in labels)
    document.set_labels(kept if answer.id in ids else (*labels, answer))
    document.set_active_label(answer.id)
