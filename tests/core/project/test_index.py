"""The index of statuses is never trusted over the files."""

import json
import os
from dataclasses import replace

import pytest

from usassist.core.domain import Annotation, Project, Status
from usassist.core.project import index, layout, store


def age(project: Project) -> None:
    """Make every annotation file an hour old: old enough to be remembered."""
    for path in layout.annotations_folder(project.root, "ann").glob("*.json"):
        facts = path.stat()
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns - 3_600_000_000_000))


def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    calls: list[str] = []
    real = index.read_status

    def counting(data: bytes, *, where: str) -> Status:
        calls.append(where)
        return real(data, where=where)

    monkeypatch.setattr(index, "read_status", counting)
    return calls


@pytest.fixture
def filled(project: Project, annotation: Annotation) -> Project:
    for n, status in enumerate(("draft", "accepted", "unusable", "untouched")):
        store.save_annotation(project, replace(annotation, frame_key=f"f_{n:05d}", status=status))  # type: ignore[arg-type]
    return project


EXPECTED = {"f_00000": "draft", "f_00001": "accepted", "f_00002": "unusable", "f_00003": "untouched"}


def test_statuses_with_and_without_an_index(filled: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    assert store.annotated_keys(filled, "nobody") == {}
    calls = parsed(monkeypatch)
    assert store.annotated_keys(filled, "ann") == EXPECTED
    age(filled)
    assert store.annotated_keys(filled, "ann") == EXPECTED
    calls.clear()
    assert store.annotated_keys(filled, "ann") == EXPECTED
    assert calls == []


def test_young_files_are_read_each_time(filled: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    store.annotated_keys(filled, "ann")
    calls = parsed(monkeypatch)
    store.annotated_keys(filled, "ann")
    assert len(calls) == 4


def test_changes_are_seen(filled: Project, annotation: Annotation) -> None:
    age(filled)
    store.annotated_keys(filled, "ann")
    store.save_annotation(filled, replace(annotation, frame_key="f_00001", status="unusable"))
    layout.annotation_file(filled.root, reader_id="ann", frame_key="f_00003").unlink()
    assert store.annotated_keys(filled, "ann") == {"f_00000": "draft", "f_00001": "unusable", "f_00002": "unusable"}


def test_a_file_replaced_within_a_clock_tick_is_seen(filled: Project, annotation: Annotation) -> None:
    age(filled)
    store.annotated_keys(filled, "ann")
    path = layout.annotation_file(filled.root, reader_id="ann", frame_key="f_00001")
    before = path.stat()
    store.save_annotation(filled, replace(annotation, frame_key="f_00001", status="unusable"))  # as many letters
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert store.annotated_keys(filled, "ann")["f_00001"] == "unusable"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"version": 2}', '{"version": 1}', '{"version": 1, "entries": []}',
     '{"version": 1, "entries": {"f_00000": [1]}}', '{"version": 1, "entries": {"f_00000": [1, 2, 3, []]}}'],
)  # fmt: skip
def test_a_damaged_index_is_made_anew(filled: Project, text: str) -> None:
    path = layout.index_file(filled.root, "ann")
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    age(filled)
    assert store.annotated_keys(filled, "ann") == EXPECTED
    assert json.loads(path.read_text())["entries"].keys() == EXPECTED.keys()


def test_an_index_that_cannot_be_kept_is_no_error(filled: Project) -> None:
    age(filled)
    (filled.root / "index").write_text("a file where the folder should be")
    assert store.annotated_keys(filled, "ann") == EXPECTED


def test_a_damaged_annotation_counts_as_a_draft(filled: Project, caplog: pytest.LogCaptureFixture) -> None:
    layout.annotation_file(filled.root, reader_id="ann", frame_key="f_00001").write_text("{")
    assert store.annotated_keys(filled, "ann")["f_00001"] == "draft"
    assert "cannot be read" in caplog.text
