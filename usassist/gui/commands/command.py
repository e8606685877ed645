"""What every command is: a change of one frame's annotation that can be done, undone and done again."""

from dataclasses import replace

from PySide6.QtGui import QUndoCommand

from usassist.core.domain import Annotation, Region
from usassist.core.errors import UsassistError
from usassist.gui.document import Document


class FrameCommand(QUndoCommand):
    """A change of the annotation of the frame `frame_key`.

    A subclass says in `changed` what the annotation becomes. Undo puts back what stood there: annotations are frozen
    and share their masks, so keeping the old one costs little.
    """

    keeps_clicks = False
    """Whether it changes nothing that clicks are about, so that they stay."""

    def __init__(self, document: Document, *, frame_key: str, text: str) -> None:
        super().__init__(text)
        self.document = document
        self.frame_key = frame_key
        self._before: Annotation | None = None

    def changed(self, annotation: Annotation) -> Annotation:
        """Return the annotation after the change."""
        raise NotImplementedError

    def restored(self, annotation: Annotation) -> Annotation:
        """Return the annotation as it was before the change."""
        return self._before if self._before is not None else annotation

    def selected_after(self) -> str | None:
        """Return the id of the region to select once the change is done; "" leaves the selection."""
        return ""

    def redo(self) -> None:
        annotation = self.document.annotation_of(self.frame_key)
        self._before = annotation
        self.document.replace_annotation(self.changed(annotation))
        chosen = self.selected_after()
        if chosen != "":
            self.document.select_region(chosen)

    def undo(self) -> None:
        self.document.replace_annotation(self.restored(self.document.annotation_of(self.frame_key)))


def current(document: Document) -> Annotation | None:
    """Return the annotation that can be edited now; where there is none a message says so."""
    annotation = document.annotation
    if annotation is None:
        document.message.emit(
            document.only_shown or "There is no frame to edit; open one, or wait until it is loaded.", ""
        )
    return annotation


def with_region(annotation: Annotation, region: Region) -> Annotation:
    """Return the annotation with this region in the place of the one with its id, or at the end."""
    if annotation.region(region.id) is None:
        return replace(annotation, regions=(*annotation.regions, region))
    return replace(annotation, regions=tuple(region if old.id == region.id else old for old in annotation.regions))


def without_region(annotation: Annotation, region_id: str) -> Annotation:
    """Return the annotation without this region."""
    return replace(annotation, regions=tuple(region for region in annotation.regions if region.id != region_id))


def region_of(annotation: Annotation, region_id: str) -> Region:
    """Return the region with this id; raises UsassistError where there is none."""
    region = annotation.region(region_id)
    if region is None:
        raise UsassistError(f"{annotation.frame_key} has no region {region_id!r}; it was deleted meanwhile.")
    return region


def as_draft(annotation: Annotation) -> Annotation:
    """Return the annotation marked as work in progress: a person changed it after whatever it was."""
    return replace(annotation, status="draft")
