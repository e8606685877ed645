"""Accepting and rejecting what an engine proposed: the only way from a proposal to a region."""

from collections.abc import Sequence
from dataclasses import replace

from usassist.core.domain import Annotation, Proposal, Region
from usassist.gui.commands.command import FrameCommand, current, with_region
from usassist.gui.commands.region import new_region_id
from usassist.gui.document import Document

_CORRECTING = frozenset({"points", "box", "scribble"})
"""What a person points at says more than the engine knew by itself."""


class _Accepting(FrameCommand):
    """Turns waiting proposals into regions of origin "engine" and marks the frame accepted.

    One that refines a region gives that region its mask.

    A class that no label stands for gets a label of its name in the same step: undo takes it back with the last region
    that has it, redo brings it back, as do regions that come back in any other way.
    """

    def __init__(self, document: Document, places: Sequence[int], *, text: str) -> None:
        proposals = tuple(document.proposals[place] for place in places)
        super().__init__(document, frame_key=proposals[0].frame_key, text=text)
        self._proposals = proposals
        self._places = tuple(places)
        annotation = document.annotation_of(self.frame_key)
        self._ids = tuple(_region_of(proposal, annotation) or new_region_id() for proposal in proposals)
        refined = [annotation.region(region_id) for region_id in self._ids]
        # What refines a region keeps that one's label, and adds none.
        self._label_ids = tuple(
            region.label_id if region is not None else proposal.label_id
            for region, proposal in zip(refined, proposals, strict=True)
        )
        self._sources: tuple[Proposal | None, ...] = ()

    def changed(self, annotation: Annotation) -> Annotation:
        for region_id, label_id, proposal in zip(self._ids, self._label_ids, self._proposals, strict=True):
            refined = annotation.region(region_id)
            steered = bool(proposal.prompt.kinds & _CORRECTING)
            region = Region(region_id, label_id, proposal.mask, origin="engine", edited=steered)
            # Who drew a region first, its label and what is noted on it stay: only its mask is another one.
            if refined is not None:
                region = replace(refined, mask=proposal.mask, edited=refined.edited or steered)
            annotation = with_region(annotation, region)
        return replace(annotation, status="accepted")

    def redo(self) -> None:
        self._label_ids = tuple(label.id for label in self.document.labels_for(self._label_ids))
        self._sources = tuple(
            self.document.take_proposal(proposal, region_id=region_id)
            for region_id, proposal in zip(self._ids, self._proposals, strict=True)
        )
        super().redo()

    def undo(self) -> None:
        super().undo()
        for region_id, source in zip(self._ids, self._sources, strict=True):
            self.document.give_back(region_id, source)
        self.document.take_back_labels()
        for place, proposal in zip(self._places, self._proposals, strict=True):
            self.document.restore_proposal(proposal, place)
        refined = [item.refines for item, own in zip(self._proposals, self._ids, strict=True) if item.refines == own]
        if refined:
            self.document.select_region(refined[0])


class AcceptProposal(_Accepting):
    """Accepts one waiting proposal and selects its region, unless objects are pointed at: the next one is another.

    With a `label_id`, which may be the name of a label that is then added, a region of its own gets that label.
    """

    def __init__(self, document: Document, index: int, *, label_id: str | None = None) -> None:
        super().__init__(document, (index,), text="Accept the proposal")
        annotation = document.annotation_of(self.frame_key)
        if label_id is not None and annotation.region(self._ids[0]) is None:
            self._label_ids = (label_id,)

    def selected_after(self) -> str | None:
        return None if self.document.is_pointing else self._ids[0]


class AcceptAll(_Accepting):
    """Accepts every waiting proposal in one undo step."""

    def __init__(self, document: Document) -> None:
        super().__init__(document, range(len(document.proposals)), text="Accept all proposals")


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


def _region_of(proposal: Proposal, annotation: Annotation) -> str | None:
    """Return the id of the region that a proposal refines, None where it is about none or that was deleted."""
    region = annotation.region(proposal.refines) if proposal.refines is not None else None
    return region.id if region is not None else None


def accept(document: Document, index: int = 0, *, label_id: str | None = None) -> bool:
    """Accept a waiting proposal of the frame on screen, under another label where one is named.

    A `label_id` that is no label's is the name of one that is added. Return False where there is no proposal with this
    index.
    """
    if current(document) is None or not 0 <= index < len(document.proposals):
        return False
    document.push(AcceptProposal(document, index, label_id=label_id))
    return True


def accept_proposal(document: Document, proposal: Proposal) -> bool:
    """Accept this very proposal; return False where it waits no longer."""
    found = [index for index, other in enumerate(document.proposals) if other is proposal]
    return bool(found) and accept(document, found[0])


def accept_all(document: Document) -> bool:
    """Accept every waiting proposal of the frame on screen in one undo step; return False where none waits."""
    if current(document) is None or not document.proposals:
        return False
    document.push(AcceptAll(document))
    return True


def reject(document: Document, index: int = 0) -> bool:
    """Reject a waiting proposal of the frame on screen; return False where there is none with this index."""
    if current(document) is None or not 0 <= index < len(document.proposals):
        return False
    document.push(RejectProposal(document, index))
    return True
