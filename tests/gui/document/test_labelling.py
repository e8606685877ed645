"""Classes that a model names become labels of the project: by name, or added in the step that accepts them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from usassist.core.domain import Frame, Label, Mask, Prompt, Proposal
from usassist.core.project import journal, store
from usassist.gui import commands
from usassist.gui.document import Document


def class_masks(shape: tuple[int, int], names: tuple[str, ...]) -> dict[str, Mask]:
    """Return a mask a class, none overlapping; a class called "nothing" has an empty one."""
    masks = {}
    for number, name in enumerate(names):
        pixels = np.zeros(shape, dtype=np.bool_)
        pixels[4 + 12 * number : 12 + 12 * number, 5:25] = name != "nothing"
        masks[name] = Mask.from_array(pixels)
    return masks


def answers(*names: str) -> Callable[[Frame, Prompt], tuple[Proposal, ...]]:
    """Return a `propose` that answers with a proposal a class, as a model of several classes does."""

    def propose(frame: Frame, prompt: Prompt) -> tuple[Proposal, ...]:
        masks = class_masks(frame.shape, names)
        return tuple(
            Proposal(frame.ref.key, name, masks[name], 0.9, 0.8 - 0.1 * number, "fake", "f" * 64, prompt, 0.001)
            for number, name in enumerate(names)
        )

    return propose


@pytest.fixture
def open_with(make_document: Callable[..., Document], images: Path, engine: Any, qtbot: QtBot) -> Callable:
    """Return a function that opens the stills with an engine of these classes and waits for the first answer."""

    def go(*names: str) -> Document:
        engine.propose = answers(*names)
        document = make_document()
        with qtbot.waitSignals([document.opened, document.frame_shown]):
            document.open_paths([images])
        qtbot.waitUntil(lambda: bool(document.proposals) or document.found_nothing)
        return document

    return go


def ids(labels: tuple[Label, ...]) -> list[str]:
    return [label.id for label in labels]


def region_labels(document: Document) -> list[str]:
    return [region.label_id for region in document.annotation.regions]


def on_disk(document: Document) -> list[str]:
    document.lane_save.drain()
    return ids(store.open_project(document.project.root).labels)


def undo(document: Document) -> None:
    document.undo_stack.undo()


def redo(document: Document) -> None:
    document.undo_stack.redo()


def test_classes_with_a_label_arrive_under_its_id(open_with: Callable) -> None:
    document = open_with("Breast_Lesion", "other structure")  # a caption and a name
    assert [proposal.label_id for proposal in document.proposals] == ["lesion", "structure"]
    before = document.labels
    commands.proposal.accept_all(document)
    assert region_labels(document) == ["lesion", "structure"]
    assert document.labels == before


def test_a_class_without_a_label_keeps_its_name_until_it_is_accepted(open_with: Callable) -> None:
    document = open_with("benign mass", "nothing")
    (proposal,) = document.proposals  # an empty mask is no proposal and never a label
    before = document.labels
    assert (proposal.label_id, document.label_of(proposal.label_id)) == ("benign mass", None)
    assert document.label_name(proposal.label_id) == "benign mass"
    commands.proposal.accept(document)
    added = document.labels[-1]
    assert document.labels == (*before, added)
    assert (added.id, added.name) == ("benign-mass", "benign mass")
    assert added.colour not in {label.colour for label in before}
    assert region_labels(document) == [added.id]
    document.flush()
    assert on_disk(document) == ids(document.labels)
    saved = store.load_annotation(document.project, reader_id="ann", frame_key=document.ref.key)
    assert [region.label_id for region in saved.regions] == [added.id]
    (event,) = [event for event in journal.read(document.project, "ann") if event.action == "accepted"]
    assert (event.label, event.unchanged) == (added.id, True)


def test_a_rejected_class_adds_no_label(open_with: Callable) -> None:
    document = open_with("cyst")
    before = document.labels
    commands.proposal.reject(document)
    commands.label.nothing_to_segment(document)
    assert document.labels == before
    assert on_disk(document) == ids(before)


def test_undo_takes_region_and_label_back_and_redo_returns_both(open_with: Callable) -> None:
    document = open_with("cyst", "duct", "lesion")
    before, waiting = document.labels, document.proposals
    commands.proposal.accept_all(document)
    after, drawn = document.labels, document.annotation
    assert ids(after) == [*ids(before), "cyst", "duct"]
    assert region_labels(document) == ["cyst", "duct", "lesion"]
    for _ in range(2):
        undo(document)
        assert (document.labels, document.annotation.regions) == (before, ())
        assert [id(one) for one in document.proposals] == [id(one) for one in waiting]
        assert on_disk(document) == ids(before)
        redo(document)
        assert (document.labels, document.annotation, document.proposals) == (after, drawn, ())
        assert on_disk(document) == ids(after)


def test_two_spellings_of_a_class_are_one_label(open_with: Callable) -> None:
    document = open_with("Fat_lobule", "fat lobule")
    commands.proposal.accept_all(document)
    assert region_labels(document) == ["fat-lobule"] * 2
    assert ids(document.labels).count("fat-lobule") == 1


def test_a_label_that_another_frame_has_stays(open_with: Callable, show: Callable, qtbot: QtBot) -> None:
    document = open_with("cyst")
    commands.proposal.accept(document)
    show(document, 1)
    qtbot.waitUntil(lambda: bool(document.proposals))
    assert document.proposals[0].label_id == "cyst"
    commands.proposal.accept(document)
    show(document, 0)
    undo(document)
    assert document.annotation.regions == ()
    assert "cyst" in ids(document.labels)
    assert "cyst" in on_disk(document)


def test_a_proposal_that_waits_elsewhere_gets_the_same_label_again(
    open_with: Callable, show: Callable, qtbot: QtBot
) -> None:
    document = open_with("benign mass")
    commands.proposal.accept(document)
    after = document.labels
    show(document, 1)
    qtbot.waitUntil(lambda: bool(document.proposals))
    show(document, 0)
    undo(document)
    show(document, 1)
    waiting = document.proposals[0].label_id
    assert (document.label_of(waiting), document.label_name(waiting)) == (None, "benign mass")
    commands.proposal.accept(document)
    assert document.labels == after
    assert region_labels(document) == ["benign-mass"]


def test_a_region_that_comes_back_brings_its_label_along(open_with: Callable, show: Callable) -> None:
    document = open_with("cyst")
    commands.proposal.accept(document)
    after = document.labels
    document.set_active_label("cyst")
    show(document, 1)
    commands.region.add_mask(document, class_masks(document.frame.shape, ("a",))["a"], text="Draw")
    assert region_labels(document) == ["cyst"]
    undo(document)
    document.set_active_label("lesion")
    show(document, 0)
    undo(document)
    assert "cyst" not in ids(document.labels)
    show(document, 1)
    redo(document)
    assert region_labels(document) == ["cyst"]
    assert document.labels == after
    assert on_disk(document) == ids(after)


def test_the_label_that_is_drawn_with_is_not_taken_away(open_with: Callable) -> None:
    document = open_with("cyst")
    commands.proposal.accept(document)
    document.set_active_label("cyst")
    undo(document)
    assert document.annotation.regions == ()
    assert document.active_label.id == "cyst"


def test_a_label_stays_in_the_file_as_long_as_a_saved_frame_has_it(open_with: Callable, qtbot: QtBot) -> None:
    document = open_with("cyst")
    before = document.labels
    commands.proposal.accept(document)
    document.flush()
    undo(document)
    assert document.labels == before
    assert "cyst" in on_disk(document)  # a crash now, and the saved region still has its label
    document.flush()
    assert on_disk(document) == ids(before)


def test_a_label_renamed_meanwhile_is_the_persons_and_stays_the_classs(
    open_with: Callable, show: Callable, qtbot: QtBot
) -> None:
    document = open_with("benign mass")
    commands.proposal.accept(document)
    renamed = replace(document.labels[-1], name="Fibroadenoma")
    document.set_labels((*document.labels[:-1], renamed))
    undo(document)
    assert document.labels[-1] == renamed
    assert document.label_of(document.proposals[0].label_id) == renamed
    redo(document)
    assert document.labels[-1] == renamed
    assert region_labels(document) == [renamed.id]
    show(document, 1)
    qtbot.waitUntil(lambda: bool(document.proposals))
    assert document.proposals[0].label_id == renamed.id


def test_a_label_of_that_name_made_while_it_waits_is_used(open_with: Callable) -> None:
    document = open_with("benign mass")
    own = Label("x1", "Benign Mass", "#112233")
    document.set_labels((*document.labels, own))
    assert document.label_of(document.proposals[0].label_id) == own
    commands.proposal.accept(document)
    assert region_labels(document) == ["x1"]
    assert document.labels[-1] == own
    undo(document)
    assert document.labels[-1] == own


def test_a_class_of_any_text_can_be_saved(open_with: Callable) -> None:
    document = open_with("\u826f\u6027 \n" + "x" * 300, "")
    commands.proposal.accept_all(document)
    names = [label.name for label in document.labels[2:]]
    assert [len(name) for name in names] == [60, len("Unnamed class")]
    assert not any("\n" in name for name in names)
    document.flush()
    assert not document.is_dirty
    assert on_disk(document) == ids(document.labels)
