"""Projects on disk: nothing is lost, overwritten by another's work, or saved under a wrong name."""

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from usassist.core.domain import Annotation, Label, Mask, Project, Reader, Region, Source
from usassist.core.errors import ProjectError
from usassist.core.project import atomic, layout, store
from usassist.core.project.palette import DEFAULT_LABELS


def saved_file(project: Project, annotation: Annotation) -> Path:
    return layout.annotation_file(project.root, reader_id=annotation.reader_id, frame_key=annotation.frame_key)


def load(project: Project, annotation: Annotation) -> Annotation | None:
    return store.load_annotation(project, reader_id=annotation.reader_id, frame_key=annotation.frame_key)


def test_a_new_project_opens_again(tmp_path: Path) -> None:
    made = store.create_project(tmp_path / "deep" / "ü 李", images_root=tmp_path)
    assert made.labels == DEFAULT_LABELS
    assert store.open_project(made.root) == made
    assert store.is_project(made.root)


def test_a_project_is_never_made_over_something(tmp_path: Path) -> None:
    (tmp_path / "coco" / "annotations").mkdir(parents=True)
    with pytest.raises(ProjectError, match="already holds annotations"):
        store.create_project(tmp_path / "coco", images_root=tmp_path)
    assert [path.name for path in (tmp_path / "coco").iterdir()] == ["annotations"]
    store.create_project(tmp_path / "p", images_root=tmp_path)
    with pytest.raises(ProjectError, match=r"already holds project\.json"):
        store.create_project(tmp_path / "p", images_root=tmp_path)


def test_what_is_no_project(tmp_path: Path) -> None:
    assert not store.is_project(tmp_path)
    assert not store.is_project(tmp_path / "missing")
    for text in ("", "{}", "[1]", '{"name": "another program"}', "\x00"):
        (tmp_path / "project.json").write_text(text)
        assert not store.is_project(tmp_path)
        with pytest.raises(ProjectError, match=r"project\.json cannot be read"):
            store.open_project(tmp_path)
    with pytest.raises(ProjectError, match="is no usassist project"):
        store.open_project(tmp_path / "missing")


def test_a_project_is_known_by_its_first_lines_or_by_all_of_it(project: Project) -> None:
    path = layout.project_file(project.root)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])  # damaged, but a project: opening it must say so
    assert store.is_project(project.root)
    with pytest.raises(ProjectError, match="cannot be read"):
        store.open_project(project.root)
    document = json.loads(whole)
    path.write_text(json.dumps({name: document[name] for name in reversed(document)}))
    assert store.is_project(project.root)
    assert store.open_project(project.root) == project


def test_readers_and_sources_come_in_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    write = atomic.write_bytes
    monkeypatch.setattr(atomic, "write_bytes", lambda path, data: written.append(path.name) or write(path, data))
    ann, sources = Reader("ann", "Ann"), [Source("a", tmp_path / "a.png", "a.png", 1)]
    made = store.create_project(tmp_path / "p", images_root=tmp_path, readers=(ann,), sources=sources)
    assert written == ["project.json"]
    assert (made.readers, [entry.key for entry in made.sources]) == ((ann,), ["a"])
    more = store.enrol(made, readers=(Reader("bob", "Bob"),), sources=[Source("b", tmp_path / "b.png", "b.png", 2)])
    assert written == ["project.json"] * 2
    assert [reader.id for reader in more.readers] == ["ann", "bob"]
    assert [entry.key for entry in more.sources] == ["a", "b"]
    assert store.open_project(made.root) == more
    assert store.enrol(more, readers=(ann,), sources=sources) == more
    assert len(written) == 2


def test_a_project_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    outside = [Source("a", tmp_path / "a.png", "../a.png", 1)]
    with pytest.raises(ProjectError, match="leaves the images folder"):
        store.create_project(tmp_path / "p", images_root=tmp_path, sources=outside)
    assert not (tmp_path / "p").exists()


def test_a_project_moved_with_its_images_opens(tmp_path: Path) -> None:
    (tmp_path / "a" / "images").mkdir(parents=True)
    store.create_project(tmp_path / "a" / "p", images_root=tmp_path / "a" / "images")
    (tmp_path / "a").rename(tmp_path / "b")
    assert store.open_project(tmp_path / "b" / "p").images_root == tmp_path / "b" / "images"


def test_readers_are_added_and_renamed(project: Project) -> None:
    project = store.add_reader(project, Reader("bob", "Bob"))
    project = store.add_reader(project, Reader("ann", "Änn"))
    assert project.readers == (Reader("ann", "Änn"), Reader("bob", "Bob"))
    assert store.open_project(project.root) == project
    for bad in ("", "..", "a/b", "Ann", "con", "x" * 65, "a\n"):
        with pytest.raises(ProjectError, match="reader's id"):
            store.add_reader(project, Reader(bad, "Eve"))


def test_two_windows_keep_what_the_other_added(project: Project) -> None:
    mine = theirs = project
    theirs = store.add_reader(theirs, Reader("bob", "Bob"))
    theirs = store.save_project(replace(theirs, labels=(*theirs.labels, Label("cyst", "Cyst", "#009E73"))))
    mine = store.save_project(replace(mine, labels=(Label("lesion", "Mass", "#000001"), *mine.labels[1:])))
    assert [label.id for label in mine.labels] == ["lesion", "structure", "cyst"]
    assert mine.labels[0].name == "Mass"
    assert [reader.id for reader in mine.readers] == ["ann", "bob"]
    assert store.open_project(project.root) == mine


def test_an_unreadable_project_is_not_overwritten(project: Project) -> None:
    path = layout.project_file(project.root)
    path.write_text("{ damaged")
    with pytest.raises(ProjectError, match="cannot be read"):
        store.save_project(project)
    assert path.read_text() == "{ damaged"
    path.unlink()
    store.save_project(project)  # what this window knows is better than nothing
    assert store.open_project(project.root) == project


def test_a_project_of_a_newer_program_is_not_touched(project: Project) -> None:
    path = layout.project_file(project.root)
    document = json.loads(path.read_text())
    document["schema_version"] = 2
    path.write_text(json.dumps(document))
    assert store.is_project(project.root)
    for change in (store.open_project, lambda root: store.save_project(project)):
        with pytest.raises(ProjectError, match="newer usassist"):
            change(project.root)
    assert json.loads(path.read_text()) == document


def test_an_annotation_comes_back_bit_for_bit(project: Project, annotation: Annotation) -> None:
    assert load(project, annotation) is None
    store.save_annotation(project, annotation)
    again = load(project, annotation)
    assert again == annotation
    assert again is not None
    for mine, theirs in zip(again.regions, annotation.regions, strict=True):
        assert np.array_equal(mine.mask.to_array(), theirs.mask.to_array())


def test_two_readers_never_touch_each_other(project: Project, annotation: Annotation) -> None:
    store.save_annotation(project, annotation)
    store.save_annotation(project, replace(annotation, reader_id="bob", regions=(), status="accepted"))
    assert load(project, annotation) == annotation
    assert store.annotated_keys(project, "bob") == {annotation.frame_key: "accepted"}


def test_a_mask_of_another_frame_is_refused(project: Project, annotation: Annotation) -> None:
    store.save_annotation(project, annotation)
    alien = Region("r9", "lesion", Mask.empty((60, 40)))
    with pytest.raises(ProjectError, match="60 x 40 pixels, the frame scan-00000001_00000 has 40 x 60"):
        store.save_annotation(project, replace(annotation, regions=(*annotation.regions, alien)))
    assert load(project, annotation) == annotation


def test_an_image_of_another_size_is_refused(project: Project, annotation: Annotation) -> None:
    store.save_annotation(project, annotation)
    with pytest.raises(ProjectError, match="was annotated at 40 x 60 pixels and now has 10 x 10"):
        store.save_annotation(project, Annotation(annotation.frame_key, "ann", (10, 10)))
    assert load(project, annotation) == annotation
    store.save_annotation(project, replace(annotation, regions=()))
    store.save_annotation(project, Annotation(annotation.frame_key, "ann", (10, 10)))  # nothing was drawn: no loss


@pytest.mark.parametrize("key", ["../x", "a/b", "", "A_00000", "a.b", "x" * 129, "nul", "a\x00b"])
def test_keys_never_leave_the_folder(project: Project, annotation: Annotation, key: str) -> None:
    with pytest.raises(ProjectError, match="key"):
        store.save_annotation(project, replace(annotation, frame_key=key))
    with pytest.raises(ProjectError, match="key"):
        store.load_annotation(project, reader_id="ann", frame_key=key)
    with pytest.raises(ProjectError, match="reader"):
        store.load_annotation(project, reader_id=f"../{key}", frame_key="a_00000")


def test_a_renamed_file_is_not_another_frames_work(project: Project, annotation: Annotation) -> None:
    store.save_annotation(project, annotation)
    saved_file(project, annotation).rename(saved_file(project, replace(annotation, frame_key="other_00000")))
    with pytest.raises(ProjectError, match=r"holds the frame scan-00000001_00000 .* renamed or copied"):
        store.load_annotation(project, reader_id="ann", frame_key="other_00000")


def test_what_would_not_read_back_is_not_written(project: Project, annotation: Annotation) -> None:
    store.save_annotation(project, annotation)
    twice = replace(annotation, regions=(annotation.regions[0], annotation.regions[0]))
    long = replace(annotation, note="x" * 100_001)
    pair = replace(annotation, note="\ud83d\ude00")  # two halves that JSON would join into one character
    for bad in (twice, long, pair, replace(annotation, status="odd"), replace(annotation, note=3)):  # type: ignore[arg-type]
        with pytest.raises(ProjectError):
            store.save_annotation(project, bad)
    assert load(project, annotation) == annotation


def test_an_annotation_too_large_to_read_again_is_not_written(
    project: Project, annotation: Annotation, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save_annotation(project, annotation)
    monkeypatch.setattr(store.schema, "MAX_ANNOTATION_BYTES", saved_file(project, annotation).stat().st_size)
    store.save_annotation(project, annotation)
    with pytest.raises(ProjectError, match="more than a file may have"):
        store.save_annotation(project, replace(annotation, note=annotation.note + "x"))
    assert load(project, annotation) == annotation


def test_a_project_that_another_window_is_changing_is_not_changed_beside_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_LOCK_SECONDS", 0.0)
    before = layout.project_file(project.root).read_bytes()
    with (
        store._project_lock(project.root),
        pytest.raises(ProjectError, match="Another window has been changing"),
    ):
        store.add_reader(project, Reader("bob", "Bob"))
    assert layout.project_file(project.root).read_bytes() == before
    assert [reader.id for reader in store.add_reader(project, Reader("bob", "Bob")).readers] == ["ann", "bob"]


def test_a_damaged_file_that_cannot_be_kept_aside_is_not_overwritten(
    project: Project, annotation: Annotation, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save_annotation(project, annotation)
    path = saved_file(project, annotation)
    path.write_bytes(b"{ damaged")

    def refuse(*_args: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(ProjectError, match="read-only"):
        store.save_annotation(project, annotation)
    assert path.read_bytes() == b"{ damaged"


def test_a_damaged_file_is_kept_aside(project: Project, annotation: Annotation) -> None:
    store.save_annotation(project, annotation)
    path = saved_file(project, annotation)
    for n in (1, 2):
        path.write_bytes(b"{ damaged" + bytes([n]))
        with pytest.raises(ProjectError, match="cannot be read"):
            load(project, annotation)
        store.save_annotation(project, annotation)
        assert load(project, annotation) == annotation
    kept = sorted(path.parent.glob("*.damaged-*"))
    assert [file.read_bytes()[-1] for file in kept] == [1, 2]
    assert list(store.annotated_keys(project, "ann")) == [annotation.frame_key]


def test_a_file_of_a_newer_program_is_not_overwritten(project: Project, annotation: Annotation) -> None:
    store.save_annotation(project, annotation)
    path = saved_file(project, annotation)
    newer = path.read_bytes().replace(b'"schema_version": 1', b'"schema_version": 2')
    path.write_bytes(newer)
    with pytest.raises(ProjectError, match="newer usassist"):
        store.save_annotation(project, annotation)
    assert path.read_bytes() == newer


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_a_full_disk_keeps_the_saved_work(
    project: Project, annotation: Annotation, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    store.save_annotation(project, annotation)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = {path: path.read_bytes() for path in project.root.rglob("*") if path.is_file()}
    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(ProjectError, match="The disk is full"):
            store.save_annotation(project, replace(annotation, note="new"))
        with pytest.raises(ProjectError, match="The disk is full"):
            store.add_reader(project, Reader("bob", "Bob"))
    assert {path: path.read_bytes() for path in project.root.rglob("*") if path.is_file()} == before
    store.save_annotation(project, replace(annotation, note="new"))


def test_a_huge_file_is_refused_unread(project: Project, annotation: Annotation) -> None:
    store.save_annotation(project, annotation)
    path = saved_file(project, annotation)
    with path.open("r+b") as stream:
        stream.truncate(2**30)
    with pytest.raises(ProjectError, match="larger than"):
        load(project, annotation)
