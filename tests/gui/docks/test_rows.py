"""Rows answer every role a view or a screen reader asks for, and paint in any size without a warning."""

import pytest
from PySide6.QtCore import QModelIndex, QRect, QRectF, Qt
from PySide6.QtGui import QImage, QPainter
from PySide6.QtWidgets import QApplication, QStyle, QStyleOptionViewItem

from usassist.gui.docks.rows import ROW_ROLE, Bar, Row, RowDelegate, RowsModel, list_view

FULL = Row(
    key="a",
    title="Lesion",
    subtitle="1 200 px",
    swatch="#E69F00",
    trailing="85 %",
    trailing_icon="ph.flag-fill",
    key_hint="1",
    strong=True,
    bars=(Bar("Presence", 1.0), Bar("Quality", 0.0)),
    tip="Drawn by hand",
)


def test_a_row_answers_the_roles(qapp: QApplication) -> None:
    model = RowsModel()
    model.set_rows((FULL,))
    index = model.index(0)
    assert index.data() == "Lesion"
    assert index.data(ROW_ROLE) is FULL
    assert index.data(Qt.ItemDataRole.ToolTipRole) == "Drawn by hand"
    assert index.data(Qt.ItemDataRole.AccessibleTextRole) == "Lesion, 1 200 px, 85 %"
    assert index.data(Qt.ItemDataRole.CheckStateRole) is None
    assert model.row_of("a") == 0
    assert model.row_of("b") == -1


def test_rows_that_only_change_their_words_keep_the_selection(qtbot) -> None:
    view = list_view("Things", delegate=RowDelegate())
    qtbot.addWidget(view)
    model = RowsModel(view)
    view.setModel(model)
    model.set_rows((Row("a", "A"), Row("b", "B")))
    view.setCurrentIndex(model.index(1))
    model.set_rows((Row("a", "A"), Row("b", "Bee")))
    assert view.currentIndex().data() == "Bee"
    model.set_rows((Row("c", "C"),))
    assert not view.currentIndex().isValid()


@pytest.mark.parametrize("width", [1, 60, 300])
@pytest.mark.parametrize("row", [FULL, Row("b", ""), Row("c", "x" * 500, icon="ph.circle", subtitle="y" * 500)])
def test_any_row_paints_in_any_width(qapp: QApplication, row: Row, width: int) -> None:
    model = RowsModel()
    model.set_rows((row,))
    delegate = RowDelegate(two_lines=True, bars=2)
    option = QStyleOptionViewItem()
    option.state = QStyle.StateFlag.State_Selected | QStyle.StateFlag.State_MouseOver
    option.rect = QRect(0, 0, width, delegate.sizeHint(option, QModelIndex()).height())
    image = QImage(width, option.rect.height(), QImage.Format.Format_ARGB32)
    image.fill(0)
    painter = QPainter(image)
    delegate.paint(painter, option, model.index(0))
    assert painter.end()


@pytest.mark.parametrize("trailing", ["", "a/very/long/folder/" * 9])
def test_what_stands_at_the_right_leaves_room_for_the_title(
    qapp: QApplication, monkeypatch: pytest.MonkeyPatch, trailing: str
) -> None:
    drawn: dict[str, QRectF] = {}
    monkeypatch.setattr(
        "usassist.gui.docks.rows.paint_text", lambda _painter, area, text, **_: drawn.update({text: QRectF(area)})
    )
    model = RowsModel()
    model.set_rows((Row("a", "name.png", trailing=trailing),))
    option = QStyleOptionViewItem()
    option.rect = QRect(0, 0, 300, 26)
    image = QImage(300, 26, QImage.Format.Format_ARGB32)
    painter = QPainter(image)
    RowDelegate().paint(painter, option, model.index(0))
    assert painter.end()
    title = drawn["name.png"]
    assert title.width() >= 0.5 * 270
    assert not trailing or (title.right() < drawn[trailing].left() and drawn[trailing].right() <= 300)
