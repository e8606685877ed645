"""Adding, deleting and changing whole regions."""

import uuid
from dataclasses import replace

from usassist.core.domain import Annotation, Mask, Region
from usassist.gui.commands.command import FrameCommand, as_draft, current, region_of, with_region, without_region
from usassist.gui.document import Document


def new_region_id() -> str:
    """Return an id that no other region has, in this project or another."""
    return uuid.uuid4().hex[:12]


class AddRegion(FrameCommand):
    """Adds a region on top of the others and selects it."""

    def __init__(self, document: Document, region: Region, *, frame_key: str, text: str = "Add a region") -> None:
        super().__init__(document, frame_key=frame_key, text=text)
        self._region = region

    def changed(self, annotation: Annotation) -> Annotation:
        return as_draft(with_region(annotation, self._region))

    def selected_after(self) -> str | None:
        return self._region.id


class DeleteRegion(FrameCommand):
    """Removes a region."""

    def __init__(self, document: Document, region_id: str, *, frame_key: str, text: str = "Delete a region") -> None:
        super().__init__(document, frame_key=frame_key, text=text)
        self._region_id = region_id

    def changed(self, annotation: Annotation) -> Annotation:
        return as_draft(without_region(annotation, self._region_id))


class ReplaceMask(FrameCommand):
    """Gives a region another mask, for instance after its contour was dragged."""

    def __init__(
        self,
        document: Document,
        region_id: str,
        before: Mask,
        after: Mask,
        text: str = "Edit the contour",
        *,
        frame_key: str,
    ) -> None:
        super().__init__(document, frame_key=frame_key, text=text)
        self._region_id = region_id
        self.before = before
        self.after = after

    def changed(self, annotation: Annotation) -> Annotation:
        region = region_of(annotation, self._region_id)
        return as_draft(with_region(annotation, replace(region, mask=self.after, edited=True)))


class ChangeRegionLabel(FrameCommand):
    """Gives a region another label."""

    def __init__(self, document: Document, region_id: str, label_id: str, *, frame_key: str) -> None:
        super().__init__(document, frame_key=frame_key, text="Change the label of a region")
        self._region_id = region_id
        self._label_id = label_id

    def changed(self, annotation: Annotation) -> Annotation:
        region = region_of(annotation, self._region_id)
        return as_draft(with_region(annotation, replace(region, label_id=self._label_id)))


def add_mask(document: Document, mask: Mask, *, text: str) -> None:
    """Add a region of the active label; an empty mask adds nothing."""
    annotation = current(document)
    if annotation is not None and not mask.is_empty:
        region = Region(new_region_id(), document.active_label.id, mask.tight())
        document.push(AddRegion(document, region, frame_key=annotation.frame_key, text=text))


def add_polygon(document: Document, mask: Mask) -> None:
    """Add what a closed polygon holds as a region of the active label."""
    add_mask(document, mask, text="Draw a polygon")


def replace_mask(document: Document, region_id: str, mask: Mask, *, text: str = "Edit the contour") -> None:
    """Give a region another mask; an empty one deletes the region, an equal one does nothing."""
    annotation = current(document)
    region = annotation.region(region_id) if annotation is not None else None
    if annotation is None or region is None or region.mask == mask:
        return
    if mask.is_empty:
        document.push(DeleteRegion(document, region_id, frame_key=annotation.frame_key))
        return
    after = mask.tight()
    document.push(ReplaceMask(document, region_id, region.mask, after, text, frame_key=annotation.frame_key))


def delete_selected(document: Document) -> None:
    """Delete the selected region; where none is selected and there is only one, that one."""
    annotation = current(document)
    if annotation is None:
        return
    only = annotation.regions[0] if len(annotation.regions) == 1 else None
    region = document.selected_region or only
    if region is None:
        document.message.emit("No region is selected; click on one first.", "")
        return
    document.push(DeleteRegion(document, region.id, frame_key=annotation.frame_key))


def change_label(document: Document, *, region_id: str, label_id: str) -> None:
    """Give a region of the frame on screen another label."""
    annotation = current(document)
    region = annotation.region(region_id) if annotation is not None else None
    if annotation is not None and region is not None and region.label_id != label_id:
        document.push(ChangeRegionLabel(document, region_id, label_id, frame_key=annotation.frame_key))
