"""The window's training: its dialog, what the status bar says of it, and what closing the window means for it."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QMessageBox

if TYPE_CHECKING:
    from usassist.gui.dialogs.train import TrainDialog
    from usassist.gui.main_window.window import MainWindow

CLOSE_TIMEOUT_MS = 5000
"""How long a hidden window waits for a training that was told to stop, before it is killed."""


class WindowTraining(QObject):
    """Makes the dialog when it is first asked for and keeps it, because a training outlives its window being hidden."""

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window)
        self._window = window
        self._stage = "idle"
        self.dialog: TrainDialog | None = None

    def show(self) -> None:
        """Open the dialog, or bring it to the front; the window stays usable."""
        if self.dialog is not None:
            self._raise(self.dialog)
        else:
            # What it counts with is imported on a lane: it takes longer than a click may.
            self._window.document.lane_io.submit(_load, done=self._make, key="train")

    def _make(self, kind: "type[TrainDialog]") -> None:
        if self.dialog is None:
            self.dialog = kind(self._window.document, parent=self._window)
            self.dialog.training.changed.connect(self._on_training)
            self.dialog.model_added.connect(self._on_model_added)
        self._raise(self.dialog)

    @staticmethod
    def _raise(dialog: "TrainDialog") -> None:
        dialog.show()
        dialog.raise_()
        dialog.activateWindow()

    def may_close(self) -> bool:
        """Return whether the window may close, asking where a training would be stopped by that."""
        if self.dialog is None or not self.dialog.training.is_running:
            return True
        answer = QMessageBox.question(
            self._window,
            "A model is being trained",
            "Closing usassist stops the training; what was kept so far stays in its folder. Stop it and close?",
            QMessageBox.StandardButton.Close | QMessageBox.StandardButton.Cancel,
            QMessageBox.StandardButton.Cancel,
        )
        return answer == QMessageBox.StandardButton.Close

    def close(self) -> None:
        """End whatever still runs; the window is hidden already."""
        if self.dialog is not None:
            self.dialog.close_down(timeout_ms=CLOSE_TIMEOUT_MS)
            self.dialog.hide()

    def _on_training(self) -> None:
        if self.dialog is None:
            return
        training, plan = self.dialog.training, self.dialog.training.plan
        words = ""
        if training.stage == "training" and plan is not None:
            words = f"Training {training.epochs[-1].number if training.epochs else 0}/{plan.epochs}"
        elif training.stage == "comparing":
            words = "Measuring the new model"
        self._window.status.training.setText(words)
        self._window.status.training.setVisible(bool(words))
        if training.stage != self._stage:
            self._stage = training.stage
            if training.stage == "failed":
                self._window.status.say(f"The training came to nothing. {training.problem}", "\n".join(training.tail))
            elif training.stage == "done":
                self._window.status.say("The training is done; Model > Train on accepted frames shows what it came to.")

    def _on_model_added(self, name: str) -> None:
        self._window.proposals.question.fill()
        self._window.status.say(f"The model {name} was added and is in use.")


def _load() -> "type[TrainDialog]":
    from usassist.gui.dialogs.train import TrainDialog

    return TrainDialog
