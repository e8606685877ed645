"""What the engine is asked: which engine, which model, which words, and whether its answers mean anything."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from usassist.core.captions.known_texts import Doubt, titles
from usassist.core.domain import Prompt
from usassist.core.models.token_count import TokenCount
from usassist.core.models.weights import DEFAULT_MODEL, ModelInfo
from usassist.core.proposers import ProposerSpec
from usassist.core.proposers.unlearned import doubt_of_text
from usassist.gui import theme
from usassist.gui.docks.dock import ElidedLabel, Field, wrapped
from usassist.gui.docks.picker import Picker
from usassist.gui.document import Document, EngineState

Engines = Callable[[], Mapping[str, ProposerSpec]]
Models = Callable[[], Sequence[ModelInfo]]

DEBOUNCE_MS = 200
LONG = 0.6
"""A text that fills more than this part of the encoder's context is a long one."""
_MOST = 1000
"""So many characters are taken: more is never judged, and a text tower reads fewer."""
_STATES: dict[EngineState, str] = {"off": "not loaded", "starting": "loading", "ready": "ready", "failed": "failed"}


class Question(QWidget):
    """Pickers for engine and model, a field for the text, and one line that says where the answers come from."""

    asked = Signal()
    """Enter was pressed in the text."""
    shown = Signal()
    """Something this form says has changed."""

    def __init__(self, document: Document, *, engines: Engines, models: Models) -> None:
        super().__init__()
        self._document = document
        self._engines, self._models = engines, models
        self._specs: Mapping[str, ProposerSpec] = {}
        self._infos: Sequence[ModelInfo] = ()
        self._filled = False
        self.is_listed = False
        self._tokens: TokenCount | None = None
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(DEBOUNCE_MS)
        self._soon.timeout.connect(self._show_state)
        self._soon.timeout.connect(self._count_tokens)
        self._build()
        self.engine_box.activated.connect(lambda _index: self._on_engine_picked())
        self.model_box.activated.connect(lambda _index: self._on_model_picked())
        self.prompt_field.textChanged.connect(document.set_prompt_text)
        self.prompt_field.textChanged.connect(lambda _text: self._soon.start())
        self.prompt_field.returnPressed.connect(self.asked)
        document.text_dropped.connect(self.prompt_field.clear)
        document.labels_changed.connect(self._show_prompt)
        document.active_label_changed.connect(lambda _label_id: self._show_prompt())
        document.engine_changed.connect(self._on_engine)
        self._show_prompt()

    def _build(self) -> None:
        self.engine_box, self.model_box, self.prompt_field = Picker("Engine"), Picker("Model"), Field()
        self.prompt_field.setAccessibleName("Text prompt")
        self.prompt_field.setClearButtonEnabled(True)
        self.prompt_field.setMaxLength(_MOST)
        self.prompt_field.addAction(theme.icon("ph.text-aa"), Field.ActionPosition.LeadingPosition)
        warns = theme.icon("ph.warning-circle-fill", tone="warning")
        self._doubtful = self.prompt_field.addAction(warns, Field.ActionPosition.TrailingPosition)
        self._doubtful.setVisible(False)
        self.state_text = ElidedLabel("", "faint")
        self.state_text.setContentsMargins(4, 0, 0, 0)
        pickers = QHBoxLayout()
        pickers.setSpacing(6)
        pickers.addWidget(self.engine_box, 1)
        pickers.addWidget(self.model_box, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(10, 2, 10, 4)
        column.setSpacing(6)
        column.addLayout(pickers)
        column.addWidget(self.prompt_field)
        self.state_line = QHBoxLayout()
        self.state_line.addWidget(self.state_text, 1)
        column.addLayout(self.state_line)

    @property
    def lacks_model(self) -> bool:
        """Return whether the engine needs a model and no usable one is installed."""
        if self._folder():
            return False
        return self.is_listed and self._needs_model() and all(info.problem for info in self._infos)

    @property
    def doubt(self) -> Doubt | None:
        """Return why the answer to what is asked now means nothing, as far as the model's description tells."""
        info = self._chosen_model() if self._needs_model() else None
        text = self.prompt_field.text().strip() or self._own_words()
        return doubt_of_text(info.config if info is not None else None, text)

    @property
    def learned(self) -> str:
        """Return a sentence about what the model learned to find, "" where that is not known."""
        info = self._chosen_model() if self._needs_model() else None
        known = info.config.learned_targets if info is not None and info.config is not None else ()
        return f"The model learned {titles(known)}." if known else ""

    def prompt(self) -> Prompt | None:
        """Return the written question about the label that it asks for, None where nothing is written."""
        text = self.prompt_field.text().strip()
        return Prompt(self._document.asked_label_id, text=text) if text and self.prompt_field.isEnabled() else None

    def fill(self) -> None:
        """Look for engines and models (again); what the document uses stays chosen.

        Models are looked for on the io lane: the hash of their weights takes a while the first time.
        """
        self._filled = True
        self._specs = self._engines()
        self.engine_box.clear()
        for spec in self._specs.values():
            self.engine_box.addItem(spec.title, spec.name)
        self._show_engine()
        self._document.lane_io.submit(self._models, done=self._on_models, key="models")

    def _on_engine(self) -> None:
        if self._document.engine_state != "ready":
            self._tokens = None  # another model may read more, or less
        self._show_engine()

    def _count_tokens(self) -> None:
        """Ask how much of the text is read, of an engine that runs: none is started for that."""
        if self._document.engine_state != "ready" or not self.prompt_field.isEnabled():
            return
        text = self.prompt_field.text().strip() or self._own_words()
        self._document.ask_engine(lambda engine: engine.count_tokens([text])[0], about="tokens", done=self._on_counted)

    def _on_counted(self, count: TokenCount) -> None:
        self._tokens = count
        self._show_state()

    def _on_models(self, found: Sequence[ModelInfo]) -> None:
        self._infos, self.is_listed = found, True
        self.model_box.clear()
        for row, info in enumerate(found):
            self.model_box.addItem(f"{info.name} (damaged)" if info.problem else info.name, info.name)
            tip = f"{info.title or info.name}\n{info.problem or info.folder}"
            self.model_box.setItemData(row, tip, Qt.ItemDataRole.ToolTipRole)
            item_model = self.model_box.model()
            if info.problem and isinstance(item_model, QStandardItemModel):
                item_model.item(row).setEnabled(False)
        self._show_engine()

    def _show_engine(self) -> None:
        self.engine_box.setCurrentIndex(self.engine_box.findData(self._document.engine_name))
        needs_model = self._needs_model()
        wanted = self.model_box.findData(self._document.model_name or DEFAULT_MODEL)
        self.model_box.setCurrentIndex(wanted if needs_model else -1)
        self.model_box.setEnabled(needs_model and bool(self._infos))
        tip = self.model_box.currentData(Qt.ItemDataRole.ToolTipRole)
        self.model_box.setToolTip(f"Model: {tip}" if tip else "Model")
        missing = self._folder() or ("No model" if self.is_listed else "Looking")
        self.model_box.setPlaceholderText(missing if needs_model else "Needs none")
        self._show_state()
        self._show_prompt()
        self.shown.emit()

    def _needs_model(self) -> bool:
        spec = self._specs.get(self._document.engine_name)
        return spec is not None and "weights" in spec.requires

    def _on_engine_picked(self) -> None:
        """Ask another engine; the chosen model stays chosen beside one that needs none."""
        engine = self.engine_box.currentData()
        if engine is not None and engine != self._document.engine_name:
            self._document.set_engine(engine, self._document.model_name or None)

    def _on_model_picked(self) -> None:
        model = self.model_box.currentData()
        if model is not None and model != (self._document.model_name or DEFAULT_MODEL):
            self._document.set_engine(self._document.engine_name, model)

    def _show_state(self) -> None:
        """Say in one line where the answers come from, and whether they can be trusted at all."""
        info = self._chosen_model()
        parts = []
        warning = False
        count, doubt = self._tokens, self.doubt
        if not self._filled:
            pass
        elif not self._needs_model():
            parts = ["Needs no model"]
        elif not self.is_listed:
            parts = ["Looking for models"]
        elif info is None and self._folder() and count is None:
            parts = [f"Model in the folder {self._folder()}", _STATES[self._document.engine_state]]
        elif info is None and not self._folder():
            parts, warning = ["No trained model: nothing can be proposed"], True
        elif info is not None and info.problem:
            parts, warning = [f"Damaged: {info.problem}"], True
        elif doubt is not None:
            parts, warning = [doubt.short], True
        elif count is not None and count.cut_text:
            parts, warning = [f"{count.used} of {count.room} tokens", f"not read: {count.cut_text}"], True
        elif count is not None and count.used > LONG * count.room:
            parts = [f"{count.used} of {count.room} tokens", "all of it is read"]
        elif info is not None:
            parts = [f"{info.origin} model", f"weights {info.weights_hash[:8]}", _STATES[self._document.engine_state]]
        self.state_text.setText(" · ".join(part for part in parts if part))
        self.state_text.setToolTip(wrapped(doubt.sentence if doubt is not None else self.state_text.text()))
        self._doubtful.setVisible(doubt is not None)
        self._doubtful.setToolTip(wrapped(doubt.sentence if doubt is not None else ""))
        role = "warning" if warning else "faint"
        if self.state_text.property("role") != role:
            self.state_text.setProperty("role", role)
            self.state_text.style().polish(self.state_text)

    def _chosen_model(self) -> ModelInfo | None:
        name = self.model_box.currentData()
        return next((info for info in self._infos if info.name == name), None)

    def _folder(self) -> str:
        """Return the name of the folder that the model in use lies in where it is not among the listed; else ""."""
        name = self._document.model_name
        listed = any(info.name == (name or DEFAULT_MODEL) for info in self._infos)
        return Path(name).name if name and not listed and Path(name).is_dir() else ""

    def _show_prompt(self) -> None:
        deaf = self._deaf()
        self.prompt_field.setEnabled(not deaf)
        self._document.set_prompt_text("" if deaf else self.prompt_field.text())  # else its words would name the answer
        self.prompt_field.setPlaceholderText(deaf or self._own_words() or "what to look for")
        self._soon.start()
        tip = "What to look for, in words; empty uses the label's own words. Enter asks."
        self.prompt_field.setToolTip(wrapped(f"{tip} {self.learned}".rstrip()))

    def _deaf(self) -> str:
        """Return why no text changes the answers, "" where one does or nothing is known yet."""
        spec = self._specs.get(self._document.engine_name)
        if spec is not None and "text" not in spec.prompts:
            return "This engine takes no text"
        info = self._chosen_model() if self._needs_model() else None
        config = info.config if info is not None else None
        if config is not None and config.task != "segment":
            return "This model draws no masks"
        if config is None or config.follows_text or len(config.classes) > 1:  # a class's name asks for that class
            return ""
        return "This model takes no text"

    def _own_words(self) -> str:
        """Return what is asked while nothing is written."""
        active = self._document.active_label if self._document.labels else None
        return (active.caption or active.name) if active is not None else ""
