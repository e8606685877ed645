"""A model of two classes in the real window: every mask is saved under the label of its own class."""

import numpy as np
from PySide6.QtCore import Qt

from usassist.core.domain import Mask, Proposal
from usassist.core.project import journal, store
from usassist.gui import commands

CLASSES = ("benign mass", "Other_structure")
"""The first has no label in a new project, the second has."""


def mask_of(name: str, shape) -> Mask:
    pixels = np.zeros(shape, dtype=np.bool_)
    top = 4 + 20 * CLASSES.index(name)
    pixels[top : top + 12, 10:40] = True
    return Mask.from_array(pixels)


def propose(frame, prompt):
    """Answer with a proposal a class, as a model of several classes does."""
    return tuple(
        Proposal(frame.ref.key, name, mask_of(name, frame.shape), 0.9, 0.8 - 0.1 * number, "fake", "f" * 64, prompt, 0)
        for number, name in enumerate(CLASSES)
    )


def masks_by_label(annotation) -> dict[str, Mask]:
    return {region.label_id: region.mask for region in annotation.regions}


def test_two_classes_are_accepted_saved_undone_and_found_again(sit_down, images, engine, qtbot) -> None:
    engine.propose = propose
    hand = sit_down()
    hand.open(images)
    hand.wait_for_proposal()
    document, canvas = hand.document, hand.window.canvas
    project, key = document.project, document.ref.key
    labels = document.labels
    expected = {"benign-mass": mask_of(CLASSES[0], document.frame.shape)}
    expected["structure"] = mask_of(CLASSES[1], document.frame.shape)

    rows = hand.window.proposals.rows.rows
    assert [row.title for row in rows] == ["benign mass", "Other structure"]
    assert rows[0].swatch not in {label.colour for label in labels}
    assert rows[1].swatch == labels[1].colour
    colours = [item._colour.name().upper() for item in canvas.layers._proposals]
    assert colours == ["#999999", labels[1].colour.upper()]

    commands.proposal.accept_all(document)
    assert masks_by_label(document.annotation) == expected
    added = document.labels[-1]
    hand.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert (document.labels, document.annotation.regions) == (labels, ())
    hand.key(Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
    assert document.labels == (*labels, added)
    assert masks_by_label(document.annotation) == expected
    with qtbot.waitSignal(document.annotation_saved):
        hand.key(Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    accepted = [event.label for event in journal.read(project, "ann") if event.action == "accepted"]
    assert accepted == ["benign-mass", "structure"]

    hand.show(1)
    hand.wait_for_proposal()
    assert [proposal.label_id for proposal in document.proposals] == ["benign-mass", "structure"]
    hand.close()

    again = sit_down()
    again.open(images)
    assert again.document.labels == (*labels, added)
    assert masks_by_label(again.document.annotation) == expected
    saved = store.load_annotation(project, reader_id="ann", frame_key=key)
    assert masks_by_label(saved) == expected
