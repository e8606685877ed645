"""Accepting and rejecting what an engine proposed: the only way from a proposal to a region."""

from dataclasses import replace

from usassist.core.domain import Annotation, Proposal, Region
from usassist.gui.commands.command import FrameCommand, current, with_region
from usassist.gui.commands.region import new_region_id
from usassist.gui.document import Document


class AcceptProposal(FrameCommand):
    """Turns a waiting proposal into a region of origin "engine" and marks the frame accepted."""

    def __init__(self, document: Document, index: int) -> None:
        self._proposal = document.proposals[index]
        super().__init__(document, frame_key=self._proposal.frame_key, text="Accept the proposal")
        self._index = index
        self._region_id = new_region_id()

    def changed(self, annotation: Annotation) -> Annotation:
        proposal = self._proposal
        region = Region(self._region_id, proposal.label_id, proposal.mask, origin="engine")
        return replace(with_region(annotation, region), status="accepted")

    def selected_after(self) -> str | None:
        return self._region_id

    def redo(self) -> None:
        self.document.take_proposal(self._proposal, region_id=self._region_id)
        super().redo()

    def undo(self) -> None:
        super().undo()
        self.document.restore_proposal(self._proposal, self._index)


class RejectProposal(FrameCommand):
    """Refuses a waiting proposal: the journal hears of it, the annotation stays as it is."""

    def __init__(self, document: Document, index: int) -> None:
        self._proposal = document.proposals[index]
        super().__init__(document, frame_key=self._proposal.frame_key, text="Reject the proposal")
        self._index = index

    def redo(self) -> None:
        self.document.drop_proposal(self._proposal)

    def undo(self) -> None:
        self.document.restore_proposal(self._proposal, self._index)


class AcceptAll(FrameCommand):
    """Accepts every waiting proposal in one undo step."""

    def __init__(self, document: Document) -> None:
        self._proposals = document.proposals
        super().__init__(document, frame_key=self._proposals[0].frame_key, text="Accept all proposals")
        self._ids = tuple(new_region_id() for _ in self._proposals)

    def changed(self, annotation: Annotation) -> Annotation:
        for region_id, proposal in zip(self._ids, self._proposals, strict=True):
            annotation = with_region(annotation, Region(region_id, proposal.label_id, proposal.mask, origin="engine"))
        return replace(annotation, status="accepted")

    def redo(self) -> None:
        for region_id, proposal in zip(self._ids, self._proposals, strict=True):
            self.document.take_proposal(proposal, region_id=region_id)
        super().redo()

    def undo(self) -> None:
        super().undo()
        for index, proposal in enumerate(self._proposals):
            self.document.restore_proposal(proposal, index)


def accept(document: Document, index: int = 0) -> bool:
    """Accept a waiting proposal of the frame on screen; return False where there is none with this index."""
    if current(document) is None or not 0 <= index < len(document.proposals):
        return False
    document.push(AcceptProposal(document, index))
    return True


def accept_proposal(document: Document, proposal: Proposal) -> bool:
    """Accept this very proposal; return False where it waits no longer."""
    found = [index for index, other in enumerate(document.proposals) if other is proposal]
    return bool(found) and accept(document, found[0])


def accept_all(document: Document) -> None:
    """Accept every waiting proposal of the frame on screen in one undo step."""
    if current(document) is not None and document.proposals:
        document.push(AcceptAll(document))


def reject(document: Document, index: int = 0) -> bool:
    """Reject a waiting proposal of the frame on screen; return False where there is none with this index."""
    if current(document) is None or not 0 <= index < len(document.proposals):
        return False
    document.push(RejectProposal(document, index))
    return True
