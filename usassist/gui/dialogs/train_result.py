"""The other pages of a training: how it goes, how the new model compares, and what went wrong."""

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QPlainTextEdit,
    QProgressBar,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from usassist.gui import theme
from usassist.gui.dialogs.dialog import caption_for, text_label
from usassist.gui.dialogs.train_curve import Curve
from usassist.gui.dialogs.train_words import EPOCH, RINGED, comparison, duration, few, honesty, steps_of
from usassist.gui.jobs.training import Training, Verdict


class RunPage(QWidget):
    """How far a training is: a bar, the time left, and the two curves."""

    def __init__(self) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.tokens().space_s)
        words = QHBoxLayout()
        self.state_text, self.time_text = text_label(""), text_label("", "muted")
        self.time_text.setAlignment(Qt.AlignmentFlag.AlignRight)
        words.addWidget(self.state_text, 3)
        words.addWidget(self.time_text, 1)
        column.addLayout(words)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("Progress")
        column.addWidget(self.bar)
        self.loss, self.dice = Curve("Loss"), Curve("Validation Dice", top=1.0)
        self.dice.setToolTip(RINGED)
        curves = QHBoxLayout()
        curves.setSpacing(theme.tokens().space_m)
        curves.addWidget(self.loss)
        curves.addWidget(self.dice)
        column.addLayout(curves, 4)
        column.addSpacing(theme.tokens().space_s)
        self.hint = text_label("You can go on annotating; what you accept from now on counts next time.", "muted")
        column.addWidget(self.hint)
        column.addStretch(1)

    def show_training(self, training: Training) -> None:
        """Show a training as it is now."""
        plan = training.plan
        if plan is None:
            return
        show_curves(self.loss, self.dice, training)
        steps = steps_of(training, plan)
        self.bar.setRange(0, steps.total)
        self.bar.setValue(steps.done)
        self.state_text.setText(steps.text)
        left = training.seconds_left
        self.time_text.setText(f"{duration(left)} left" if left is not None and steps.text.startswith(EPOCH) else "")


class ResultPage(QWidget):
    """Both models on the same validation frames, and a name for the new one."""

    def __init__(self) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.tokens().space_s)
        self.ending = text_label("", "warning")
        column.addWidget(self.ending)
        column.addWidget(text_label("Mean Dice on the validation frames", "section"))
        self.new_row, self.used_row = ScoreRow("New model", strong=True), ScoreRow("In use")
        grid = QGridLayout()
        grid.setHorizontalSpacing(theme.tokens().space_m)
        grid.setVerticalSpacing(theme.tokens().space_s)
        grid.setColumnStretch(1, 1)
        for row, score in enumerate((self.new_row, self.used_row)):
            grid.addWidget(score.name, row, 0)
            grid.addWidget(score.bar, row, 1)
            grid.addWidget(score.number, row, 2)
        column.addLayout(grid)
        self.verdict = text_label("")
        self.honesty = text_label("", "muted")
        self.warning = text_label("", "warning")
        for label in (self.verdict, self.honesty, self.warning):
            column.addWidget(label)
        self.loss, self.dice = Curve("Loss"), Curve("Validation Dice", top=1.0)
        self.dice.setToolTip(RINGED)
        curves = QHBoxLayout()
        curves.setSpacing(theme.tokens().space_m)
        curves.addWidget(self.loss)
        curves.addWidget(self.dice)
        column.addLayout(curves, 1)
        self.name_field = QLineEdit()
        self.name_field.setAccessibleName("Name of the new model")
        self.name_field.setMaxLength(64)
        self.added = text_label("", "muted")
        form = QFormLayout()
        form.setHorizontalSpacing(theme.tokens().space_xl)
        form.addRow(caption_for(self.name_field, "Name"), self.name_field)
        column.addLayout(form)
        column.addWidget(self.added)

    def show_training(self, training: Training) -> None:
        """Show what a finished training came to."""
        plan = training.plan
        if plan is None:
            return
        show_curves(self.loss, self.dice, training, is_over=True)
        self.ending.setText(breakable(training.problem))
        self.ending.setVisible(bool(training.problem))
        self.new_row.show_verdict("New model", training.new)
        self.used_row.show_verdict(f"In use: {plan.name_in_use}", training.used)
        self.verdict.setText(comparison(training))
        self.honesty.setText(honesty(training, plan))
        self.warning.setText(few(training))
        if training.adding_problem:
            self.added.setText(breakable(training.adding_problem))
        elif training.is_adding:
            self.added.setText("The model is being added; it is loaded once to see that it works…")
        else:
            self.added.setText("")


class FailurePage(QWidget):
    """One sentence, and the last lines that the training wrote."""

    def __init__(self) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.tokens().space_s)
        self.sentence = text_label("")
        self.sentence.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        column.addWidget(self.sentence)
        self.heading = text_label("What it wrote last", "section")
        column.addWidget(self.heading)
        self.log = QPlainTextEdit()
        self.log.setReadOnly(True)
        self.log.setAccessibleName("What it wrote last")
        column.addWidget(self.log, 1)

    def show_training(self, training: Training) -> None:
        """Show why a training came to nothing."""
        self.sentence.setText(breakable(training.problem))
        self.log.setPlainText("\n".join(training.tail))
        self.log.moveCursor(self.log.textCursor().MoveOperation.End)
        for widget in (self.heading, self.log):
            widget.setVisible(bool(training.tail))


class ScoreRow:
    """A name, a bar from 0 to 1, and the number."""

    def __init__(self, name: str, *, strong: bool = False) -> None:
        self.name = text_label(name)
        self.name.setWordWrap(False)
        self.bar = ScoreBar(strong=strong)
        self.number = text_label("", "title")
        self.number.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.number.setMinimumWidth(self.number.fontMetrics().horizontalAdvance("0.000") + theme.tokens().space_s)

    def show_verdict(self, name: str, verdict: Verdict | None) -> None:
        """Show a number, a dash where there is none."""
        dice = verdict.dice if verdict is not None else None
        self.name.setText(name)
        self.number.setText("–" if dice is None else f"{dice:.2f}")
        self.bar.show_value(dice)


class ScoreBar(QWidget):
    """A bar from 0 to 1."""

    def __init__(self, *, strong: bool) -> None:
        super().__init__()
        self._strong, self._value = strong, 0.0
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        return QSize(120, 10)

    def show_value(self, value: float | None) -> None:
        """Show a value, an empty bar for None."""
        self._value = min(1.0, max(0.0, value or 0.0))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        t = theme.tokens()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        area = self.rect().toRectF()
        painter.setBrush(QColor(t.track))
        painter.drawRoundedRect(area, t.radius_s, t.radius_s)
        area.setWidth(area.width() * self._value)
        painter.setBrush(QColor(t.accent if self._strong else t.scroll_hover))
        painter.drawRoundedRect(area, t.radius_s, t.radius_s)
        painter.end()


def show_curves(loss: Curve, dice: Curve, training: Training, *, is_over: bool = False) -> None:
    """Give both curves what the epochs say; once it is over, what the kept one says."""
    total = training.plan.epochs if training.plan is not None else 1
    kept = training.kept.number if training.kept is not None else 0
    losses = [(epoch.number, epoch.loss) for epoch in training.epochs]
    loss.show_points(losses, total=total, kept=kept if is_over else 0, says_kept=is_over)
    scored = [(epoch.number, epoch.dice) for epoch in training.epochs if epoch.dice is not None]
    dice.show_points(scored, total=total, kept=kept, says_kept=is_over)


def breakable(text: str) -> str:
    """Return a sentence that wraps within long paths too, which would widen the window otherwise."""
    return text.replace("/", "/\u200b").replace("\\", "\\\u200b")
