"""Clicks and boxes: steps of a question to the engine, each taken back by itself; accepting changes a region."""

import math
from dataclasses import replace

from PySide6.QtGui import QUndoCommand

from usassist.core.domain import Box, Prompt, PromptPoint
from usassist.gui.commands import proposal as proposal_commands
from usassist.gui.commands.command import current
from usassist.gui.document import Document

MOST_CLICKS = 200
"""A question of more clicks than a person needs is a stuck button."""
_REFINES = "The clicks refine the selected region; press Esc twice to begin another one."
_BESIDE_THE_SCAN = "The scan does not reach there, and a proposal never leaves it: click inside the scan."
_NO_ANSWER = "There is no outline for these clicks to accept: wait for the engine, or click again."


class PointStep(QUndoCommand):
    """Asks with one more click or another box; undone, it asks as before."""

    def __init__(self, document: Document, after: Prompt, *, text: str) -> None:
        super().__init__(text)
        self._document = document
        self._before, self._after = document.clicks, after

    def redo(self) -> None:
        self._document.ask_by_clicks(self._after)

    def undo(self) -> None:
        self._document.ask_by_clicks(self._before)


def add_point(document: Document, x: float, y: float, *, positive: bool) -> None:
    """Ask again with a click at pixel (x, y) that belongs to the object, or does not."""
    if not _can_ask(document):
        return
    frame = document.frame
    if frame is not None and frame.regions and frame.region_at(math.floor(y + 0.5), math.floor(x + 0.5)) is None:
        document.message.emit(_BESIDE_THE_SCAN, "")
        return
    question = document.next_question()
    if len(question.points) >= MOST_CLICKS:
        document.message.emit(f"More than {MOST_CLICKS} clicks are not asked; accept the outline, or press Esc.", "")
        return
    points = (*question.points, PromptPoint(x, y, positive))
    _step(document, replace(question, points=points), text="Click inside" if positive else "Click outside")


def set_box(document: Document, box: Box) -> None:
    """Ask again with a box around the object; it takes the place of a box before it.

    A box says where the object is anew, so the mask before it is not asked along.
    """
    if _can_ask(document):
        _step(document, replace(document.next_question(), box=box, mask=None), text="Draw a box")


def take_back(document: Document) -> None:
    """Take the last click or box back and ask without it."""
    document.click_stack.undo()


def accept(document: Document) -> bool:
    """Accept the answer to the clicks in one undo step; return False where there is none yet.

    No region is selected afterwards, so that the next click begins another object.
    """
    answer = document.click_answer
    if answer is None:
        document.message.emit(_NO_ANSWER, "")
        return False
    if not proposal_commands.accept_proposal(document, answer):
        return False
    document.select_region(None)
    return True


def _can_ask(document: Document) -> bool:
    if current(document) is None:
        return False
    if document.why_no_clicks:
        document.message.emit(document.why_no_clicks, "")
    return not document.why_no_clicks


def _step(document: Document, after: Prompt, *, text: str) -> None:
    if document.clicks is None and document.region_to_refine is not None:
        document.message.emit(_REFINES, "")
    document.push_click(PointStep(document, after, text=text))
