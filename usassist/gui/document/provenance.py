"""What the journal says about a save: the difference between the version on disk and the new one."""

from collections.abc import Mapping, Sequence

from usassist.core.domain import Annotation, Proposal, Region
from usassist.core.project.journal import JournalAction, JournalEvent, utc_now


def event(
    annotation: Annotation,
    action: JournalAction,
    *,
    proposal: Proposal | None = None,
    unchanged: bool | None = None,
    seconds: float | None = None,
    region: Region | None = None,
) -> JournalEvent:
    """Return one journal line about a frame, or a region in it, stamped with the time in UTC."""
    return JournalEvent(
        when_utc=utc_now(),
        reader_id=annotation.reader_id,
        frame_key=annotation.frame_key,
        action=action,
        engine=proposal.engine if proposal else None,
        weights_hash=proposal.weights_hash if proposal else None,
        prompt=proposal.prompt.describe() if proposal else None,
        unchanged=unchanged,
        seconds=seconds,
        label=region.label_id if region else None,
    )


def events_of_save(
    before: Annotation,
    after: Annotation,
    *,
    accepted: Mapping[str, Proposal],
    rejected: Sequence[Proposal],
    seconds: float,
) -> list[JournalEvent]:
    """Return what happened between two versions of a frame.

    `accepted` maps region ids to the proposals they came from, `rejected` lists those a person refused since the last
    save, `seconds` is the time the frame was on screen since then.
    """
    events = [event(after, "rejected", proposal=proposal) for proposal in rejected]
    old = {region.id: region for region in before.regions}
    for region in after.regions:
        proposal = accepted.get(region.id)
        change = _change(old.pop(region.id, None), region, proposal)
        if change is not None:
            action, unchanged = change
            events.append(event(after, action, proposal=proposal, unchanged=unchanged, region=region))
    events += [event(after, "deleted", proposal=accepted.get(gone), region=region) for gone, region in old.items()]
    if after.status == "accepted" and not after.regions and (before.regions or before.status != "accepted"):
        events.append(event(after, "nothing"))
    if after.flagged != before.flagged:
        events.append(event(after, "flagged"))
    return [*events, event(after, "saved", seconds=round(seconds, 3))]


def _change(old: Region | None, new: Region, proposal: Proposal | None) -> tuple[JournalAction, bool | None] | None:
    if old is None:
        if new.origin == "engine":
            # An answer to clicks counts as edited, but no pixel of it was: the prompt says how many there were.
            as_answered = proposal is not None and proposal.mask == new.mask
            return ("edited", False) if new.edited and not as_answered else ("accepted", True)
        return "drawn", None
    if old.mask != new.mask:
        return "edited", False if new.origin == "engine" else None
    return None
