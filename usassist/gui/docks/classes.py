"""The classes panel: which class the frame looks like, read live from prompts that a person words."""

from PySide6.QtCore import QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QMenu,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from usassist.core.domain import Frame
from usassist.core.models.weights import DEFAULT_MODEL
from usassist.core.proposers import specs
from usassist.gui import theme
from usassist.gui.docks.class_questions import Classes, Questions, title
from usassist.gui.docks.class_tree import ClassTree
from usassist.gui.docks.dock import Dock, ElidedLabel, EmptyState, context_menu, tool_button, wrapped
from usassist.gui.docks.picker import Picker
from usassist.gui.document import Document
from usassist.gui.document.reading import ClassReading, TextMemory, read_classes
from usassist.gui.settings import Settings

DEBOUNCE_MS = 150
NOT_A_DIAGNOSIS = "Research reading, not a diagnosis"
_TIP = (
    "The model compares the frame with each prompt (cosine similarity, −1 to 1). A class's probability is the softmax, "
    "over the classes listed here only, of the model's scale times the mean similarity of the class's prompts. Other "
    "words give other numbers. It was not validated for any clinical use."
)
_TRAINED_TIP = (
    "The probabilities are the model's own, for the classes it was trained on and no others. It was not validated for "
    "any clinical use."
)


class ClassesDock(Dock):
    """A question, its classes and their prompts, and what the engine reads from them in the frame on screen.

    Nothing is asked while the panel is out of sight, and nothing here changes an annotation. `settings_changed` says
    that `questions` are worth keeping.
    """

    settings_changed = Signal()

    def __init__(self, document: Document, *, settings: Settings | None = None) -> None:
        super().__init__("classes", "Classes", icon="ph.chart-bar-horizontal")
        self._document = document
        self.questions = Questions(settings if settings is not None else Settings())
        self._memory = TextMemory()
        self._reading: ClassReading | None = None
        self._answered: object = None
        self._failed = self._seen = self._trained = False
        self._source = (document.engine_name, document.model_name, document.device)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(DEBOUNCE_MS)
        self._soon.timeout.connect(self._ask)
        self._build()
        self._connect()

    @property
    def reading(self) -> ClassReading | None:
        """Return what is shown of the frame on screen, None while nothing is."""
        return self._reading

    # Building

    def _build(self) -> None:
        self.question_box = Picker("Question", tip="Which classes are told apart")
        self.tree = ClassTree()
        self.tree.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.add_button = tool_button(
            "ph.plus", name="Add a prompt", tip="Add a prompt to the chosen class", on_click=self.tree.add_prompt
        )
        self.more_button = tool_button(
            "ph.dots-three", name="More about classes", tip="Add, reword or remove classes and prompts"
        )
        self.more_button.clicked.connect(lambda: self._menu().exec(_below(self.more_button)))
        row = QHBoxLayout()
        row.setContentsMargins(10, 2, 6, 4)
        row.setSpacing(2)
        row.addWidget(self.question_box, 1)
        row.addSpacing(4)
        row.addWidget(self.add_button)
        row.addWidget(self.more_button)
        self._head = QWidget()
        self._head.setLayout(row)
        self.empty = EmptyState("ph.chart-bar-horizontal", "", "")
        self._stack = QStackedWidget()
        self._stack.addWidget(self.tree)
        self._stack.addWidget(self.empty)
        self.body.addWidget(self._head)
        self.body.addWidget(self._stack, 1)
        self.body.addWidget(self._make_footer())

    def _make_footer(self) -> QWidget:
        self._footer = QWidget()
        self._footer.setObjectName("Footer")
        self._footer.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.state_text = ElidedLabel("", "faint")
        self.caveat_text = ElidedLabel(NOT_A_DIAGNOSIS, "value")
        column = QVBoxLayout(self._footer)
        column.setContentsMargins(14, 5, 10, 6)
        column.setSpacing(1)
        column.addWidget(self.caveat_text)
        column.addWidget(self.state_text)
        return self._footer

    def _connect(self) -> None:
        self.question_box.activated.connect(lambda _index: self.choose(self.question_box.currentData()))
        self.tree.reworded.connect(self._on_tree_reworded)
        self.tree.finished.connect(self.settings_changed)
        self.tree.customContextMenuRequested.connect(self._on_tree_menu)
        self.visibilityChanged.connect(self._on_visible)
        document = self._document
        document.frame_loading.connect(self._forget)
        document.opened.connect(self._forget)
        document.frame_shown.connect(lambda _frame: self._ask_soon())
        document.frame_failed.connect(lambda _key, _reason: self._show_state())
        document.engine_changed.connect(self._on_engine)

    def _menu(self) -> QMenu:
        """Return what can be done with the classes and with what is chosen."""
        menu = context_menu(self)
        what = self.tree.chosen()
        menu.addAction(theme.icon("ph.plus"), "Add a prompt", self.tree.add_prompt)
        menu.addAction(theme.icon("ph.plus"), "Add a class", self.tree.add_class)
        menu.addSeparator()
        reword = menu.addAction(theme.icon("ph.pencil-simple"), f"Reword the {what or 'prompt'}", self.tree.edit_chosen)
        remove = menu.addAction(theme.icon("ph.trash"), f"Remove the {what or 'prompt'}", self.tree.remove_chosen)
        for action in (reword, remove):
            action.setEnabled(bool(what))
        menu.addSeparator()
        reset = menu.addAction(theme.icon("ph.arrow-counter-clockwise"), "Back to the shipped prompts", self.reset)
        reset.setEnabled(self.questions.is_reworded(self.questions.name))
        return menu

    def _on_tree_menu(self, position: QPoint) -> None:
        if not self._trained:
            self.tree.setCurrentIndex(self.tree.indexAt(position))
            self._menu().exec(self.tree.viewport().mapToGlobal(position))

    # Questions

    def fill(self) -> None:
        """Read the vocabulary's questions, the first time the panel is seen."""
        if not self.questions.is_filled:
            self.questions.fill()
            for name in self.questions.names:
                self.question_box.addItem("", name)
            self.choose(self.questions.name)

    def choose(self, question: str) -> None:
        """Ask another question."""
        changed, self.questions.name = question != self.questions.name, question
        self.question_box.setCurrentIndex(self.question_box.findData(question))
        self._show_classes()
        if changed:
            self.settings_changed.emit()

    def reset(self) -> None:
        """Word the question as the vocabulary does again."""
        self.questions.reset()
        self._show_classes()
        self.settings_changed.emit()

    def _show_questions(self) -> None:
        for row, name in enumerate(self.questions.names):
            mark = " · edited" if self.questions.is_reworded(name) else ""
            self.question_box.setItemText(row, f"{title(name)}{mark}")

    def _show_classes(self) -> None:
        """Show the words of the question, without numbers until they are read."""
        self._trained = False
        self._show_questions()
        self.tree.set_classes(self.questions.classes)
        self._take(None)
        self._ask_soon()

    def _on_tree_reworded(self) -> None:
        self.questions.reword(self.tree.classes())
        self._show_questions()
        self._ask_soon()

    # Reading

    def _on_visible(self, visible: bool) -> None:
        self._seen = visible
        if visible:
            self._ask_soon()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        QTimer.singleShot(0, self, self.fill)  # after the paint

    def _on_engine(self) -> None:
        source = (self._document.engine_name, self._document.model_name, self._document.device)
        if source != self._source:
            self._source = source
            self._document.drop_question("classes")
            self._show_classes()
        elif self._document.engine_state == "ready":
            self._ask_soon()
        self._show_state()

    def _forget(self) -> None:
        """Take the numbers away: they belong to a frame that is left."""
        self._document.drop_question("classes")
        self._take(None)

    def _ask_soon(self) -> None:
        self._failed = False
        self._soon.start()
        self._show_state()

    def _ask(self) -> None:
        frame = self._document.frame
        if not self._seen or frame is None or not self.questions.is_filled:
            return
        prompts = self.questions.prompts
        question = (frame.ref.key, prompts, self._source)
        if question == self._answered:
            return

        def arrived(reading: ClassReading | None) -> None:
            self._on_read(frame, reading, question)

        self._document.ask_engine(
            lambda engine: read_classes(engine, frame, prompts=prompts, memory=self._memory),
            about="classes",
            done=arrived,
            failed=self._on_failed,
        )

    def _on_read(self, frame: Frame, reading: ClassReading | None, question: object) -> None:
        if self._document.frame is frame:
            self._take(reading)
            self._answered = question

    def _on_failed(self, _error: Exception) -> None:
        self._take(None)
        self._failed = True
        self._show_state()

    def _take(self, reading: ClassReading | None) -> None:
        """Show a reading; a classifier's classes are its own, and stay until another engine answers."""
        self._reading, self._answered = reading, None
        if reading is not None and reading.trained:
            names: Classes = tuple((name, ()) for name in reading.probabilities)
            if not self._trained or names != self.tree.classes():
                self.tree.set_classes(names, fixed=True)
            self._trained = True
        self.tree.show_reading(reading)
        self._show_state()

    # Saying

    def _show_state(self) -> None:
        document = self._document
        spec = specs().get(document.engine_name)
        usable = document.embeds
        if not usable:
            title = spec.title if spec is not None else document.engine_name
            self.empty.say(
                "This engine knows no classes",
                f"{title} does not compare images with words. Choose CLIP-Mona in the Proposals panel.",
            )
        self._stack.setCurrentWidget(self.tree if usable else self.empty)
        for widget in (self._head, self._footer):
            widget.setVisible(usable)
        for control in (self.question_box, self.add_button, self.more_button):
            control.setEnabled(not self._trained)
        model = self._document.model_name or DEFAULT_MODEL
        self.caveat_text.setText(f"{NOT_A_DIAGNOSIS} · {model}")
        self.caveat_text.setToolTip(wrapped(f"Model: {model}\n{_TRAINED_TIP if self._trained else _TIP}"))
        text, warns = self._state()
        self.state_text.setText(text)
        self.state_text.setToolTip(wrapped(text))
        role = "warning" if warns else "faint"
        if self.state_text.property("role") != role:
            self.state_text.setProperty("role", role)
            self.state_text.style().polish(self.state_text)

    def _state(self) -> tuple[str, bool]:
        """Return one line about where the numbers come from, or why there are none, and whether it is a warning."""
        document, reading = self._document, self._reading
        if reading is not None and reading.warnings:
            return f"Worth little: {reading.warnings[0]}", True
        if reading is not None:
            how = "a classifier's own classes" if reading.trained else "compared with your prompts"
            return f"weights {reading.weights_hash[:8]} · {how}", False
        lacks = self.questions.is_filled and not self._trained and self.questions.prompts is None
        reasons = (
            (document.engine_state == "failed", "The engine gave no answer; press I to try again", True),
            (document.frame is None, "No frame is shown", False),
            (lacks, "Two classes with a prompt each are needed", True),
            (self._failed, "The engine could not answer; the message below the image says why", True),
            (document.engine_state == "starting", "The engine is loading", False),
        )
        found = ((text, warns) for holds, text, warns in reasons if holds)
        return next(found, ("Reading the frame", False))


def _below(widget: QToolButton) -> QPoint:
    return widget.mapToGlobal(QPoint(0, widget.height() + 2))
