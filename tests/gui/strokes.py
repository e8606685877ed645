"""Drawing on the frame on screen, as a brush does."""

import numpy as np

from usassist.core.geometry.brush import stroke_mask
from usassist.gui import commands
from usassist.gui.document import Document


def dab(document: Document, x: float, y: float, *, erase: bool = False, radius: float = 3) -> None:
    """Press a round brush once, at a place and with a radius in pixels."""
    commands.paint.paint(document, stroke_mask(np.array([[x, y]]), radius, document.frame.shape), erase=erase)
