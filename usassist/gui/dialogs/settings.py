"""The preferences, one row a field of `Settings`: a new field shows up here by itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from usassist.core.proposers import specs
from usassist.gui.dialogs.dialog import Dialog, caption_for, text_label
from usassist.gui.settings import Settings, account_name

_WORDS: dict[str, tuple[str, str]] = {
    "theme": ("Theme", "Dark suits a reading room."),
    "reader": ("Reader", "Your annotations carry it, from the next opening on."),
    "engine": ("Engine", "What proposes contours when a file opens."),
    "model": ("Model", "Used by engines that need one."),
    "device": ("Device", "Auto takes the graphics card where there is one."),
    "precision": ("Precision", "Lower is faster where the model has a ViT; contours then differ a little."),
    "auto_propose": ("Propose at once", "Ask the engine as soon as an untouched frame opens."),
    "opacity": ("Mask opacity", ""),
    "brush_radius": ("Brush radius", "In pixels of the image."),
}
_HIDDEN = frozenset({"last_folder", "question", "wordings"})
_RANGES: dict[str, tuple[float, float, str]] = {"opacity": (0, 100, " %"), "brush_radius": (0.5, 500, " px")}
_CHOICE_WORDS = {"auto": "Auto", "cpu": "Processor (CPU)", "cuda": "Graphics card (CUDA)"}
_CHOICE_WORDS |= {"fp32": "Exact (float32)", "bf16": "bfloat16", "int8": "8-bit integers, on a processor"}

Choices = Sequence[tuple[str, str]]


class SettingsDialog(Dialog):
    """Edits a copy: `settings()` is what the person wants, once the dialog was accepted."""

    def __init__(self, settings: Settings, *, models: Choices | None = None, parent: QWidget | None = None) -> None:
        super().__init__("Settings", parent=parent)
        self._settings = settings
        self._readers: dict[str, Callable[[], object]] = {}
        self._writers: dict[str, Callable[[Any], None]] = {}
        choices: dict[str, Choices] = {
            "engine": [(spec.name, spec.title) for spec in specs().values()],
            "model": [("", "The engine's own"), *(models if models is not None else _models())],
        }
        form = QFormLayout()
        form.setHorizontalSpacing(24)
        form.setVerticalSpacing(10)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        kinds = get_type_hints(Settings)
        for field in fields(Settings):
            if field.name not in _HIDDEN:
                self._add_row(form, field.name, kind=kinds[field.name], choices=choices)
        self.body.addLayout(form)
        self.body.addStretch(1)
        self.add_button("Restore defaults", self.restore_defaults, left=True)
        self.add_button("Cancel", self.reject)
        self.add_button("Save", self.accept, kind="primary", default=True)
        self._write(settings)
        self.prefer_size(560, 620)

    def settings(self) -> Settings:
        """Return the settings as the dialog shows them; what it does not show stays as it was."""
        shown = {name: read() for name, read in self._readers.items()}
        kept = {name: getattr(self._settings, name) for name in _HIDDEN}
        values: dict[str, Any] = {**kept, **shown}
        return Settings(**values)

    def restore_defaults(self) -> None:
        """Show the defaults; they count once the dialog is accepted."""
        self._write(Settings())

    def _write(self, settings: Settings) -> None:
        for name, write in self._writers.items():
            write(getattr(settings, name))

    def _add_row(self, form: QFormLayout, name: str, *, kind: Any, choices: Mapping[str, Choices]) -> None:
        title, hint = _WORDS.get(name, (name.replace("_", " ").capitalize(), ""))
        editor = self._editor(name, kind=kind, choices=choices.get(name))
        editor.setAccessibleName(title)
        editor.setAccessibleDescription(hint)
        cell = QVBoxLayout()
        cell.setSpacing(3)
        cell.addWidget(editor)
        if hint:
            cell.addWidget(text_label(hint, "faint"))
        form.addRow(caption_for(editor, title), cell)

    def _editor(self, name: str, *, kind: Any, choices: Choices | None) -> QWidget:
        """Return the widget a value of this kind is edited with, and remember how to read and write it."""
        if choices is None and get_origin(kind) is Literal:
            choices = [(value, _CHOICE_WORDS.get(value, str(value).capitalize())) for value in get_args(kind)]
        if choices is not None:
            return self._combo(name, choices)
        if kind is bool:
            box = QCheckBox("On")
            self._readers[name], self._writers[name] = box.isChecked, box.setChecked
            return box
        low, high, suffix = _RANGES.get(name, (0, 1_000_000, ""))
        if kind is int:
            spin = QSpinBox()
            spin.setRange(round(low), round(high))
            spin.setSuffix(suffix)
            _indent(spin)
            self._readers[name], self._writers[name] = spin.value, spin.setValue
            return spin
        if kind is float:
            real = QDoubleSpinBox()
            real.setRange(low, high)
            real.setDecimals(1)
            real.setSuffix(suffix)
            _indent(real)
            self._readers[name], self._writers[name] = real.value, real.setValue
            return real
        line = QLineEdit()
        line.setPlaceholderText(account_name() if name == "reader" else "")
        self._readers[name], self._writers[name] = lambda: line.text().strip(), line.setText
        return line

    def _combo(self, name: str, choices: Choices) -> QComboBox:
        combo = QComboBox()
        combo.setMinimumContentsLength(12)
        combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        for value, words in choices:
            combo.addItem(words, value)

        def write(value: str) -> None:
            if combo.findData(value) < 0:
                combo.addItem(f"{value} (not found)", value)
            combo.setCurrentIndex(combo.findData(value))

        self._readers[name], self._writers[name] = combo.currentData, write
        return combo


def _indent(spin: QAbstractSpinBox) -> None:
    """Let the number begin where the text of the other fields does: style sheets do not reach it."""
    line = spin.findChild(QLineEdit)
    if line is not None:
        line.setTextMargins(6, 0, 0, 0)


def _models() -> Choices:
    from usassist.core.models.weights import list_models

    return [(info.name, info.title or info.name) for info in list_models() if not info.problem]
