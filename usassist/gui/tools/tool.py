"""What every tool of the canvas is, what it is told, and what it may ask of the canvas."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QKeyEvent, QPainter

from usassist.core.domain import Mask, Proposal
from usassist.gui.tools.draw import around

if TYPE_CHECKING:
    from usassist.gui.document import Document

Button = Literal["left", "right", "middle", "none"]


@dataclass(frozen=True, slots=True)
class ToolEvent:
    """One thing the mouse did: `x`, `y` in image pixels, centres at integers, not clipped to the image.

    `button` is the one that went down or up; in a move it is the one that is held, "none" while hovering.
    """

    x: float
    y: float
    button: Button = "none"
    shift: bool = False
    ctrl: bool = False
    alt: bool = False


class ToolSurface(Protocol):
    """What a tool sees of the canvas; `scale` is screen pixels per image pixel."""

    @property
    def document(self) -> "Document": ...

    @property
    def scale(self) -> float: ...

    def refresh(self, area: QRectF | None = None) -> None:
        """Ask for the tool's own drawing to be repainted: `area` in image pixels, everything where None."""

    def set_cursor(self, shape: Qt.CursorShape) -> None:
        """Show another mouse cursor over the canvas."""

    def pan_by(self, dx: float, dy: float) -> None:
        """Move the picture by image pixels: what lay at (x, y) then lies where (x + dx, y + dy) was."""

    def preview_stroke(self, added: Mask, *, whole: Mask, erase: bool, waiting: Sequence[Proposal]) -> None:
        """Show what the `whole` stroke so far would do to the region it changes; only `added` is repainted.

        `waiting` are the proposals that it may accept.
        """

    def preview_mask(self, region_id: str, mask: Mask) -> None:
        """Show `mask` in place of a region's own mask."""

    def clear_preview(self) -> None:
        """Show the annotation as it is."""


class Tool(Protocol):
    """A way to use the mouse on the canvas; a tool changes an annotation through commands only."""

    id: str
    title: str
    icon: str
    hint: str

    @property
    def is_open(self) -> bool:
        """Return whether something is begun and not finished; an open tool takes Enter, Backspace and Esc first."""

    def activate(self, surface: ToolSurface) -> None: ...
    def deactivate(self) -> None: ...
    def press(self, e: ToolEvent) -> None: ...
    def move(self, e: ToolEvent) -> None: ...
    def release(self, e: ToolEvent) -> None: ...
    def double_click(self, e: ToolEvent) -> None: ...
    def leave(self) -> None: ...
    def cancel(self) -> None: ...

    def finish(self) -> None:
        """Do what is begun, as far as it goes, because the frame is about to be left; what cannot be kept is said."""

    def wheel(self, delta: float, e: ToolEvent) -> bool:
        """Return whether the tool used the wheel; `delta` is in notches, positive away from the person."""

    def takes(self, key: int) -> bool:
        """Return whether a press of `key` belongs to the tool now, even where the window has a shortcut on it."""

    def key(self, event: QKeyEvent) -> bool:
        """Return whether the tool used the key."""

    def paint(self, painter: QPainter, scale: float) -> None:
        """Draw on top of the picture, in image coordinates; `scale` is screen pixels per image pixel."""


OPEN_KEYS = frozenset({Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Backspace, Qt.Key.Key_Escape})


class BaseTool:
    """A tool that does nothing: each tool overrides what it needs. `surface` is there while the tool is active."""

    id = "base"
    title = ""
    icon = ""
    hint = ""
    cursor = Qt.CursorShape.ArrowCursor

    def __init__(self) -> None:
        self._surface: ToolSurface | None = None

    @property
    def surface(self) -> ToolSurface:
        """Return the canvas this tool is active on; RuntimeError where it is not active."""
        if self._surface is None:
            raise RuntimeError(f"The tool {self.id!r} is not active on a canvas.")
        return self._surface

    @property
    def is_open(self) -> bool:
        return False

    def activate(self, surface: ToolSurface) -> None:
        self._surface = surface
        surface.set_cursor(self.cursor)
        surface.refresh()

    def deactivate(self) -> None:
        if self._surface is not None:
            self.cancel()
            self._surface.refresh()
            self._surface = None

    def redraw(self, points: Iterable[tuple[float, float]], *, reach: float = 10.0) -> None:
        """Repaint around image points, `reach` screen pixels further on every side."""
        if self._surface is not None:
            area = around(points, reach / self._surface.scale)
            if not area.isEmpty():
                self._surface.refresh(area)

    def press(self, e: ToolEvent) -> None:
        """Do nothing."""

    def move(self, e: ToolEvent) -> None:
        """Do nothing."""

    def release(self, e: ToolEvent) -> None:
        """Do nothing."""

    def double_click(self, e: ToolEvent) -> None:
        """Take a double click as a second press, which is what a quick person means."""
        self.press(e)

    def leave(self) -> None:
        """Do nothing."""

    def cancel(self) -> None:
        """Forget what is begun."""

    def finish(self) -> None:
        """Forget what is begun."""
        self.cancel()

    def wheel(self, delta: float, e: ToolEvent) -> bool:
        return False

    def takes(self, key: int) -> bool:
        return self.is_open and key in OPEN_KEYS

    def key(self, event: QKeyEvent) -> bool:
        """Take Esc while something is open."""
        if self.is_open and event.key() == Qt.Key.Key_Escape:
            self.cancel()
            return True
        return False

    def paint(self, painter: QPainter, scale: float) -> None:
        """Draw nothing."""
