"""What a person says about a whole frame: done, nothing there, unusable, worth another look, a note."""

from dataclasses import replace

from usassist.core.domain import Annotation, Proposal, Status
from usassist.gui.commands.command import FrameCommand, current
from usassist.gui.document import Document


class SetStatus(FrameCommand):
    """Gives the frame a status."""

    def __init__(self, document: Document, status: Status, *, frame_key: str, text: str) -> None:
        super().__init__(document, frame_key=frame_key, text=text)
        self._status: Status = status

    def changed(self, annotation: Annotation) -> Annotation:
        return replace(annotation, status=self._status)


class _Answer(SetStatus):
    """Answers for the whole frame: proposals that wait are rejected in the same undo step."""

    _rejected: tuple[Proposal, ...] = ()

    def redo(self) -> None:
        self._rejected = self.document.proposals  # not before: what clicks had erased waits again by now
        for proposal in self._rejected:
            self.document.drop_proposal(proposal)
        super().redo()

    def undo(self) -> None:
        super().undo()
        for index, proposal in enumerate(self._rejected):
            self.document.restore_proposal(proposal, index)


class NothingToSegment(_Answer):
    """Accepts the frame as empty: regions go as well."""

    def __init__(self, document: Document, *, frame_key: str) -> None:
        super().__init__(document, "accepted", frame_key=frame_key, text="Nothing to segment")

    def changed(self, annotation: Annotation) -> Annotation:
        return replace(super().changed(annotation), regions=())


class MarkUnusable(_Answer):
    """Marks the frame as unusable and remembers what it was."""

    def __init__(self, document: Document, *, frame_key: str) -> None:
        super().__init__(document, "unusable", frame_key=frame_key, text="Unusable")

    @property
    def status_before(self) -> Status:
        """Return what the frame was when it was marked."""
        return self.restored(self.document.annotation_of(self.frame_key)).status


class SetFlag(FrameCommand):
    """Flags the frame for another look, or takes the flag away."""

    keeps_clicks = True

    def __init__(self, document: Document, flagged: bool, *, frame_key: str) -> None:
        super().__init__(document, frame_key=frame_key, text="Flag the frame" if flagged else "Remove the flag")
        self._flagged = flagged

    def changed(self, annotation: Annotation) -> Annotation:
        return replace(annotation, flagged=self._flagged)


class SetNote(FrameCommand):
    """Writes a note on the frame."""

    keeps_clicks = True

    def __init__(self, document: Document, note: str, *, frame_key: str) -> None:
        super().__init__(document, frame_key=frame_key, text="Write a note")
        self._note = note

    def changed(self, annotation: Annotation) -> Annotation:
        return replace(annotation, note=self._note)


def set_status(document: Document, status: Status, *, text: str) -> None:
    """Give the frame on screen a status, unless it has it already."""
    annotation = current(document)
    if annotation is not None and annotation.status != status:
        document.push(SetStatus(document, status, frame_key=annotation.frame_key, text=text))


def accept_frame(document: Document) -> None:
    """Mark the frame done as it is."""
    annotation = document.annotation
    if annotation is not None and not annotation.regions and annotation.status == "untouched":
        document.message.emit("Nothing is drawn here; press N where there is nothing to segment.", "")
        return
    set_status(document, "accepted", text="Accept the frame")


def nothing_to_segment(document: Document) -> None:
    """Say that there is nothing to segment: accepted without a region; what is drawn or proposed goes along."""
    annotation = current(document)
    if annotation is None:
        return
    document.stop_asking()
    if annotation.status != "accepted" or annotation.regions or document.proposals:
        document.push(NothingToSegment(document, frame_key=annotation.frame_key))


def unusable(document: Document) -> None:
    """Say that the frame cannot be used; what is proposed goes along. Said again, the frame is what it was before."""
    annotation = current(document)
    if annotation is None:
        return
    if annotation.status == "unusable":
        set_status(document, _status_before(document, annotation), text="Usable after all")
    else:
        document.stop_asking()
        document.push(MarkUnusable(document, frame_key=annotation.frame_key))


def _status_before(document: Document, annotation: Annotation) -> Status:
    """Return the status from before the mark; one of another sitting is no longer known, then what is drawn decides."""
    stack = document.undo_stack
    done = [stack.command(index) for index in range(stack.index())] if stack is not None else []
    for command in reversed(done):
        if isinstance(command, MarkUnusable):
            return command.status_before
    return "draft" if annotation.regions else "untouched"


def toggle_flag(document: Document) -> None:
    """Flag the frame for another look, or take the flag away."""
    annotation = current(document)
    if annotation is not None:
        document.push(SetFlag(document, not annotation.flagged, frame_key=annotation.frame_key))


def set_note(document: Document, note: str) -> None:
    """Write a note on the frame, unless it says that already."""
    annotation = current(document)
    if annotation is not None and annotation.note != note:
        document.push(SetNote(document, note, frame_key=annotation.frame_key))
