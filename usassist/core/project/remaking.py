"""A project whose project.json is gone is made anew from the work that is still in its folder."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from usassist.core.domain import Annotation, Label, Project, Reader, Source
from usassist.core.errors import ProjectError
from usassist.core.project import layout, store
from usassist.core.project.palette import DEFAULT_LABELS, next_colour

_LOG = logging.getLogger(__name__)


def has_lost_its_project(root: Path) -> bool:
    """Return whether a folder holds the work of a project and no project.json."""
    work = any((root / name).is_dir() for name in layout.WORK_FOLDERS)
    return work and not layout.project_file(root).exists()


def remake_project(root: Path, *, images_root: Path, readers: Sequence[Reader], sources: Sequence[Source]) -> Project:
    """Return a project made anew around the work in `root`; raises ProjectError.

    Readers are known by the names of their folders, labels by the ids in their annotations: a name or a colour that
    somebody gave them is lost. Complexity: linear in the annotations, each of which is read.
    """
    given = {reader.id for reader in readers}
    found = [Reader(name, name) for name in _reader_ids(root) if name not in given]
    labels: list[Label] = list(DEFAULT_LABELS)
    for reader_id in (*given, *(reader.id for reader in found)):
        for annotation in _annotations(root, reader_id):
            for label_id in dict.fromkeys(region.label_id for region in annotation.regions):
                if all(label.id != label_id for label in labels):
                    name = " ".join(label_id.replace("_", "-").split("-")).capitalize()
                    labels.append(Label(label_id, name, next_colour(labels), name))
    return store.create_project(
        root, images_root=images_root, labels=labels, readers=(*readers, *found), sources=sources, adopts=True
    )


def _reader_ids(root: Path) -> list[str]:
    names = {folder.name for name in layout.WORK_FOLDERS for folder in (root / name).glob("*") if folder.is_dir()}
    return sorted(name for name in names if layout.is_reader_id(name))


def _annotations(root: Path, reader_id: str) -> Iterator[Annotation]:
    for folder in (layout.annotations_folder(root, reader_id), layout.recovery_folder(root, reader_id)):
        for path in sorted(folder.glob("*.json")):
            try:
                found = store.read_annotation(path, reader_id=reader_id, frame_key=path.stem)
            except ProjectError as fault:
                _LOG.warning("The labels of one annotation are not known. %s", fault)
            else:
                if found is not None:
                    yield found
