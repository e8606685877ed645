"""The canvas: the picture, what was drawn on it, and the mouse."""

from usassist.gui.canvas.view import CanvasView

__all__ = ["CanvasView"]
