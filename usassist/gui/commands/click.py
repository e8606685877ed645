"""Clicks and boxes: steps of a question to the engine, each taken back by itself; accepting changes a region."""

import math
from dataclasses import replace

from PySide6.QtGui import QUndoCommand

from usassist.core.domain import Box, Mask, Prompt, PromptPoint, Proposal, Region
from usassist.core.geometry.meant import away_from, is_meant
from usassist.core.geometry.raster import pixels_in
from usassist.core.io.scan import scan_box
from usassist.gui.commands import proposal as proposal_commands
from usassist.gui.commands.command import current
from usassist.gui.document import Document

MOST_CLICKS = 200
"""A question of more clicks than a person needs is a stuck button."""
_LEAST_BOX = 2
_REFINES = "Refining the selected region; Esc twice begins another."
_ANOTHER = "A new object; to refine the region, click on it or close to it."
_BESIDE = "A new object; the other outline waits: click close to it to correct it."
_BESIDE_THE_SCAN = "The scan does not reach there: click inside the scan."
_BOX_BESIDE_THE_SCAN = "The scan does not reach there: draw the box around something in it."
_NOTHING_TO_CORRECT = "There is no outline here to take away from; click what belongs to the object first."
_NO_ANSWER = "There is no outline for these clicks to accept: wait for the engine, or click again."
_NOT_KNOWN_YET = "It is not known yet whether the model follows clicks; click again in a moment."


class PointStep(QUndoCommand):
    """Asks with one more click or another box; undone, it asks as before."""

    def __init__(self, document: Document, after: Prompt, *, corrects: tuple[Proposal, ...], text: str) -> None:
        super().__init__(text)
        self._document = document
        self._before, self._after, self._corrects = document.clicks, after, corrects

    def redo(self) -> None:
        self._document.ask_by_clicks(self._after, corrects=self._corrects)

    def undo(self) -> None:
        self._document.ask_by_clicks(self._before)


def add_point(document: Document, x: float, y: float, *, positive: bool, near: float = 0.0) -> None:
    """Ask again with a click at pixel (x, y) that belongs to the object, or does not.

    The first click chooses what is refined: the selected region, unless the click belongs to an object elsewhere (not
    `is_meant` for it, `near` pixels are); else the region under it of the label asked for; else an outline that waits,
    by the same measure; else a new object begins, and what waits goes on waiting beside it.
    """
    frame = document.frame
    if not _can_ask(document) or frame is None:
        return
    row, col = math.floor(y + 0.5), math.floor(x + 0.5)
    if not scan_box(frame).contains(row, col):
        document.message.emit(_BESIDE_THE_SCAN, "")
        return
    outline = None
    if document.clicks is None:
        corrected = _corrected(document)
        _keep_to_selection(document, not positive or corrected is None or is_meant(corrected, x, y, near=near))
        is_chosen = _choose_under(document, row, col)
        outline = _outline_meant(document, x, y, positive=positive, near=near)
        if not is_chosen and not positive and outline is None:
            document.message.emit(_NOTHING_TO_CORRECT, "")
            return
    question = document.next_question(outline)
    if len(question.points) >= MOST_CLICKS:
        document.message.emit(f"More than {MOST_CLICKS} clicks are not asked; accept the outline, or press Esc.", "")
        return
    points = (*question.points, PromptPoint(x, y, positive))
    corrects = (outline,) if outline is not None else ()
    text = "Click inside" if positive else "Click outside"
    document.push_click(PointStep(document, replace(question, points=points), corrects=corrects, text=text))


def set_box(document: Document, box: Box) -> None:
    """Ask again with a box around the object, cut to the scan; it takes the place of a box before it.

    A box says where the object is anew, so the mask before it is not asked along. The first one refines the selected
    region where it holds most of that, else the region of the active label that it is drawn around; an outline that
    waits and has nothing in the box goes on waiting.
    """
    frame = document.frame
    if not _can_ask(document) or frame is None:
        return
    inside = box.intersection(scan_box(frame))
    if min(inside.height, inside.width) < _LEAST_BOX:
        document.message.emit(_BOX_BESIDE_THE_SCAN, "")
        return
    if document.clicks is None:
        _keep_to_selection(document, _surrounds(inside, _corrected(document)))
        _choose(document, [region for region in _drawn(document) if _is_around(inside, region.mask.box)])
    corrects = tuple(item for item in document.waiting_outlines if item.refines or _has_in(inside, item.mask))
    after = replace(document.next_question(), box=inside, mask=None)
    document.push_click(PointStep(document, after, corrects=corrects, text="Draw a box"))


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
    why = _NOT_KNOWN_YET if document.finds_out_clicks else document.why_no_clicks
    if why:
        document.message.emit(why, "")
    return not why


def _corrected(document: Document) -> Mask | None:
    """Return what clicks on the selected region correct: its mask, or the outline that waits for it."""
    if document.selected_region is None:
        return None
    mask = document.next_question(next(iter(document.waiting_outlines), None)).mask
    return None if mask is None or mask.is_empty else mask


def _keep_to_selection(document: Document, keep: bool) -> None:
    """Say that the selected region is refined, or deselect it where something else is pointed at."""
    if document.selected_region is None:
        return
    if not keep:
        document.select_region(None)
    document.message.emit(_REFINES if keep else _ANOTHER, "")


def _choose_under(document: Document, row: int, col: int) -> bool:
    """Select the region of the active label under a first click; return whether one is selected."""
    is_waiting = any(item.mask.contains(row, col) for item in document.waiting_outlines)
    if document.selected_region is None and not is_waiting:
        _choose(document, [region for region in _drawn(document) if region.mask.contains(row, col)])
    return document.selected_region is not None


def _choose(document: Document, under: list[Region]) -> None:
    """Select the uppermost of these regions, unless one is selected."""
    if under and document.selected_region is None:
        document.select_region(under[-1].id)
        document.message.emit(_REFINES, "")


def _drawn(document: Document) -> list[Region]:
    regions = document.annotation.regions if document.annotation is not None else ()
    label_id = document.asked_label_id
    return [region for region in regions if region.label_id == label_id]


def _outline_meant(document: Document, x: float, y: float, *, positive: bool, near: float) -> Proposal | None:
    """Return the waiting outline that a first click corrects; None where it begins another object."""
    waiting = sorted(document.waiting_outlines, key=lambda item: away_from(item.mask, x, y))
    if not positive or document.selected_region is not None:
        return next(iter(waiting), None)
    meant = next((item for item in waiting if is_meant(item.mask, x, y, near=near)), None)
    if waiting and meant is None:
        document.message.emit(_BESIDE, "")
    return meant


def _has_in(box: Box, mask: Mask) -> bool:
    return bool(pixels_in(mask, box).any())


def _surrounds(box: Box, mask: Mask | None) -> bool:
    return mask is None or 2 * int(mask.to_array()[box.slices].sum()) > mask.area


def _is_around(one: Box, other: Box) -> bool:
    """Return whether two boxes have more than half of what they cover together in common."""
    common = one.intersection(other)
    shared = common.height * common.width
    return 3 * shared > one.height * one.width + other.height * other.width
