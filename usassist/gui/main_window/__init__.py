"""The window: it puts tools, canvas and panels together and binds actions to what they do."""

from usassist.gui.main_window.window import MainWindow

__all__ = ["MainWindow"]
