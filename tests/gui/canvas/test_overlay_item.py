"""The boxes of scan regions enclose their pixels, on screen too."""

from dataclasses import replace

import numpy as np
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtWidgets import QStyleOptionGraphicsItem
from pytestqt.qtbot import QtBot

from usassist.core.domain import Box, ScanRegion
from usassist.gui.canvas.overlay_item import ScanRegionItem

REGION = ScanRegion(Box(10, 20, 30, 60), "b_mode")


def painted(item: ScanRegionItem) -> np.ndarray:
    """Return which pixels of an 80x100 picture the item paints on, at the zoom 1, bool HxW."""
    image = QImage(100, 80, QImage.Format.Format_RGB32)
    image.fill(QColor("black"))
    painter = QPainter(image)
    painter.translate(0.5, 0.5)  # as the canvas does: pixel centres are at integers
    item.paint(painter, QStyleOptionGraphicsItem())
    painter.end()
    return np.frombuffer(image.constBits(), np.uint8).reshape(80, 100, 4)[..., :3].any(axis=2)


def test_a_box_is_drawn_on_the_border_of_its_pixels(qtbot: QtBot) -> None:
    item = ScanRegionItem()
    item.set_regions((REGION,))
    rows, columns = np.nonzero(painted(item))
    assert (rows.min(), columns.min()) in {(9, 19), (10, 20)}
    assert (rows.max(), columns.max()) in {(29, 59), (30, 60)}
    assert not painted(item)[12:28, 22:58].any()
    assert item.boundingRect().contains(20, 10) and item.boundingRect().contains(59, 29)


def test_what_was_detected_looks_unlike_what_was_declared(qtbot: QtBot) -> None:
    declared, detected = ScanRegionItem(), ScanRegionItem()
    declared.set_regions((REGION,))
    detected.set_regions((replace(REGION, detected=True),))
    assert not np.array_equal(painted(declared), painted(detected))


def test_a_frame_without_regions_shows_none(qtbot: QtBot) -> None:
    item = ScanRegionItem()
    item.set_regions((REGION,))
    item.set_regions(())
    assert not painted(item).any()
    assert item.boundingRect().isEmpty()
