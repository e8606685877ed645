"""Drafts are what a crash left, and only that."""

import errno
import os
from dataclasses import replace

import pytest

from usassist.core.domain import Annotation, Mask, Project, Region
from usassist.core.errors import ProjectError
from usassist.core.project import layout, recovery, store


def test_a_draft_is_offered_until_it_is_discarded(project: Project, annotation: Annotation) -> None:
    assert recovery.drafts(project, "ann") == []
    other = replace(annotation, frame_key="b_00000", status="draft")
    for draft in (other, annotation):
        recovery.save_draft(project, draft)
    assert recovery.drafts(project, "ann") == [other, annotation]
    assert recovery.drafts(project, "bob") == []
    assert store.annotated_keys(project, "ann") == {}
    recovery.discard_draft(project, reader_id="ann", frame_key="b_00000")
    recovery.discard_draft(project, reader_id="ann", frame_key="b_00000")
    assert recovery.drafts(project, "ann") == [annotation]


def test_a_draft_that_was_saved_is_not_offered(project: Project, annotation: Annotation) -> None:
    recovery.save_draft(project, annotation)
    store.save_annotation(project, annotation)  # and the program ended before the draft was discarded
    assert recovery.drafts(project, "ann") == []
    assert len(list(layout.recovery_folder(project.root, "ann").iterdir())) == 1  # looking removes nothing
    recovery.save_draft(project, replace(annotation, note="one stroke more"))
    assert len(recovery.drafts(project, "ann")) == 1


def test_a_damaged_draft_stops_nobody(
    project: Project, annotation: Annotation, caplog: pytest.LogCaptureFixture
) -> None:
    recovery.save_draft(project, annotation)
    folder = layout.recovery_folder(project.root, "ann")
    (folder / "broken_00000.json").write_text("{")
    (folder / "Not A Key.json").write_text("{}")
    (folder / "copied_00000.json").write_bytes((folder / f"{annotation.frame_key}.json").read_bytes())
    told: list[ProjectError] = []
    assert recovery.drafts(project, "ann", on_fault=told.append) == [annotation]
    assert caplog.text.count("cannot be restored") == len(told) == 3
    assert len(list(folder.iterdir())) == 4


def test_a_folder_of_drafts_that_cannot_be_listed_is_told(
    project: Project, annotation: Annotation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stale(_folder: object) -> None:
        raise OSError(errno.ESTALE, "Stale file handle")

    recovery.save_draft(project, annotation)
    monkeypatch.setattr(os, "scandir", stale)
    monkeypatch.setattr(os, "listdir", stale)
    with pytest.raises(ProjectError, match="cannot be listed: Stale file handle"):
        recovery.drafts(project, "ann")


def test_a_draft_is_offered_where_the_saved_file_is_damaged(project: Project, annotation: Annotation) -> None:
    recovery.save_draft(project, annotation)
    store.save_annotation(project, annotation)
    layout.annotation_file(project.root, reader_id="ann", frame_key=annotation.frame_key).write_text("{")
    assert recovery.drafts(project, "ann") == [annotation]


def test_a_draft_over_what_a_newer_program_saved_waits_for_that(
    project: Project, annotation: Annotation, caplog: pytest.LogCaptureFixture
) -> None:
    recovery.save_draft(project, replace(annotation, note="one stroke more"))
    store.save_annotation(project, annotation)
    saved = layout.annotation_file(project.root, reader_id="ann", frame_key=annotation.frame_key)
    saved.write_text(saved.read_text("utf-8").replace('"schema_version": 1', '"schema_version": 99'), "utf-8")
    assert recovery.drafts(project, "ann") == []
    assert "newer usassist" in caplog.text
    assert len(list(layout.recovery_folder(project.root, "ann").iterdir())) == 1


def test_a_draft_is_checked_as_a_saved_one(project: Project, annotation: Annotation) -> None:
    with pytest.raises(ProjectError, match="belongs to another frame"):
        recovery.save_draft(project, replace(annotation, regions=(Region("r", "lesion", Mask.empty((1, 1))),)))
    with pytest.raises(ProjectError, match="key"):
        recovery.save_draft(project, replace(annotation, frame_key="../x"))
