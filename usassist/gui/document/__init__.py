"""The open project as the window sees it: one object with signals, read by every view, changed by commands only."""

from usassist.gui.document.document import Document
from usassist.gui.document.proposing import EngineState

__all__ = ["Document", "EngineState"]
