"""After a crash: which frames have work that was not saved, and what to do with it."""

from collections.abc import Callable, Sequence
from typing import Literal

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QListWidget, QListWidgetItem, QWidget

from usassist.core.domain import Annotation
from usassist.gui.dialogs.dialog import Dialog

Answer = Literal["later", "restore", "discard"]


class RecoveryDialog(Dialog):
    """Lists unsaved frames with a check mark each; nothing is lost unless the person says so.

    After it closed, `answer` says what to do with `chosen()`; frames that are not checked keep their draft and are
    asked about the next time. `name_of(frame_key)` gives the words a person knows a frame by.
    """

    def __init__(
        self, drafts: Sequence[Annotation], *, name_of: Callable[[str], str] = str, parent: QWidget | None = None
    ) -> None:
        count = len(drafts)
        frames = "One frame has" if count == 1 else f"{count} frames have"
        super().__init__(
            "Restore unsaved work?",
            intro=f"usassist did not close properly the last time. {frames} work that was not saved.",
            parent=parent,
        )
        self._drafts = tuple(drafts)
        self.answer: Answer = "later"
        self.list = QListWidget()
        self.list.setObjectName("Boxed")
        self.list.setAccessibleName("Frames with unsaved work")
        for draft in drafts:
            item = QListWidgetItem(f"{name_of(draft.frame_key)}   ·   {_summary(draft)}")
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Checked)
            item.setToolTip(draft.frame_key)
            self.list.addItem(item)
        self.list.itemChanged.connect(lambda _item: self._show_buttons())
        self.body.addWidget(self.list, 1)
        self.discard_button = self.add_button("Discard", lambda: self._close("discard"), kind="danger", left=True)
        self.discard_button.setToolTip("Delete the unsaved work of the checked frames for good")
        self.add_button("Decide later", self.reject).setToolTip("Keep everything as it is and ask the next time")
        self.restore_button = self.add_button("Restore", lambda: self._close("restore"), kind="primary", default=True)
        self._show_buttons()
        self.prefer_size(560, 380)
        self.restore_button.setFocus()

    def chosen(self) -> tuple[Annotation, ...]:
        """Return the drafts that are checked."""
        pairs = zip(self._drafts, range(self.list.count()), strict=True)
        return tuple(draft for draft, row in pairs if self.list.item(row).checkState() == Qt.CheckState.Checked)

    def _close(self, answer: Answer) -> None:
        self.answer = answer
        self.accept()

    def _show_buttons(self) -> None:
        count = len(self.chosen())
        some = f" {count} of {len(self._drafts)}" if 0 < count < len(self._drafts) else ""
        self.restore_button.setText(f"Restore{some}")
        self.discard_button.setText(f"Discard{some}")
        self.restore_button.setEnabled(count > 0)
        self.discard_button.setEnabled(count > 0)


def _summary(draft: Annotation) -> str:
    count = len(draft.regions)
    if count:
        return "1 region" if count == 1 else f"{count} regions"
    return "nothing to segment" if draft.status == "accepted" else draft.status
