"""Steers the real window as a person does: opens, waits for signals, presses keys, drags the mouse, takes pictures.

Shared by the scripts of this folder. Nothing here looks behind the window: it acts through actions and mouse events and
reads the document that every view reads.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QEvent, QEventLoop, QPoint, QPointF, Qt, QTimer
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication

from usassist.core.domain import Mask, Reader, Region
from usassist.gui import theme
from usassist.gui.app import make_app
from usassist.gui.document import Document
from usassist.gui.main_window import MainWindow
from usassist.gui.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "resources" / "sample"
SIZE = (1366, 768)
READER = Reader("demo", "Demo")


class StuckError(Exception):
    """What was waited for did not happen."""


@dataclass
class Heard:
    """What the document said since the last look; `answers` counts proposals_changed since the frame came."""

    frames: int = 0
    answers: int = 0
    failures: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)


class Steered:
    """A window that is open, and what its document says."""

    def __init__(self, window: MainWindow) -> None:
        self.window = window
        self.document = window.document
        self.heard = Heard()
        self.document.frame_shown.connect(self._on_frame_shown)
        self.document.proposals_changed.connect(self._on_proposals_changed)
        self.document.frame_failed.connect(lambda _key, reason: self.heard.failures.append(reason))
        self.document.message.connect(lambda text, details: self.heard.messages.append(f"{text} {details}".strip()))

    def _on_frame_shown(self, _frame: object) -> None:
        self.heard.frames += 1
        self.heard.answers = 0

    def _on_proposals_changed(self, _key: str) -> None:
        self.heard.answers += 1

    def open(self, paths: Sequence[Path], *, project: Path) -> None:
        """Open paths with their work in `project`, and wait for the first frame."""
        self._moving(lambda: self.document.open_paths(list(paths), project_dir=project))

    def go(self, source_index: int, frame_index: int = 0) -> None:
        """Go to a frame and wait until it is on screen."""
        ref = self.document.ref
        there = self.document.source_index == source_index and ref is not None and ref.index == frame_index
        if not there:
            self._moving(lambda: self.document.show(source_index, frame_index))

    def _moving(self, go: Callable[[], None]) -> None:
        before, failed = self.heard.frames, len(self.heard.failures)
        go()
        wait(lambda: self.heard.frames > before or len(self.heard.failures) > failed, "a frame", hint=self._last_words)
        if len(self.heard.failures) > failed:
            raise StuckError(self.heard.failures[-1])

    def wait_for_answer(self, *, seconds: float = 120.0) -> None:
        """Wait until the engine has answered about the frame on screen; an answer may be that there is nothing."""
        # The first signal comes with the frame itself and says only what waited for it from before.
        wait(
            lambda: self.heard.answers >= 2 or bool(self.document.proposals) or self.document.engine_state == "failed",
            "a proposal",
            seconds=seconds,
            hint=self._last_words,
        )
        if self.document.engine_state == "failed":
            raise StuckError(f"The engine failed: {self._last_words()}")

    def act(self, action_id: str) -> None:
        """Do what a menu entry or its key does."""
        action = self.window.bindings[action_id]
        if not action.isEnabled():
            raise StuckError(f"The action {action_id} is not available now.")
        action.trigger()
        settle()

    def drag(self, points: Sequence[tuple[float, float]]) -> None:
        """Press the left button at the first image point (x, y), move over the others, release at the last."""
        self._mouse(QEvent.Type.MouseButtonPress, points[0], held=True)
        for point in points[1:]:
            self._mouse(QEvent.Type.MouseMove, point, held=True)
        self._mouse(QEvent.Type.MouseButtonRelease, points[-1], held=False)
        settle()

    def hover(self, point: tuple[float, float]) -> None:
        """Move the mouse to an image point."""
        self._mouse(QEvent.Type.MouseMove, point, held=False)
        settle()

    def _mouse(self, kind: QEvent.Type, point: tuple[float, float], *, held: bool) -> None:
        viewport = self.window.canvas.viewport()
        at = self.window.canvas.viewportTransform().map(QPointF(*point))
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        button = none if kind == QEvent.Type.MouseMove else left
        place = QPointF(viewport.mapToGlobal(QPoint(round(at.x()), round(at.y()))))
        event = QMouseEvent(kind, at, place, button, left if held else none, Qt.KeyboardModifier.NoModifier)
        QApplication.sendEvent(viewport, event)

    def regions(self) -> tuple[Region, ...]:
        """Return the regions of the frame on screen."""
        annotation = self.document.annotation
        return annotation.regions if annotation is not None else ()

    def picture(self, path: Path) -> Path:
        """Write what the window looks like now."""
        settle(0.15)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not self.window.grab().save(str(path)):
            raise StuckError(f"The screenshot {path} could not be written.")
        return path

    def _last_words(self) -> str:
        return self.heard.messages[-1] if self.heard.messages else "nothing was said"


def wait(condition: Callable[[], bool], what: str, *, seconds: float = 60.0, hint: Callable[[], str] = str) -> None:
    """Run the event loop until the condition holds; raises StuckError when it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise StuckError(f"Waited {seconds:.0f} s for {what}; {hint()}")
        settle(0.005)


def settle(seconds: float = 0.02) -> None:
    """Let the event loop run for a moment."""
    loop = QEventLoop()
    QTimer.singleShot(round(seconds * 1000), loop.quit)
    loop.exec()


@contextmanager
def opened(settings: Settings, *, auto_propose: bool = True) -> Iterator[Steered]:
    """Open a window of its usual size and close it in the end, which saves what is left to save."""
    app = make_app()
    theme.apply(app, settings.theme)
    document = Document(
        reader=READER,
        engine=settings.engine,
        model=settings.model or None,
        device=settings.device,
        auto_propose=auto_propose,
    )
    window = MainWindow(document, settings=settings)
    window.resize(*SIZE)
    window.show()
    settle()
    try:
        yield Steered(window)
    finally:
        window.close()
        window.deleteLater()
        settle()


def dice(mask: Mask, truth: Mask) -> float:
    """Return the Dice of two masks of a frame; 1 where both are empty."""
    both = mask.to_array() & truth.to_array()
    total = mask.area + truth.area
    return 2 * int(both.sum()) / total if total else 1.0


def table(rows: Sequence[Sequence[str]], *, header: Sequence[str]) -> str:
    """Return aligned columns."""
    widths = [max(len(row[index]) for row in (header, *rows)) for index in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    head = "  ".join(cell.ljust(width) for cell, width in zip(header, widths, strict=True)).rstrip()
    return "\n".join([head, "-" * len(head), *lines])


def fail(text: str) -> int:
    """Say on stderr what went wrong and return the exit status 1."""
    print(text, file=sys.stderr)
    return 1
