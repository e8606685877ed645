"""Brush and eraser strokes, kept as the pixels of their box before and after."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from usassist.core.domain import Annotation, Box, Mask, Proposal, Region
from usassist.core.errors import UsassistError
from usassist.gui.commands import proposal as proposal_commands
from usassist.gui.commands.command import FrameCommand, current, region_of, with_region
from usassist.gui.commands.region import AddRegion, DeleteRegion, new_region_id
from usassist.gui.document import Document

Pixels = npt.NDArray[np.bool_]


class PaintStroke(FrameCommand):
    """Writes `after` over `before` in `box` of a region's mask; both are bool arrays of the box's size."""

    def __init__(
        self,
        document: Document,
        *,
        frame_key: str,
        region_id: str,
        box: Box,
        before: Pixels,
        after: Pixels,
        erase: bool,
    ) -> None:
        super().__init__(document, frame_key=frame_key, text="Erase" if erase else "Paint")
        self._region_id = region_id
        self._box = box
        self._pixels = (before, after)

    def changed(self, annotation: Annotation) -> Annotation:
        region = region_of(annotation, self._region_id)
        mask = with_pixels(region.mask, self._box, self._pixels[1])
        return replace(with_region(annotation, replace(region, mask=mask, edited=True)), status="draft")

    def redo(self) -> None:
        annotation = self.document.annotation_of(self.frame_key)
        self._was = (annotation.status, region_of(annotation, self._region_id).edited)
        self.document.replace_annotation(self.changed(annotation))

    def undo(self) -> None:
        annotation = self.document.annotation_of(self.frame_key)
        region = region_of(annotation, self._region_id)
        status, edited = self._was
        mask = with_pixels(region.mask, self._box, self._pixels[0])
        self.document.replace_annotation(
            replace(with_region(annotation, replace(region, mask=mask, edited=edited)), status=status)
        )


def pixels_of(mask: Mask, box: Box) -> Pixels:
    """Return a copy of the mask's pixels in a box, false where the crop does not reach."""
    pixels = np.zeros((box.height, box.width), dtype=np.bool_)
    common = mask.box.intersection(box)
    if not common.is_empty:
        pixels[_within(common, box)] = mask.crop[_within(common, mask.box)]
    return pixels


def with_pixels(mask: Mask, box: Box, pixels: Pixels) -> Mask:
    """Return the mask with other pixels in a box; only the crops are touched, however large the frame is."""
    around = box if mask.is_empty else mask.box.union(box)
    canvas = pixels_of(mask, around)
    canvas[_within(box, around)] = pixels
    return Mask(mask.shape, (around.top, around.left), canvas).tight()


def _within(inner: Box, outer: Box) -> tuple[slice, slice]:
    top, left = inner.top - outer.top, inner.left - outer.left
    return slice(top, top + inner.height), slice(left, left + inner.width)


def paint(document: Document, stroke: Mask, *, erase: bool, waiting: Sequence[Proposal] | None = None) -> None:
    """Paint or erase the pixels of a stroke.

    A waiting proposal under the stroke is accepted first, as an undo step of its own; only one of those that were
    `waiting` when the stroke began, where they are given. The stroke goes to the selected region, else to the region
    of the active label under it (erasing: to any region under it), else it begins a new one.
    Raises UsassistError where the stroke was made for a frame of another size.
    """
    annotation = current(document)
    if annotation is None or stroke.is_empty:
        return
    if stroke.shape != annotation.shape:
        raise UsassistError(f"The stroke belongs to a frame of {stroke.shape}; this one is {annotation.shape}.")
    proposal = _proposal_under(document, annotation, stroke, waiting)
    if proposal is not None:
        proposal_commands.accept_proposal(document, proposal)
        annotation = document.annotation or annotation
    region = _target(document, annotation, stroke, erase=erase)
    if region is not None:
        _stroke_on(document, annotation, region, stroke, erase=erase)
    elif not erase:
        new = Region(new_region_id(), document.active_label.id, stroke.tight())
        document.push(AddRegion(document, new, frame_key=annotation.frame_key, text="Paint"))


def target_of(
    document: Document, stroke: Mask, *, erase: bool, waiting: Sequence[Proposal] | None = None
) -> Region | Proposal | None:
    """Return what `paint` would change: a region, a proposal that it would accept first, or None for a new region."""
    annotation = document.annotation
    if annotation is None or stroke.is_empty or stroke.shape != annotation.shape:
        return None
    proposal = _proposal_under(document, annotation, stroke, waiting)
    return proposal if proposal is not None else _target(document, annotation, stroke, erase=erase)


def _stroke_on(document: Document, annotation: Annotation, region: Region, stroke: Mask, *, erase: bool) -> None:
    before = pixels_of(region.mask, stroke.box)
    after = before & ~stroke.crop if erase else before | stroke.crop
    if np.array_equal(before, after):
        return
    key = annotation.frame_key
    if erase and int(before.sum()) == region.mask.area and not after.any():
        document.push(DeleteRegion(document, region.id, frame_key=key, text="Erase"))
        return
    document.push(
        PaintStroke(
            document, frame_key=key, region_id=region.id, box=stroke.box, before=before, after=after, erase=erase
        )
    )
    document.select_region(region.id)


def _proposal_under(
    document: Document, annotation: Annotation, stroke: Mask, waiting: Sequence[Proposal] | None
) -> Proposal | None:
    selected, open_ones = document.selected_region, document.proposals
    if waiting is not None:
        open_ones = tuple(item for item in open_ones if any(item is one for one in waiting))
    refining = next((item for item in open_ones if item.refines is not None and overlaps(item.mask, stroke)), None)
    if refining is not None and annotation.region(refining.refines or "") is not None:
        return refining  # the outline that is corrected, not the one it is about to replace
    if selected is not None and overlaps(selected.mask, stroke):
        return None
    if any(overlaps(region.mask, stroke) for region in annotation.regions):
        return None
    return next((item for item in open_ones if overlaps(item.mask, stroke)), None)


def _target(document: Document, annotation: Annotation, stroke: Mask, *, erase: bool) -> Region | None:
    under = [region for region in reversed(annotation.regions) if overlaps(region.mask, stroke)]
    selected = document.selected_region
    if selected is not None and (not erase or selected in under or not under):
        return selected
    label_id = document.active_label.id
    same = next((region for region in under if region.label_id == label_id), None)
    return same or (under[0] if erase and under else None)


def overlaps(one: Mask, other: Mask) -> bool:
    """Return whether two masks share a pixel."""
    common = one.box.intersection(other.box)
    return not common.is_empty and bool((pixels_of(one, common) & pixels_of(other, common)).any())
