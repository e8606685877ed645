"""The accepted frames of a usassist project as training examples."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from usassist.core.captions.asked_label import target_of_label
from usassist.core.captions.vocabulary import load_vocabulary
from usassist.core.data.example import Example
from usassist.core.data.objects import ONE_OBJECT, RegionTruth
from usassist.core.domain import Annotation, Label, Project, Source, SourceEntry
from usassist.core.errors import TrainingError
from usassist.core.project.sources import is_replaced
from usassist.core.project.store import annotated_keys, load_annotation, open_project

logger = logging.getLogger(__name__)
_NAMED = 5


def project_examples(root: Path, *, every_object: bool = False) -> list[Example]:
    """List every accepted frame of every reader, never drafts or unusable ones; no region is a negative.

    The truth is what carries the project's first label, or another that means the same in the vocabulary. A frame whose
    regions are all of other labels is neither a positive nor a negative of that, and left out unless `every_object` is
    asked for. `objects` are the ids of all labels that accepted frames carry, in the project's order. Where two readers
    accepted one frame, each is an example; they share a group, so they share a split. Raises ProjectError and
    TrainingError.
    """
    project = open_project(root)
    entries = {entry.key: entry for entry in project.sources}
    wanted = learned_labels(project)
    accepted = [
        annotation
        for reader in project.readers
        for key, status in sorted(annotated_keys(project, reader.id).items())
        if status == "accepted"
        for annotation in [load_annotation(project, reader_id=reader.id, frame_key=key)]
        if annotation is not None
    ]
    used = accepted if every_object else [a for a in accepted if not a.regions or _shows(a, wanted)]
    if len(used) < len(accepted):
        logger.warning("%s: %d frames show other labels only and are left out.", root, len(accepted) - len(used))
    _warn_of_replaced(project, [entries[key] for a in used if (key := a.frame_key.rpartition("_")[0]) in entries])
    objects = tuple(label.id for label in project.labels if any(_shows(a, frozenset([label.id])) for a in accepted))
    names = objects or tuple(label.id for label in project.labels[:1]) or (ONE_OBJECT,)
    shows = next((target_of(label) or label.caption.strip() or label.name.strip() for label in project.labels[:1]), "")
    return [replace(_example(project, annotation, entries, wanted, names), shows=shows) for annotation in used]


def _warn_of_replaced(project: Project, annotated: Sequence[SourceEntry]) -> None:
    """Say which images are other files than were annotated: an export anew is harmless, another picture is not."""
    replaced = [entry.relative for entry in dict.fromkeys(annotated) if is_replaced(project, entry)]
    if replaced:
        more = f" and {len(replaced) - _NAMED} more" if len(replaced) > _NAMED else ""
        logger.warning(
            "%s: %d of its images are no longer the files that were annotated (%s%s). See in the window whether the "
            "outlines still belong to them.",
            *(project.root, len(replaced), ", ".join(replaced[:_NAMED]), more),
        )


def _shows(annotation: Annotation, label_ids: frozenset[str]) -> bool:
    return any(region.label_id in label_ids for region in annotation.regions)


def learned_labels(project: Project) -> frozenset[str]:
    """Return the ids of the first label and of those that the vocabulary knows as the same target."""
    if not project.labels:
        return frozenset()
    first, *others = project.labels
    target = target_of(first)
    return frozenset([first.id, *(label.id for label in others if target and target_of(label) == target)])


def target_of(label: Label) -> str:
    """Return the name of the vocabulary's target that masks of a label show, "" for none.

    That is what its words ask for; a label called as the class of a dataset ("Malignant") is for what the class shows.
    """
    found = target_of_label(label) or load_vocabulary().target_of_class(label.name.casefold())
    return found.name if found is not None else ""


def _example(
    project: Project,
    annotation: Annotation,
    entries: Mapping[str, SourceEntry],
    wanted: frozenset[str],
    names: tuple[str, ...],
) -> Example:
    source_key, _, index = annotation.frame_key.rpartition("_")
    entry = entries.get(source_key)
    if entry is None:
        raise TrainingError(
            f"{project.root} holds an annotation of {annotation.frame_key!r}, but lists no such image; open the "
            f"project together with the folder of its images once, so that they are found again."
        )
    source = Source(
        key=entry.key,
        path=project.images_root / entry.relative,
        relative=entry.relative,
        size=entry.size,
        sha256=entry.sha256,
    )

    target = RegionTruth(annotation.regions, tuple(sorted(wanted)))
    return Example(
        key=f"{annotation.reader_id}/{annotation.frame_key}",
        dataset=project.root.name,
        source=source,
        frame=int(index),
        truth=lambda shape: target.read(shape) > 0,
        class_name="lesion" if annotation.regions else "normal",
        group=f"{project.root.name}/{source_key}",
        object_truth=RegionTruth(annotation.regions, names),
    )
