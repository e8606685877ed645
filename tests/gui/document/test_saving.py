"""Writing in the background: which draft wins, what is told of a disk that fails, and what is tried again."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from tests.gui.faults import full_disk
from usassist.core.domain import Annotation, Mask, Project, Reader, Region, Source
from usassist.core.errors import ProjectError, ReadError
from usassist.core.io import open_study
from usassist.core.project import recovery, store
from usassist.gui.document.saving import Saver
from usassist.gui.jobs import Lane


@pytest.fixture
def project(tmp_path: Path, images: Path) -> Project:
    return store.add_reader(store.create_project(tmp_path / "p", images_root=images), Reader("ann", "Ann"))


@pytest.fixture
def told() -> list[str]:
    """Return what the saver complained of."""
    return []


@pytest.fixture
def saver(qtbot: QtBot, project: Project, told: list[str]) -> Iterator[Saver]:
    lanes = Lane("save"), Lane("hash")
    yield Saver(
        lanes[0],
        hash_lane=lanes[1],
        project=project,
        on_failed=lambda what, error: told.append(what),
        on_remade=lambda _saver: told.append("remade"),
    )
    for lane in lanes:
        lane.close()


@pytest.fixture
def source(images: Path) -> Source:
    return open_study.find_sources(images / "still1.png")[0]


def settle(saver: Saver) -> None:
    """Wait until everything that was queued, and what followed from it, is done."""
    for _ in range(3):
        assert saver._hash_lane.drain(timeout=60)
        assert saver.finish()


def version(number: int) -> Annotation:
    mask = Mask.from_array(np.arange(48).reshape(6, 8) == number)
    return Annotation("a_00000", "ann", (6, 8), (Region("r", "lesion", mask),), "draft")


def hash_of(project: Project, source: Source) -> list[str | None]:
    entries = store.open_project(project.root).sources
    return [entry.sha256 for entry in entries if entry.relative == source.relative]


def test_the_latest_draft_is_what_a_crash_leaves(saver: Saver, project: Project) -> None:
    for number in range(5):
        saver.draft(version(number), source=None)
    settle(saver)
    assert recovery.drafts(project, "ann") == [version(4)]
    saver.draft(version(5), source=None)
    saver.discard_draft(version(5))
    settle(saver)
    assert recovery.drafts(project, "ann") == []


def test_a_save_that_fails_keeps_the_draft_and_is_not_called_done(
    saver: Saver, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    saver.draft(version(1), source=None)
    monkeypatch.setattr(store, "save_annotation", full_disk)
    done: list[Annotation] = []
    failed: list[Exception] = []
    saver.save(version(1), events=(), source=None, write=True, done=done.append, failed=failed.append)
    settle(saver)
    assert done == []
    assert [str(error) for error in failed] == ["The disk is full."]
    assert recovery.drafts(project, "ann") == [version(1)]


def test_a_draft_that_stays_is_told_and_what_it_holds_is_saved(
    saver: Saver, project: Project, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_args: object, **_options: object) -> None:
        raise ProjectError("Another program holds the file.")

    saver.draft(version(1), source=None)
    monkeypatch.setattr(recovery, "discard_draft", busy)
    done: list[Annotation] = []
    failed: list[Exception] = []
    saver.save(version(1), events=(), source=None, write=True, done=done.append, failed=failed.append)
    settle(saver)
    assert (done, failed, told) == ([version(1)], [], ["The recovery draft could not be removed"])
    assert store.load_annotation(project, reader_id="ann", frame_key="a_00000") == version(1)
    assert recovery.drafts(project, "ann") == [], "it says what is saved"


def test_a_draft_that_cannot_be_written_is_told(saver: Saver, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "save_draft", full_disk)
    saver.draft(version(1), source=None)
    settle(saver)
    assert told == ["The recovery draft could not be written"]


def test_a_file_that_could_not_be_hashed_is_tried_again_with_the_next_save(
    saver: Saver, project: Project, source: Source, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_source: Source) -> str:
        raise ReadError("The drive was pulled out.")

    with monkeypatch.context() as patch:
        patch.setattr(open_study, "hash_source", gone)
        saver.draft(version(1), source=source)
        settle(saver)
    assert told == ["still1.png could not be hashed"]
    assert hash_of(project, source) == []
    saver.draft(version(2), source=source)
    settle(saver)
    assert hash_of(project, source) == [open_study.hash_source(source)]


def test_a_hash_that_could_not_be_written_goes_along_with_the_next_one(
    saver: Saver, project: Project, images: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, other = (open_study.find_sources(images / name)[0] for name in ("still1.png", "still2.png"))

    def locked(*_args: object) -> None:
        raise ProjectError("Another window is changing it.")

    with monkeypatch.context() as patch:
        patch.setattr(store, "register_sources", locked)
        saver.identify(source)
        settle(saver)
    assert told == ["The project could not be written"]
    saver.identify(other)
    settle(saver)
    assert hash_of(project, source) == [open_study.hash_source(source)]
    assert hash_of(project, other) == [open_study.hash_source(other)]


def test_a_file_is_hashed_once(saver: Saver, project: Project, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []
    hash_now: Callable[[Source], str] = open_study.hash_source
    monkeypatch.setattr(open_study, "hash_source", lambda source: (hashed.append(source.key), hash_now(source))[1])
    for _ in range(3):
        saver.identify(source)
    saver.identify(replace(source, key="known", sha256="0" * 64))
    settle(saver)
    assert hashed == [source.key]
    saver.catch_up([source])
    settle(saver)
    assert hashed == [source.key]
