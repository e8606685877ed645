"""A folder that lost its project.json becomes the project of the work in it."""

from dataclasses import replace
from pathlib import Path

import pytest

from usassist.core.domain import Annotation, Project, Reader
from usassist.core.errors import ProjectError
from usassist.core.project import layout, recovery, remaking, store


def test_a_lost_project_has_its_readers_and_a_label_for_every_region(project: Project, annotation: Annotation) -> None:
    region = annotation.regions[0]
    theirs = replace(annotation, reader_id="bob", regions=(replace(region, label_id="fetal_head"),))
    unsaved = replace(annotation, frame_key="b_00000", regions=(replace(region, label_id="cyst"),), status="draft")
    for saved in (annotation, theirs):
        store.save_annotation(project, saved)
    recovery.save_draft(project, unsaved)
    (layout.annotations_folder(project.root, "ann") / "broken_00000.json").write_text("{")
    assert not remaking.has_lost_its_project(project.root)
    layout.project_file(project.root).unlink()
    assert remaking.has_lost_its_project(project.root)
    with pytest.raises(ProjectError, match="already holds annotations"):
        store.create_project(project.root, images_root=project.images_root)
    found = remaking.remake_project(
        project.root, images_root=project.images_root, readers=(Reader("ann", "Ann"),), sources=()
    )
    assert store.open_project(project.root) == found
    assert [reader.id for reader in found.readers] == ["ann", "bob"]
    names = {label.id: label.name for label in found.labels}
    assert names["fetal_head"] == "Fetal head" and names["cyst"] == "Cyst" and "lesion" in names
    assert {item.label_id for item in annotation.regions} <= names.keys()
    assert store.load_annotation(found, reader_id="bob", frame_key=theirs.frame_key) == theirs
    assert recovery.drafts(found, "ann") == [unsaved]


def test_what_a_beginning_left_behind_is_no_ones_work(tmp_path: Path) -> None:
    (tmp_path / "p" / "locks").mkdir(parents=True)
    (tmp_path / "p" / "index").mkdir()
    assert not remaking.has_lost_its_project(tmp_path / "p")
    assert store.create_project(tmp_path / "p", images_root=tmp_path).root == tmp_path / "p"


def test_only_a_project_that_is_gone_is_written_anew(project: Project) -> None:
    before = layout.project_file(project.root).read_bytes()
    assert not store.ensure_project(replace(project, labels=()))
    assert layout.project_file(project.root).read_bytes() == before
    layout.project_file(project.root).unlink()
    assert store.ensure_project(project)
    assert store.open_project(project.root) == project
