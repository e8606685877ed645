"""The accepted frames of a usassist project as training examples."""

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from usassist.core.captions.vocabulary import Target, load_vocabulary
from usassist.core.data.dataset import Example, union_truth
from usassist.core.domain import Annotation, Label, Project, Source, SourceEntry
from usassist.core.errors import TrainingError
from usassist.core.project.store import annotated_keys, load_annotation, open_project

logger = logging.getLogger(__name__)


def project_examples(root: Path) -> list[Example]:
    """List every accepted frame of every reader, never drafts or unusable ones; no region is a negative.

    The truth is what carries the project's first label, or another that means the same in the vocabulary. A frame whose
    regions are all of other labels is neither a positive nor a negative, and left out. Where two readers accepted one
    frame, each is an example; they share a group, so they share a split. Raises ProjectError and TrainingError.
    """
    project = open_project(root)
    entries = {entry.key: entry for entry in project.sources}
    wanted = _labels_of_the_target(project)
    accepted = [
        annotation
        for reader in project.readers
        for key, status in sorted(annotated_keys(project, reader.id).items())
        if status == "accepted"
        for annotation in [load_annotation(project, reader_id=reader.id, frame_key=key)]
        if annotation is not None
    ]
    used = [a for a in accepted if not a.regions or any(region.label_id in wanted for region in a.regions)]
    if len(used) < len(accepted):
        logger.warning("%s: %d frames show other labels only and are left out.", root, len(accepted) - len(used))
    return [_example(project, annotation, entries, wanted) for annotation in used]


def _labels_of_the_target(project: Project) -> frozenset[str]:
    """Return the ids of the first label and of those that the vocabulary knows as the same target."""
    targets = load_vocabulary().targets.values()

    def target(label: Label) -> Target | None:
        words = {label.id, label.name.lower(), label.caption.lower()}
        return next((target for target in targets if words & {*target.classes, *target.prompts}), None)

    if not project.labels:
        return frozenset()
    first = project.labels[0]
    same = [label.id for label in project.labels[1:] if target(first) is not None and target(label) is target(first)]
    return frozenset([first.id, *same])


def _example(
    project: Project, annotation: Annotation, entries: Mapping[str, SourceEntry], wanted: frozenset[str]
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

    def truth(shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
        return union_truth([region.mask for region in annotation.regions if region.label_id in wanted], shape)

    return Example(
        key=f"{annotation.reader_id}/{annotation.frame_key}",
        dataset=project.root.name,
        source=source,
        frame=int(index),
        truth=truth,
        class_name="lesion" if annotation.regions else "normal",
        group=f"{project.root.name}/{source_key}",
    )
