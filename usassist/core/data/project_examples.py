"""The accepted frames of a usassist project as training examples."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from usassist.core.data.dataset import Example, union_truth
from usassist.core.domain import Annotation, Project, Source
from usassist.core.errors import TrainingError
from usassist.core.project.store import annotated_keys, load_annotation, open_project


def project_examples(root: Path) -> list[Example]:
    """List every accepted frame of every reader, never drafts or unusable ones; no region is a negative.

    Where two readers accepted one frame, each is an example; they share a group, so they share a split.
    """
    project = open_project(root)
    return [
        _example(project, annotation)
        for reader in project.readers
        for key, status in sorted(annotated_keys(project, reader.id).items())
        if status == "accepted"
        for annotation in [load_annotation(project, reader_id=reader.id, frame_key=key)]
        if annotation is not None
    ]


def _example(project: Project, annotation: Annotation) -> Example:
    source_key, _, index = annotation.frame_key.rpartition("_")
    entry = next((entry for entry in project.sources if entry.key == source_key), None)
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
        return union_truth([region.mask for region in annotation.regions], shape)

    return Example(
        key=f"{annotation.reader_id}/{annotation.frame_key}",
        dataset=project.root.name,
        source=source,
        frame=int(index),
        truth=truth,
        class_name="lesion" if annotation.regions else "normal",
        group=f"{project.root.name}/{source_key}",
    )
