"""The labels panel picks labels, lists the frame's regions, and changes them only through commands."""

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QTimer
from PySide6.QtWidgets import QApplication, QMenu

from usassist.core.domain import Label, Mask
from usassist.gui.commands import proposal as proposal_commands
from usassist.gui.commands import region as region_commands
from usassist.gui.docks.labels import LabelsDock, size_text
from usassist.gui.docks.rows import ROW_ROLE


@pytest.fixture
def dock(document, qtbot) -> LabelsDock:
    dock = LabelsDock(document)
    qtbot.addWidget(dock)
    return dock


def draw(document, *, rows: slice = slice(2, 6), cols: slice = slice(3, 9)) -> None:
    full = np.zeros(document.frame.shape, dtype=np.bool_)
    full[rows, cols] = True
    region_commands.add_polygon(document, Mask.from_array(full))


def test_labels_show_colour_key_and_which_is_active(dock: LabelsDock, document) -> None:
    rows = dock.labels.rows
    assert [row.title for row in rows] == [label.name for label in document.labels]
    assert [row.key_hint for row in rows] == ["1", "2"]
    assert [row.strong for row in rows] == [True, False]
    assert rows[0].swatch == document.labels[0].colour


def test_only_nine_labels_have_a_key(dock: LabelsDock, document) -> None:
    document.set_labels(tuple(Label(f"l{n}", f"Label {n}", "#112233") for n in range(11)))
    assert [row.key_hint for row in dock.labels.rows][-3:] == ["9", "", ""]


def test_choosing_a_label_makes_it_active_and_back(dock: LabelsDock, document) -> None:
    dock.labels_view.setCurrentIndex(dock.labels.index(1))
    assert document.active_label is document.labels[1]
    document.set_active_label(document.labels[0].id)
    assert dock.labels_view.currentIndex().row() == 0


def test_regions_follow_the_annotation(dock: LabelsDock, document) -> None:
    assert "No regions yet" in dock.empty.text
    proposal_commands.accept(document)
    draw(document)
    rows = [dock.regions.index(row).data(ROW_ROLE) for row in range(dock.regions.rowCount())]
    assert [row.trailing_icon for row in rows] == ["ph.sparkle", ""]
    assert rows[1].subtitle == "24 px"
    document.undo_stack.undo()
    document.undo_stack.undo()
    assert dock.regions.rowCount() == 0


def test_selection_goes_both_ways_without_a_loop(dock: LabelsDock, document) -> None:
    draw(document)
    draw(document, rows=slice(10, 20))
    heard = []
    document.selection_changed.connect(heard.append)
    dock.regions_view.setCurrentIndex(dock.regions.index(0))
    first, second = document.annotation.regions
    assert document.selected_region is first
    assert heard == [first.id]
    document.select_region(second.id)
    assert dock.regions_view.currentIndex().row() == 1
    document.select_region(None)
    assert not dock.regions_view.currentIndex().isValid()
    assert heard == [first.id, second.id, ""]
    assert not dock.delete_button.isEnabled()


def test_delete_and_relabel_can_be_undone(dock: LabelsDock, document) -> None:
    draw(document)
    document.select_region(document.annotation.regions[0].id)
    other = document.labels[1]
    dock.relabel_selected(other.id)
    assert document.annotation.regions[0].label_id == other.id
    assert dock.regions.rows[0].title == other.name
    assert dock.delete_button.isEnabled()
    dock.delete_button.click()
    assert document.annotation.regions == ()
    document.undo_stack.undo()
    document.undo_stack.undo()
    assert document.annotation.regions[0].label_id == document.labels[0].id


def test_the_dialog_is_asked_for_by_a_signal(dock: LabelsDock, document, qtbot) -> None:
    with qtbot.waitSignal(dock.edit_requested) as asked:
        dock.add_button.click()
    assert asked.args == [""]
    with qtbot.waitSignal(dock.edit_requested) as asked:
        dock.labels_view.doubleClicked.emit(dock.labels.index(1))
    assert asked.args == [document.labels[1].id]


def test_the_menu_offers_the_other_labels(dock: LabelsDock, document) -> None:
    draw(document)
    document.select_region(document.annotation.regions[0].id)
    menu = dock._relabel_menu()
    assert [action.isEnabled() for action in menu.actions()] == [False, True]
    menu.actions()[1].trigger()
    assert document.annotation.regions[0].label_id == document.labels[1].id


def test_the_menus_are_gone_once_they_were_closed(dock: LabelsDock, document, qtbot) -> None:
    draw(document)
    document.select_region(document.annotation.regions[0].id)
    document.set_labels((*document.labels, Label("rd", "R&D", "#112233")))
    kept = len(dock.findChildren(QMenu))
    texts = []

    def close() -> None:
        texts.extend(action.text() for action in QApplication.activePopupWidget().actions())
        QApplication.activePopupWidget().close()

    region = dock.regions_view.visualRect(dock.regions.index(0)).center()
    for show in (lambda: dock._on_labels_menu(QPoint(2, 2)), lambda: dock._on_regions_menu(region)):
        QTimer.singleShot(0, close)
        show()
    assert {"Add a label…", "Delete region", "R&&D"} <= {*texts}
    qtbot.waitUntil(lambda: len(dock.findChildren(QMenu)) == kept)


def test_a_click_on_the_label_that_is_drawn_with_asks_for_it_again(dock: LabelsDock, document, qtbot) -> None:
    document.set_prompt_text("fetal head")
    index = dock.labels_view.currentIndex()
    with qtbot.waitSignal(document.text_dropped):
        dock.labels_view.clicked.emit(index)


def test_sizes_are_in_mm_only_where_the_file_says_so(document) -> None:
    draw(document)
    region, frame = document.annotation.regions[0], document.frame
    assert size_text(region, frame) == "24 px"
    known = type(frame)(frame.ref, frame.pixels, spacing_mm=(0.5, 0.25))
    assert size_text(region, known) == "24 px · 3.0 mm²"


def test_regions_of_one_label_are_numbered(dock: LabelsDock, document) -> None:
    draw(document)
    assert [row.title for row in dock.regions.rows] == ["Lesion"]
    draw(document, rows=slice(10, 20))
    document.set_active_label(document.labels[1].id)
    draw(document, rows=slice(22, 30))
    assert [row.title for row in dock.regions.rows] == ["Lesion 1", "Lesion 2", "Other structure"]
