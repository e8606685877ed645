"""What is in memory: nothing unsaved is ever dropped, and what is dropped is read from the disk again."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtGui import QUndoCommand, QUndoGroup
from pytestqt.qtbot import QtBot

from usassist.core.domain import Annotation, Mask, Region
from usassist.core.geometry.brush import stroke_mask
from usassist.gui import commands
from usassist.gui.document import Document
from usassist.gui.document.book import AnnotationBook, status_of

SHAPE = (6, 8)


@pytest.fixture
def cleaned() -> list[tuple[str, bool]]:
    """Return the (frame key, clean) that books have told."""
    return []


@pytest.fixture
def book(qtbot: QtBot, cleaned: list[tuple[str, bool]]) -> Iterator[AnnotationBook]:
    """Return an empty book on an undo group of its own."""
    group = QUndoGroup()
    made = AnnotationBook(group, statuses={}, on_clean=lambda key, clean: cleaned.append((key, clean)))
    yield made
    made.clear()


@pytest.fixture
def keeps_three(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a book keep three frames."""
    monkeypatch.setattr("usassist.gui.document.book.KEPT_FRAMES", 3)


def untouched(number: int) -> Annotation:
    return Annotation(f"a_{number:05d}", "ann", SHAPE)


def drawn(number: int, label_id: str = "lesion") -> Annotation:
    mask = Mask.from_array(np.arange(48).reshape(SHAPE) == number)
    return replace(untouched(number), regions=(Region(f"r{number}", label_id, mask),), status="draft")


def test_the_frames_visited_longest_ago_are_dropped(book: AnnotationBook, keeps_three: None) -> None:
    for number in (0, 1, 2, 0, 3):
        book.adopt(drawn(number, f"label{number}"))
    assert [book.get(untouched(number).frame_key) is not None for number in range(4)] == [True, False, True, True]
    assert book.saved(untouched(1).frame_key) is None
    assert book.label_ids() == {"label0", "label1", "label2", "label3"}  # frame 1 still has it on the disk
    again = drawn(1, "another")
    assert book.adopt(again) is again  # the disk counts for what memory forgot


def test_an_edited_frame_is_kept_however_many_follow(book: AnnotationBook, keeps_three: None) -> None:
    book.adopt(untouched(0))
    book.stack(untouched(0).frame_key).push(QUndoCommand("edit"))
    book.replace(drawn(0))
    for number in range(1, 9):
        book.adopt(untouched(number))
    assert book.get(untouched(0).frame_key) == drawn(0)
    assert book.dirty_keys() == [untouched(0).frame_key]
    book.mark_saved(book.get(untouched(0).frame_key))
    book.adopt(untouched(9))
    assert book.get(untouched(0).frame_key) is None


def test_the_frame_on_screen_is_kept_with_its_history(book: AnnotationBook, keeps_three: None) -> None:
    book.adopt(untouched(0))
    stack = book.stack(untouched(0).frame_key)
    book._group.setActiveStack(stack)
    for number in range(1, 6):
        book.adopt(untouched(number))
    assert book.get(untouched(0).frame_key) is not None
    assert book.stack(untouched(0).frame_key) is stack


def test_memory_counts_before_the_disk(book: AnnotationBook) -> None:
    book.adopt(untouched(0))
    book.replace(drawn(0))
    assert book.adopt(untouched(0)) == drawn(0)
    assert book.saved(untouched(0).frame_key) == untouched(0)


def test_a_frame_that_changed_while_it_was_written_stays_unsaved(
    book: AnnotationBook, cleaned: list[tuple[str, bool]]
) -> None:
    book.adopt(untouched(0))
    key = untouched(0).frame_key
    written, later = drawn(0), replace(drawn(0), note="later")
    book.stack(key).push(QUndoCommand("edit"))
    book.replace(written)
    book.stack(key).push(QUndoCommand("edit"))
    book.replace(later)
    book.mark_saved(written)
    assert book.is_dirty(key)
    assert book.saved(key) == written
    book.mark_saved(later)
    assert not book.is_dirty(key)
    assert cleaned == [(key, False), (key, True)]


@pytest.mark.parametrize("meanwhile", ["another edit", "undone and done again"])
def test_no_undo_leads_to_what_was_on_disk_before_the_last_save(book: AnnotationBook, meanwhile: str) -> None:
    book.adopt(untouched(0))
    key, written = untouched(0).frame_key, drawn(0)
    stack = book.stack(key)
    stack.push(QUndoCommand("edit"))
    book.replace(written)
    if meanwhile == "another edit":
        stack.push(QUndoCommand("edit"))
        book.replace(replace(written, note="later"))
    else:
        stack.undo()
        stack.redo()
        book.replace(replace(written))  # a command makes it anew
    book.mark_saved(written)
    while stack.canUndo():
        stack.undo()
    book.replace(untouched(0))
    assert book.is_dirty(key)
    book.mark_saved(book.get(key))
    assert not book.is_dirty(key)


@pytest.mark.parametrize("visited", [True, False])
def test_restored_work_is_unsaved_until_it_is_written_whatever_is_undone(
    book: AnnotationBook, cleaned: list[tuple[str, bool]], visited: bool
) -> None:
    key, found, known = untouched(0).frame_key, drawn(0), replace(untouched(0), note="on disk")
    if visited:
        book.adopt(known)
    book.restore(found)
    assert book.get(key) is found
    assert book.saved(key) == (known if visited else untouched(0))
    book.stack(key).push(QUndoCommand("edit"))
    book.stack(key).undo()
    assert book.is_dirty(key)
    book.mark_saved(found)
    assert not book.is_dirty(key)
    assert cleaned == [(key, False), (key, True)]


def test_a_source_is_as_unfinished_as_its_least_finished_frame(book: AnnotationBook) -> None:
    assert status_of({}) == "untouched"
    assert status_of({"a_00000": "accepted", "a_00001": "unusable"}) == "accepted"
    for number, status in ((0, "accepted"), (1, "draft")):
        book.adopt(untouched(number))
        book.replace(replace(untouched(number), status=status))
    assert status_of(book.statuses_of("a")) == "draft"
    book.replace(untouched(1))
    assert status_of(book.statuses_of("a")) == "accepted"
    book.replace(untouched(0))
    assert book.touched_sources() == set()


def test_a_label_counts_as_written_as_long_as_the_disk_has_it(book: AnnotationBook) -> None:
    book.adopt(drawn(0, "old"))
    book.replace(drawn(0, "new"))
    assert book.label_ids() == {"new"}
    assert book.label_ids(on_disk=True) == {"old"}
    assert book.label_ids(on_disk=True, writing=[drawn(1, "flying")]) == {"old", "flying"}


def test_masks_are_on_their_own_frames_after_all_of_them_were_dropped(
    make_document: Callable, images: object, qtbot: QtBot, show: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("usassist.gui.document.book.KEPT_FRAMES", 1)
    document: Document = make_document(auto_propose=False)
    with qtbot.waitSignals([document.opened, document.frame_shown]):
        document.open_paths([images])
    painted = {}
    for index in range(12):
        show(document, 3, index)
        stroke = stroke_mask(np.array([[5.0 + 4 * index, 20.0]]), 2, document.frame.shape)
        commands.paint.paint(document, stroke, erase=False)
        painted[index] = (document.ref.key, document.annotation)
    document.flush()
    show(document, 0)
    for index in reversed(range(12)):
        show(document, 3, index)
        assert (document.ref.key, document.annotation) == painted[index]
        assert not document.is_dirty
    assert len(document._book._current) <= 2
