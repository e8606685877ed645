"""The first page of a training: what there is to learn from, and how."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from usassist.core.data.accepted import FEW_TO_VALIDATE, AcceptedFrames, Sides
from usassist.core.training.offers import Offer
from usassist.gui import theme
from usassist.gui.dialogs.dialog import caption_for, text_label
from usassist.gui.dialogs.train_result import breakable

_DEVICES = (("auto", "Auto"), ("cpu", "Processor (CPU)"), ("cuda", "Graphics card (CUDA)"))
_SHARES = (("all", "All of them"), ("ratio", "A share"), ("per_class", "So many of each kind"))


@dataclass(frozen=True, slots=True)
class Part:
    """Which training frames are used: a ratio (0 to 1), so many of each kind, or all of them."""

    ratio: float | None = None
    per_class: int | None = None

    def overrides(self) -> tuple[str, ...]:
        """Return the keys of a recipe that say so; a recipe's own thinning is taken back."""
        return (f"few_shot.ratio={self.ratio or 0.0}", f"few_shot.per_class={self.per_class or 0}")


class SetupPage(QWidget):
    """Counts above, choices below; `changed` when what would be trained is another."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._offers: tuple[Offer, ...] = ()
        self._accepted: AcceptedFrames | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.tokens().space_s)
        self.counts = QWidget()
        self._grid = QGridLayout(self.counts)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(theme.tokens().space_s)
        self._grid.setVerticalSpacing(theme.tokens().space_xs)
        self._grid.setColumnStretch(1, 1)
        column.addWidget(text_label("Accepted frames", "section"))
        column.addWidget(self.counts)
        column.addSpacing(theme.tokens().space_xs)
        self.sides_text = text_label("Counting…")
        self.notes = text_label("", "muted")
        self.warning = text_label("", "warning")
        for label in (self.sides_text, self.notes, self.warning):
            column.addWidget(label)
        column.addSpacing(theme.tokens().space_s)
        column.addLayout(self._form())
        column.addStretch(1)

    def _form(self) -> QFormLayout:
        self.recipe_box, self.part_box, self.device_box = QComboBox(), QComboBox(), QComboBox()
        self.amount = QSpinBox()
        for box, name in ((self.recipe_box, "Recipe"), (self.part_box, "Learn from"), (self.device_box, "Device")):
            box.setAccessibleName(name)
            box.setMinimumContentsLength(16)
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        for value, words in _DEVICES:
            self.device_box.addItem(words, value)
        for value, words in _SHARES:
            self.part_box.addItem(words, value)
        self.amount.setAccessibleName("How many")
        self.amount.lineEdit().setTextMargins(6, 0, 0, 0)  # begins where the text of the boxes does
        part = QHBoxLayout()
        part.setSpacing(theme.tokens().space_s)
        part.addWidget(self.part_box, 1)
        part.addWidget(self.amount)
        self.place = text_label("", "faint")
        form = QFormLayout()
        form.setHorizontalSpacing(theme.tokens().space_xl)
        form.setVerticalSpacing(10)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow(caption_for(self.recipe_box, "Recipe"), self.recipe_box)
        form.addRow(caption_for(self.part_box, "Learn from"), part)
        form.addRow(caption_for(self.device_box, "Device"), self.device_box)
        form.addRow(text_label("Kept in", "muted"), self.place)
        self.recipe_box.currentIndexChanged.connect(lambda _row: self._show_recipe())
        self.part_box.currentIndexChanged.connect(lambda _row: self._show_part())
        self.amount.valueChanged.connect(lambda _value: self._show_sides())
        self._show_part()
        return form

    # What the dialog tells

    def show_offers(self, offers: Sequence[Offer]) -> None:
        """Offer recipes; what was chosen stays chosen."""
        before = self.recipe_box.currentText()
        self._offers = tuple(offers)
        self.recipe_box.clear()
        for offer in offers:
            epochs = offer.config.epochs
            self.recipe_box.addItem(
                f"{offer.path.stem}: {offer.start}, {epochs} {'epoch' if epochs == 1 else 'epochs'}"
            )
        self.recipe_box.setCurrentIndex(max(0, self.recipe_box.findText(before)) if offers else -1)
        self._show_recipe()

    def show_accepted(self, accepted: AcceptedFrames | None) -> None:
        """Show the counts; None while they are being counted."""
        self._accepted = accepted
        self._fill_grid()
        self._show_sides()

    def show_problem(self, sentence: str) -> None:
        """Say why nothing can be counted."""
        self.show_accepted(None)
        self.sides_text.setText("")
        self.warning.setText(breakable(sentence))

    def show_place(self, folder: Path) -> None:
        """Say where runs are kept."""
        self.place.setText(breakable(str(folder)))

    # What the person chose

    @property
    def offer(self) -> Offer | None:
        """Return the chosen recipe, None where there is none to choose."""
        row = self.recipe_box.currentIndex()
        return self._offers[row] if 0 <= row < len(self._offers) else None

    @property
    def part(self) -> Part:
        """Return which training frames are used."""
        how = self.part_box.currentData()
        if how == "ratio":
            return Part(ratio=self.amount.value() / 100)
        return Part(per_class=self.amount.value()) if how == "per_class" else Part()

    @property
    def accepted(self) -> AcceptedFrames | None:
        return self._accepted

    @property
    def sides(self) -> Sides | None:
        """Return how many frames would train and validate, None while nothing is counted."""
        if self._accepted is None or not self._accepted.examples:
            return None
        seed = self.offer.config.few_shot.seed if self.offer is not None else 0
        return self._accepted.sides(ratio=self.part.ratio, per_class=self.part.per_class, seed=seed)

    @property
    def is_ready(self) -> bool:
        """Return whether a training can be started."""
        sides = self.sides
        accepted = self._accepted
        enough = accepted is not None and not accepted.shortage() and sides is not None and sides.train_showing >= 2
        return enough and self.offer is not None

    # Showing

    def _show_part(self) -> None:
        how = self.part_box.currentData()
        self.amount.setVisible(how != "all")
        self.amount.blockSignals(True)
        if how == "ratio":
            self.amount.setRange(1, 100)
            self.amount.setSuffix(" %")
            self.amount.setValue(50)
        else:
            self.amount.setRange(1, 10_000)
            self.amount.setSuffix(" frames")
            self.amount.setValue(10)
        self.amount.blockSignals(False)
        self._show_sides()

    def _show_recipe(self) -> None:
        offer = self.offer
        self.recipe_box.setToolTip(f"{offer.config.title}\n{offer.path}" if offer is not None else "")
        self._show_sides()

    def _fill_grid(self) -> None:
        while (item := self._grid.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.deleteLater()
        if self._accepted is None:
            return
        for label, count in self._accepted.labels:
            swatch = QLabel()
            side = theme.tokens().icon_s
            swatch.setPixmap(theme.swatch(label.colour).pixmap(side, side))
            self._add_row(swatch, label.name, count)
        self._add_row(QLabel(), "Nothing to segment", self._accepted.nothing)

    def _add_row(self, mark: QLabel, name: str, count: int) -> None:
        row = self._grid.rowCount()
        number = text_label(f"{count}", "" if count else "muted")
        number.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._grid.addWidget(mark, row, 0)
        self._grid.addWidget(text_label(name, "" if count else "muted"), row, 1)
        self._grid.addWidget(number, row, 2)

    def _show_sides(self) -> None:
        accepted, sides = self._accepted, self.sides
        self.warning.setText("")
        self.notes.setText("")
        if accepted is None:
            self.sides_text.setText("Counting…")
        elif sides is None or accepted.shortage():
            self.sides_text.setText("")
            self.warning.setText(accepted.shortage())
        else:
            self.sides_text.setText(_both_sides(accepted, sides))
            self.notes.setText(_notes(accepted))
            self.warning.setText("\n".join(doubt for doubt in (_unchanged(accepted), _doubts(sides)) if doubt))
        self.changed.emit()


def _notes(accepted: AcceptedFrames) -> str:
    name = accepted.learned.name if accepted.learned is not None else ""
    said = [f"What is learned is {name}. Frames of one file stay on one side; files of one patient may not."]
    if accepted.others == 1:
        said.append("1 frame shows other labels only and is left out.")
    elif accepted.others:
        said.append(f"{accepted.others} frames show other labels only and are left out.")
    if 0 < accepted.unchanged * 2 <= accepted.outlines:
        said.append(f"{accepted.unchanged} of {accepted.outlines} outlines were accepted unchanged.")
    if accepted.learned is not None and not accepted.target:
        said.append(f"The vocabulary does not know {name}, so it is learned without words: it answers to no text.")
    return " ".join(said)


def _doubts(sides: Sides) -> str:
    if sides.train_showing < 2:
        return "Fewer than 2 of the frames to learn from show it; learn from more of them."
    if sides.val_showing == 0:
        return "No validation frame shows it, so nothing says whether the new model is better."
    if sides.val_showing == 1:
        return "Only 1 validation frame shows it: it alone decides the Dice, so take that for a hint."
    if sides.val_showing < FEW_TO_VALIDATE:
        each = f"each decides {100 / sides.val_showing:.0f} % of the Dice"
        return f"Only {sides.val_showing} validation frames show it: {each}, so take that for a hint."
    return ""


def _unchanged(accepted: AcceptedFrames) -> str:
    """Return a sentence where most outlines are an engine's own: learned again, they change next to nothing."""
    if accepted.unchanged * 2 <= accepted.outlines:
        return ""
    count = f"{accepted.unchanged} of {accepted.outlines} outlines were"
    return f"{count} accepted unchanged: correct some first, a model learns from what you change."


def _both_sides(accepted: AcceptedFrames, sides: Sides) -> str:
    name = accepted.learned.name if accepted.learned is not None else "it"
    train = "1 frame" if sides.train == 1 else f"{sides.train} frames"
    train_showing = f" ({sides.train_showing} showing {name})" if sides.train_showing < sides.train else ""
    val_showing = f" ({sides.val_showing} showing {name})" if sides.val_showing < sides.val else ""
    return f"{train} to learn from{train_showing}, {sides.val} to validate on{val_showing}."
