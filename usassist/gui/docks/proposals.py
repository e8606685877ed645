"""The proposals panel: which engine answers, what it is asked, and what it proposes for the frame on screen."""

from functools import partial

from PySide6.QtCore import QItemSelectionModel, QModelIndex, QPoint, Qt, QTimer
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QMenu,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from usassist.core.captions.asked_label import class_of_text
from usassist.core.captions.wording import shortened
from usassist.core.domain import Proposal
from usassist.core.models.weights import list_models
from usassist.core.proposers import specs as engine_specs
from usassist.gui import theme
from usassist.gui.commands import click as click_commands
from usassist.gui.commands import label as label_commands
from usassist.gui.commands import proposal as proposal_commands
from usassist.gui.docks.dock import ONLY_SHOWN, Dock, EmptyState, context_menu, keep_keys, menu_text, wrapped
from usassist.gui.docks.notice import Notice
from usassist.gui.docks.question import Engines, Models, Question
from usassist.gui.docks.rows import Bar, Row, RowDelegate, RowsModel, list_view, percent
from usassist.gui.document import Document

UNLIKE = "Unlike the training images"
"""What the panel says of such a frame; the whole sentence is its tip."""
_OTHER_LABEL = "\nRight-click to accept it with another label."

_ANSWERED = {
    "accepted": ("This frame is done", "Press I to ask again.", "ph.check-circle"),
    "unusable": ("Marked unusable", "Press U to take that back.", "ph.prohibit"),
}


class ProposalsDock(Dock):
    """Engine, model and text above; the waiting proposals with their scores; accept, reject and ask again below.

    `engines` and `models` say what can be chosen; they are asked when the panel is first shown, and import no torch.
    """

    def __init__(
        self,
        document: Document,
        *,
        engines: Engines = engine_specs,
        models: Models = list_models,
    ) -> None:
        super().__init__("proposals", "Proposals", icon="ph.sparkle")
        self._document = document
        self._engines, self._models = engines, models
        self._busy = ""
        self._add_question()
        self._add_answers()
        self._add_buttons()
        self._connect()
        self._show_proposals()

    # Building

    def _add_question(self) -> None:
        self.question = Question(self._document, engines=self._engines, models=self._models)
        self.prompt_field = self.question.prompt_field
        self.body.addWidget(self.question)
        self.notice = Notice("Warning about this frame")
        self.notice.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Ignored)
        self.question.state_line.addWidget(self.notice)  # a line of its own would move the buttons
        self.busy_bar = QProgressBar()
        self.busy_bar.setAccessibleName("The engine is working")
        self.busy_bar.setTextVisible(False)
        self.busy_bar.setRange(0, 0)
        keep = self.busy_bar.sizePolicy()
        keep.setRetainSizeWhenHidden(True)
        self.busy_bar.setSizePolicy(keep)
        self.busy_bar.hide()
        line = QVBoxLayout()
        line.setContentsMargins(10, 0, 10, 2)
        line.addWidget(self.busy_bar)
        self.body.addLayout(line)

    def _add_answers(self) -> None:
        self.rows = RowsModel(self)
        delegate = RowDelegate(two_lines=True, bars=2)
        self.view = list_view("Waiting proposals", delegate=delegate)
        self.view.setMinimumHeight(delegate.sizeHint(QStyleOptionViewItem(), QModelIndex()).height() + 4)
        self.view.setModel(self.rows)
        self.view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.view.customContextMenuRequested.connect(self._on_menu)
        self.empty = EmptyState("ph.sparkle", "No proposal", "")
        self._stack = QStackedWidget()
        self._stack.addWidget(self.empty)
        self._stack.addWidget(self.view)
        self.body.addWidget(self._stack, 1)

    def _add_buttons(self) -> None:
        footer = QWidget()
        footer.setObjectName("Footer")
        footer.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        row = QHBoxLayout(footer)
        row.setContentsMargins(10, 8, 10, 10)
        row.setSpacing(6)
        self.accept_button = _button(
            "Accept", "ph.check", kind="primary", tip="Accept the proposal, else the frame as it is drawn (Enter)"
        )
        self.reject_button = _button("Reject", "ph.x", kind="", tip="Reject the proposal (Backspace)")
        self.again_button = _button("Ask", "ph.arrows-clockwise", kind="", tip="Propose again (I)")
        for button in (self.accept_button, self.reject_button, self.again_button):
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            row.addWidget(button, 1)
        self.body.addWidget(footer)

    def _connect(self) -> None:
        self.question.asked.connect(self.ask_again)
        self.question.shown.connect(self._show_proposals)
        for button in (self.accept_button, self.reject_button, self.again_button):
            keep_keys(button)
        self.accept_button.clicked.connect(self._accept)
        self.reject_button.clicked.connect(lambda: proposal_commands.reject(self._document, self.chosen()))
        self.again_button.clicked.connect(self.ask_again)
        document = self._document
        document.opened.connect(self._show_proposals)
        document.frame_shown.connect(lambda _frame: self._show_proposals())
        document.frame_failed.connect(lambda _key, _reason: self._show_proposals())
        document.proposals_changed.connect(lambda _key: self._show_proposals())
        document.annotation_changed.connect(lambda _key: self._show_proposals())
        document.labels_changed.connect(self._show_proposals)
        document.busy_changed.connect(self._on_document_busy)
        document.engine_changed.connect(self._show_busy)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        QTimer.singleShot(0, self, self.question.fill)  # after the paint; again each time, models come and go

    # Proposals

    def chosen(self) -> int:
        """Return the position of the chosen proposal, the first where none is chosen."""
        return max(self.view.currentIndex().row(), 0)

    def ask_again(self) -> None:
        """Ask the engine about this frame, with the text where one is written."""
        self._document.request_proposals(self.question.prompt())

    def _accept(self) -> None:
        """Do what Enter does: accept the answer to clicks, else the proposal, else the frame as it is drawn."""
        if self._document.clicks is not None:
            click_commands.accept(self._document)
        elif not proposal_commands.accept(self._document, self.chosen()):
            label_commands.accept_frame(self._document)

    def _on_menu(self, position: QPoint) -> None:
        index = self.view.indexAt(position)
        menu = self.label_menu(index.row()) if index.isValid() else None
        if menu is not None:
            menu.exec(self.view.viewport().mapToGlobal(position))

    def label_menu(self, index: int) -> QMenu | None:
        """Return a menu of the labels a proposal can be accepted with; None for one that refines a region.

        What was asked in words of a person's own is offered as a label too: only they know whether "dark oval mass" is
        the label reworded or something else.
        """
        document = self._document
        if not 0 <= index < len(document.proposals) or document.proposals[index].refines is not None:
            return None
        proposal, menu = document.proposals[index], context_menu(self)
        offered = [(item.id, item.name, theme.swatch(item.colour)) for item in document.labels]
        words = document.own_words(proposal)
        new = class_of_text(words) if words and document.label_of(proposal.label_id) is not None else proposal.label_id
        if document.label_of(new) is None:
            offered.append((new, f"a new label, {new}", theme.icon("ph.plus")))
        for label_id, name, icon in offered:
            action = menu.addAction(icon, f"Accept as {menu_text(name)}")
            action.triggered.connect(partial(self._accept_as, proposal, label_id))
        return menu

    def _accept_as(self, proposal: Proposal, label_id: str, _checked: bool = False) -> None:
        waiting = [number for number, item in enumerate(self._document.proposals) if item is proposal]
        if waiting:
            proposal_commands.accept(self._document, waiting[0], label_id=label_id)

    def _on_document_busy(self, what: str) -> None:
        self._busy = what
        self._show_busy()

    def _show_busy(self) -> None:
        """Move the bar while something is done; an engine goes on loading while another folder is opened."""
        self.busy_bar.setVisible(bool(self._busy) or self._document.engine_state == "starting")
        self._show_proposals()

    def _show_proposals(self) -> None:
        proposals = self._document.proposals if self._document.frame is not None else ()
        rows = tuple(_row(item, self._document, number) for number, item in enumerate(proposals))
        self.rows.set_rows(rows)
        if rows and not self.view.currentIndex().isValid():
            flags = QItemSelectionModel.SelectionFlag.ClearAndSelect
            self.view.selectionModel().setCurrentIndex(self.rows.index(0), flags)
        elif not rows:
            self.view.setCurrentIndex(QModelIndex())
            self._say_why_empty()
        self._stack.setCurrentWidget(self.view if rows else self.empty)
        warning = self._document.warning
        self.notice.say(UNLIKE if warning else "", tip=warning)
        annotation = self._document.annotation
        drawn = annotation is not None and annotation.status == "draft" and bool(annotation.regions)
        self.accept_button.setEnabled(bool(rows) or drawn)
        self.reject_button.setEnabled(bool(rows))
        self.again_button.setEnabled(self._document.frame is not None and not self._busy)

    def _say_why_empty(self) -> None:
        document, annotation = self._document, self._document.annotation
        if document.source is not None and document.failure_of(document.source.key) is not None:
            hint = "The reason stands where the picture would be."
            self.empty.say("This file cannot be read", hint, icon="ph.warning-circle")
        elif document.frame is None:
            self.empty.say("No frame is shown", "Open files to get proposals for them.", icon="ph.image-square")
        elif annotation is None:
            self.empty.say(*ONLY_SHOWN, icon="ph.warning-circle")
        elif document.engine_state == "starting":
            hint = "The first proposal follows in a moment."
            self.empty.say("The engine is loading", hint, icon="ph.hourglass-medium")
        elif not document.draws_masks:
            hint = "It was trained for something else: the Classes panel (View menu) shows what it says."
            self.empty.say("This model draws no masks", hint, icon="ph.list-dashes")
        elif self._busy:
            self.empty.say("Looking at the frame", self._busy, icon="ph.hourglass-medium")
        elif annotation.status in _ANSWERED:
            title, hint, icon = _ANSWERED[annotation.status]
            self.empty.say(title, hint, icon=icon)
        elif annotation.regions:
            hint = "Press Enter to accept the frame as it is drawn."
            self.empty.say("Not accepted yet", hint, icon="ph.circle-half-fill")
        elif self.question.lacks_model:
            hint = "Add a trained one with usassist models add, or choose an engine that needs none."
            self.empty.say("No model is installed", hint, icon="ph.package")
        elif self._document.engine_state == "failed":
            hint = "Press I to try again, or choose another engine or model. The message below the image says more."
            self.empty.say("The engine gave no answer", hint, icon="ph.warning-circle")
        elif document.found_nothing:
            self.empty.say(*self._nothing_found(), icon="ph.magnifying-glass")
        else:
            hint = "Press I to ask, or N when there is nothing to segment."
            self.empty.say("No proposal is waiting", hint, icon="ph.sparkle")

    def _nothing_found(self) -> tuple[str, str]:
        """Return what to say and to do: no head on the frame does not mean that there is no lesion."""
        if self.question.doubt is not None:
            return "The model never learned what was asked", f"{self.question.learned} Q points at it."
        if self.question.prompt_field.text().strip():
            return "What you wrote was not found", "Point at it with Q, or empty the field above to ask for the label."
        return "The engine found nothing", "Point at it with Q, paint with B, or press N if there is nothing."


def _row(proposal: Proposal, document: Document, number: int) -> Row:
    item, name = document.label_of(proposal.label_id), shortened(document.label_name(proposal.label_id))
    new = "" if item is not None else f"\nNo label is called {name}: accepting adds one."
    words = document.own_words(proposal)
    said = ["new label"] * (item is None) + ["never learned"] * bool(proposal.text_warning)
    said += [f"asked: {shortened(words)}"] * bool(words)
    where = f"{proposal.mask.area:,} px · {proposal.seconds:.2f} s".replace(",", "\u202f")
    where += " · refines a region" if proposal.refines is not None else ""
    asked = wrapped(f"Asked: {proposal.prompt.describe() or 'whatever is there'}")
    return Row(
        key=f"{number}",
        title=name,
        subtitle=" · ".join([*said, where]),
        swatch=item.colour if item is not None else "#808080",
        trailing=percent(proposal.score),
        trailing_tone="text",
        strong=True,
        bars=(Bar("Presence", proposal.presence), Bar("Quality", proposal.quality)),
        tip=(
            "Score = presence × quality. Presence: how likely it is there at all; "
            f"quality: the Dice to expect if it is.\n{asked}\nEngine: {proposal.engine}\n{_likeness(proposal)}{new}"
            f"{'' if proposal.refines is not None else _OTHER_LABEL}"
        ),
        spoken=(
            f"{', '.join([name, *said])}, score {proposal.score:.0%}, presence {proposal.presence:.0%}, "
            f"quality {proposal.quality:.0%}, {proposal.seconds:.2f} seconds"
            f"{', ' + proposal.warning if proposal.warning else ''}"
        ),
    )


def _likeness(proposal: Proposal) -> str:
    if proposal.strangeness is None:
        said = "Whether the image is like those of the training is not known."
    else:
        said = proposal.image_warning or "The image is like those that the model was trained on."
    return f"{said}\n{proposal.text_warning}".rstrip()


def _button(text: str, icon: str, *, kind: str, tip: str) -> QPushButton:
    button = QPushButton(theme.icon(icon, tone="on_accent" if kind == "primary" else "normal"), text)
    button.setProperty("kind", kind)
    button.setToolTip(tip)
    button.setAccessibleName(tip)
    return button
