"""What commands do to an annotation, and that undo and redo put back exactly what was there."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from usassist.core.domain import Box, Mask
from usassist.core.errors import UsassistError
from usassist.core.geometry.brush import stroke_mask
from usassist.core.project import journal
from usassist.gui import commands
from usassist.gui.commands.paint import overlaps, pixels_of, target_of, with_pixels
from usassist.gui.document import Document

SHAPE = (48, 64)


def disc(x: float, y: float, radius: float = 3) -> Mask:
    return stroke_mask(np.array([[x, y]], dtype=np.float64), radius, SHAPE)


def paint(document: Document, x: float, y: float, *, erase: bool = False, radius: float = 3) -> None:
    commands.paint.paint(document, disc(x, y, radius), erase=erase)


@pytest.fixture
def plain(document: Document) -> Document:
    """Return the document without a waiting proposal and with an empty undo stack."""
    commands.proposal.reject(document)
    document.undo_stack.clear()
    return document


def masks() -> st.SearchStrategy[Mask]:
    pixels = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 11)), max_size=12)

    def build(points: list[tuple[int, int]]) -> Mask:
        array = np.zeros((10, 12), dtype=np.bool_)
        for row, col in points:
            array[row, col] = True
        return Mask.from_array(array)

    return pixels.map(build)


@given(mask=masks(), other=masks())
def test_pixels_in_a_box_are_written_as_on_the_full_array(mask: Mask, other: Mask) -> None:
    box = other.box
    expected = mask.to_array()
    expected[box.slices] = other.crop
    assert np.array_equal(with_pixels(mask, box, other.crop).to_array(), expected)
    assert np.array_equal(pixels_of(mask, box), mask.to_array()[box.slices])
    assert overlaps(mask, other) == bool((mask.to_array() & other.to_array()).any())


def test_pixels_outside_the_crop_are_false() -> None:
    assert not pixels_of(Mask.empty(SHAPE), Box(1, 1, 5, 9)).any()


def test_a_first_stroke_makes_a_region_of_the_active_label(plain: Document) -> None:
    plain.set_active_label(plain.labels[1].id)
    paint(plain, 40, 20)
    (region,) = plain.annotation.regions
    assert (region.label_id, region.origin, region.edited) == (plain.labels[1].id, "human", False)
    assert region.mask == disc(40, 20)
    assert plain.annotation.status == "draft"
    assert plain.selected_region == region
    assert plain.undo_stack.undoText() == "Paint"


def test_the_next_stroke_goes_to_the_selected_region(plain: Document) -> None:
    paint(plain, 40, 20)
    paint(plain, 20, 40)
    (region,) = plain.annotation.regions
    assert np.array_equal(region.mask.to_array(), disc(40, 20).to_array() | disc(20, 40).to_array())
    plain.undo_stack.undo()
    assert plain.annotation.regions[0].mask == disc(40, 20)


def test_another_label_makes_another_region(plain: Document) -> None:
    paint(plain, 40, 20)
    plain.set_active_label(plain.labels[1].id)
    assert plain.selected_region is None
    paint(plain, 42, 20)
    assert [region.label_id for region in plain.annotation.regions] == [label.id for label in plain.labels[:2]]


def test_erasing_takes_pixels_and_at_last_the_region(plain: Document) -> None:
    paint(plain, 40, 20)
    before = plain.annotation
    paint(plain, 43, 20, erase=True)
    assert plain.annotation.regions[0].mask.area < disc(40, 20).area
    paint(plain, 40, 20, erase=True, radius=9)
    assert plain.annotation.regions == ()
    plain.undo_stack.undo()
    plain.undo_stack.undo()
    assert plain.annotation == before


def test_a_stroke_that_changes_nothing_is_no_step(plain: Document) -> None:
    paint(plain, 40, 20)
    paint(plain, 40, 20)
    paint(plain, 5, 40, erase=True)
    assert plain.undo_stack.count() == 1


def test_a_stroke_of_another_frames_size_is_refused(plain: Document) -> None:
    with pytest.raises(UsassistError, match="belongs to a frame of"):
        commands.paint.paint(plain, Mask.from_array(np.ones((3, 3), dtype=np.bool_)), erase=False)


def test_painting_on_a_proposal_is_accept_then_stroke(document: Document) -> None:
    (proposal,) = document.proposals
    row, col = proposal.mask.origin
    inside = np.argwhere(proposal.mask.crop)[0] + (row, col)
    stroke = disc(float(inside[1]), float(inside[0]))
    assert target_of(document, stroke, erase=False) is proposal
    commands.paint.paint(document, stroke, erase=False)
    (region,) = document.annotation.regions
    assert (region.origin, region.edited, document.annotation.status) == ("engine", True, "draft")
    assert document.undo_stack.count() == 2
    document.undo_stack.undo()
    (region,) = document.annotation.regions
    assert (region.mask, region.edited, document.annotation.status) == (proposal.mask, False, "accepted")
    document.undo_stack.undo()
    assert document.annotation.regions == ()
    assert document.annotation.status == "untouched"
    assert document.proposals == (proposal,)


def test_accepting_is_one_step_and_marks_the_frame(document: Document) -> None:
    (proposal,) = document.proposals
    assert commands.proposal.accept(document)
    (region,) = document.annotation.regions
    assert (region.mask, region.origin, region.edited) == (proposal.mask, "engine", False)
    assert document.annotation.status == "accepted"
    assert document.proposals == ()
    assert not commands.proposal.accept(document)
    document.undo_stack.undo()
    assert document.annotation.status == "untouched"
    document.undo_stack.redo()
    assert document.annotation.regions == (region,)


def test_accept_all_is_one_step(document: Document) -> None:
    (proposal,) = document.proposals
    document._proposing.put(document.ref.key, (proposal, replace(proposal, quality=0.1)))
    assert commands.proposal.accept_all(document)
    assert len(document.annotation.regions) == 2
    assert (document.annotation.status, document.proposals) == ("accepted", ())
    assert not commands.proposal.accept_all(document)
    assert document.undo_stack.count() == 1
    document.undo_stack.undo()
    assert len(document.proposals) == 2


def test_undoing_accept_all_selects_the_region_that_was_refined(document: Document) -> None:
    """Else its outline would wait unseen, and Enter would replace the mask of a region that is not selected."""
    (proposal,) = document.proposals
    assert commands.proposal.accept(document)
    (region,) = document.annotation.regions
    document._proposing.put(document.ref.key, (replace(proposal, quality=0.1), replace(proposal, refines=region.id)))
    document.select_region(region.id)
    assert commands.proposal.accept_all(document)
    document.select_region(None)
    document.undo_stack.undo()
    assert document.selected_region is not None and document.selected_region.id == region.id


def test_nothing_to_segment_takes_the_regions_along_in_one_step(plain: Document) -> None:
    paint(plain, 40, 20)
    painted = plain.annotation
    commands.label.nothing_to_segment(plain)
    assert (plain.annotation.status, plain.annotation.regions) == ("accepted", ())
    plain.undo_stack.undo()
    assert plain.annotation == painted


def test_nothing_to_segment_rejects_what_waits(document: Document) -> None:
    (proposal,) = document.proposals
    commands.label.nothing_to_segment(document)
    assert document.proposals == ()
    assert document.undo_stack.count() == 1
    document.undo_stack.undo()
    assert document.proposals == (proposal,)
    assert document.annotation.status == "untouched"
    document.undo_stack.redo()
    commands.label.nothing_to_segment(document)
    assert document.undo_stack.count() == 1


def test_enter_accepts_what_is_drawn_but_never_an_untouched_frame(plain: Document) -> None:
    commands.label.accept_frame(plain)
    assert plain.annotation.status == "untouched"
    paint(plain, 40, 20)
    commands.label.accept_frame(plain)
    assert plain.annotation.status == "accepted"


def test_unusable_is_a_switch(plain: Document) -> None:
    commands.label.unusable(plain)
    assert plain.annotation.status == "unusable"
    commands.label.unusable(plain)
    assert plain.annotation.status == "untouched"


def test_unusable_said_again_is_what_the_frame_was(plain: Document, show: Callable[..., None]) -> None:
    paint(plain, 40, 20)
    commands.label.accept_frame(plain)
    accepted = plain.annotation
    commands.label.unusable(plain)
    assert (plain.annotation.status, plain.annotation.regions) == ("unusable", accepted.regions)
    show(plain, 1)
    show(plain, 0)
    commands.label.toggle_flag(plain)
    commands.label.unusable(plain)
    assert plain.annotation == replace(accepted, flagged=True)
    for _ in range(3):
        plain.undo_stack.undo()
    assert plain.annotation == accepted
    plain.undo_stack.undo()
    commands.label.unusable(plain)
    commands.label.unusable(plain)
    assert plain.annotation.status == "draft"


def test_unusable_rejects_what_waits(document: Document) -> None:
    (proposal,) = document.proposals
    commands.label.unusable(document)
    assert (document.annotation.status, document.proposals) == ("unusable", ())
    assert document.undo_stack.count() == 1
    document.undo_stack.undo()
    assert (document.annotation.status, document.proposals) == ("untouched", (proposal,))
    document.undo_stack.redo()
    document.flush()
    assert "rejected" in [event.action for event in journal.read(document.project, "ann")]


def test_flag_and_note(plain: Document) -> None:
    commands.label.toggle_flag(plain)
    commands.label.set_note(plain, "shadow at 6 o'clock")
    assert plain.annotation.flagged
    assert plain.annotation.note
    commands.label.set_note(plain, "shadow at 6 o'clock")
    assert plain.undo_stack.count() == 2


def test_replacing_a_mask_an_empty_one_deletes(plain: Document) -> None:
    paint(plain, 40, 20)
    (region,) = plain.annotation.regions
    commands.region.replace_mask(plain, region.id, disc(10, 10))
    assert plain.annotation.regions[0].mask == disc(10, 10)
    assert plain.annotation.regions[0].edited
    commands.region.replace_mask(plain, region.id, disc(10, 10))
    assert plain.undo_stack.count() == 2
    commands.region.replace_mask(plain, region.id, Mask.empty(SHAPE))
    assert plain.annotation.regions == ()
    plain.undo_stack.undo()
    assert plain.annotation.regions[0].mask == disc(10, 10)


def test_labels_of_regions_change(plain: Document) -> None:
    paint(plain, 40, 20)
    (region,) = plain.annotation.regions
    commands.region.change_label(plain, region_id=region.id, label_id=plain.labels[1].id)
    assert plain.annotation.regions[0].label_id == plain.labels[1].id
    plain.undo_stack.undo()
    assert plain.annotation.regions == (region,)


def test_delete_takes_the_selected_region_or_the_only_one(plain: Document) -> None:
    commands.region.delete_selected(plain)
    paint(plain, 40, 20)
    plain.select_region(None)
    commands.region.delete_selected(plain)
    assert plain.annotation.regions == ()
    assert plain.selected_region is None


def random_edit(document: Document, rng: np.random.Generator) -> None:
    """Do one of everything a person can do to a frame."""
    x, y = float(rng.uniform(-3, 66)), float(rng.uniform(-3, 50))
    radius = float(rng.uniform(0.5, 9))
    regions = document.annotation.regions
    pick = str(rng.choice([region.id for region in regions])) if regions else ""
    edits: list[Callable[[], object]] = [
        lambda: paint(document, x, y, radius=radius),
        lambda: paint(document, x, y, radius=radius),
        lambda: paint(document, x, y, radius=radius, erase=True),
        lambda: commands.region.add_polygon(document, disc(x, y, radius)),
        lambda: commands.region.replace_mask(document, pick, disc(x, y, radius)) if pick else None,
        lambda: (
            commands.region.change_label(document, region_id=pick, label_id=document.labels[1].id) if pick else None
        ),
        lambda: commands.region.delete_selected(document),
        lambda: document.select_region(pick or None),
        lambda: document.set_active_label(str(rng.choice([label.id for label in document.labels]))),
        lambda: commands.proposal.accept(document),
        lambda: commands.proposal.reject(document),
        lambda: commands.label.accept_frame(document),
        lambda: commands.label.nothing_to_segment(document),
        lambda: commands.label.unusable(document),
        lambda: commands.label.toggle_flag(document),
        document.undo_stack.undo,
        document.undo_stack.redo,
    ]
    edits[int(rng.integers(len(edits)))]()


@given(seed=st.integers(0, 2**32 - 1), steps=st.integers(1, 40))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_redo_after_undo_is_identity_on_random_edits(document: Document, seed: int, steps: int) -> None:
    stack = document.undo_stack
    while stack.canUndo():
        stack.undo()
    stack.clear()
    start = (document.annotation, document.proposals)
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        random_edit(document, rng)
    seen = [(document.annotation, document.proposals)]
    at = stack.index()
    while stack.canUndo():
        stack.undo()
        seen.append((document.annotation, document.proposals))
    assert seen[-1][0] == start[0]
    assert all(one is other for one, other in zip(seen[-1][1], start[1], strict=True))
    for annotation, proposals in reversed(seen[:-1]):
        stack.redo()
        assert document.annotation == annotation
        assert [id(proposal) for proposal in document.proposals] == [id(proposal) for proposal in proposals]
    assert stack.index() == at
