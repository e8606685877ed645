"""The label dialog makes labels that differ, in colours that can be told apart."""

from unittest.mock import patch

import pytest

from usassist.core.domain import Label
from usassist.core.project import store
from usassist.core.project.palette import COLOURS
from usassist.gui.dialogs.label import LabelDialog, edit_label

LABELS = (Label("lesion", "Lesion", COLOURS[0], "breast lesion"), Label("cyst", "Cyst", COLOURS[1]))


@pytest.fixture
def make_dialog(qtbot):
    def make(label: Label | None) -> LabelDialog:
        dialog = LabelDialog(label, labels=LABELS)
        qtbot.addWidget(dialog)
        return dialog

    return make


def test_a_new_label_gets_a_free_colour_and_an_id(make_dialog) -> None:
    dialog = make_dialog(None)
    assert dialog.colour == COLOURS[2]
    assert not dialog.ok_button.isEnabled()
    dialog.name_field.setText("  Lymph node ")
    dialog.caption_field.setText("axillary lymph node")
    assert dialog.ok_button.isEnabled()
    assert dialog.result_label() == Label("lymph-node", "Lymph node", COLOURS[2], "axillary lymph node")


def test_editing_keeps_the_id(make_dialog) -> None:
    dialog = make_dialog(LABELS[0])
    assert (dialog.name_field.text(), dialog.caption_field.text(), dialog.colour) == (
        "Lesion",
        "breast lesion",
        COLOURS[0],
    )
    dialog.name_field.setText("Mass")
    dialog.choose_colour(COLOURS[4])
    assert dialog.result_label() == Label("lesion", "Mass", COLOURS[4], "breast lesion")


def test_two_labels_cannot_share_a_name(make_dialog) -> None:
    dialog = make_dialog(None)
    dialog.name_field.setText("cyst")
    assert not dialog.ok_button.isEnabled()
    assert "Cyst already" in dialog.problem.text()
    own = make_dialog(LABELS[1])
    assert own.ok_button.isEnabled()


def test_any_colour_can_be_picked(make_dialog) -> None:
    dialog = make_dialog(Label("own", "Own", "#123456"))
    assert dialog.colour == "#123456"
    dialog.choose_colour("#abcdef")
    dialog.choose_colour("#ABCDEF")
    assert dialog.colour == "#abcdef"
    assert len(dialog._swatches.buttons()) == len(COLOURS) + 2
    dialog.grab()


def test_the_answer_reaches_the_project(document) -> None:
    def accept(dialog: LabelDialog) -> int:
        dialog.name_field.setText("Node")
        return int(LabelDialog.DialogCode.Accepted)

    before = document.labels
    with patch.object(LabelDialog, "exec", accept):
        edit_label(document, "")
    assert document.labels == (*before, Label("node", "Node", COLOURS[2]))
    assert document.active_label.id == "node"
    with patch.object(LabelDialog, "exec", lambda _dialog: int(LabelDialog.DialogCode.Rejected)):
        edit_label(document, "node")
    assert len(document.labels) == len(before) + 1


def test_an_answer_for_a_project_that_is_no_longer_open_is_for_none(document, images, tmp_path, qtbot) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "x.png").write_bytes((images / "still1.png").read_bytes())
    told = []
    document.set_labels((*document.labels, Label("cyst", "Cyst", COLOURS[1])))
    document.message.connect(lambda text, _details: told.append(text))

    def accept(dialog: LabelDialog) -> int:
        dialog.name_field.setText("Node")
        with qtbot.waitSignals([document.opened, document.frame_shown]):
            document.open_paths([other])
        return int(LabelDialog.DialogCode.Accepted)

    with patch.object(LabelDialog, "exec", accept):
        edit_label(document, "cyst")
    document.flush()
    assert {label.id for label in store.open_project(document.project.root).labels}.isdisjoint({"cyst", "node"})
    assert "another project was opened" in told[-1]


@pytest.mark.parametrize("label_id", ["", "lesion"])
def test_labels_that_came_while_one_was_described_stay(document, label_id) -> None:
    def accept(dialog: LabelDialog) -> int:
        dialog.name_field.setText("Node")
        document.set_labels((*document.labels, Label("node", "Knot", COLOURS[4])))
        return int(LabelDialog.DialogCode.Accepted)

    with patch.object(LabelDialog, "exec", accept):
        edit_label(document, label_id)
    assert {"Knot", "Node"} <= {label.name for label in document.labels}
    assert document.active_label.name == "Node"
