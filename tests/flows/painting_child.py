"""A window that paints one stroke after the other until it is killed; run by test_crash.py as a process of its own.

Each stroke is a dab in a cell of its own, so that the mask tells which strokes are in it. A line on stdout says how
many strokes are on the screen. Nothing but the stroke's number decides where it goes.
"""

import sys
from pathlib import Path

import numpy as np
from PySide6.QtCore import QObject, QTimer

CELL = 8


def cell_of(number: int, *, columns: int) -> tuple[int, int]:
    """Return (x, y) of the middle of the cell of a stroke."""
    per_row = columns // CELL
    return number % per_row * CELL + CELL // 2, number // per_row * CELL + CELL // 2


def strokes_in(array: np.ndarray) -> list[bool]:
    """Return for each cell of an HxW mask whether its stroke is there."""
    per_row, rows = array.shape[1] // CELL, array.shape[0] // CELL
    places = (cell_of(number, columns=array.shape[1]) for number in range(per_row * rows))
    return [bool(array[y, x]) for x, y in places]


class Painter(QObject):
    """Paints in the window, at the pace of a very hasty person; saves now and then."""

    def __init__(self, window: QObject) -> None:
        super().__init__(window)
        self._window, self._document = window, window.document
        self._number = 0
        self._timer = QTimer(self)
        self._timer.setInterval(15)
        self._timer.timeout.connect(self._paint)
        self._document.recovery_found.connect(self._restore)
        self._document.frame_shown.connect(lambda _frame: self._timer.start())

    def _restore(self, drafts: list) -> None:
        self._document.restore_drafts(drafts)

    def _paint(self) -> None:
        from usassist.core.geometry.brush import stroke_mask
        from usassist.gui.commands.paint import paint

        annotation, shape = self._document.annotation, self._document.frame.shape
        if self._number == 0 and annotation.regions:
            self._document.select_region(annotation.regions[0].id)
            self._number = sum(strokes_in(annotation.regions[0].mask.to_array()))
        point = np.array([cell_of(self._number, columns=shape[1])], dtype=np.float64)
        paint(self._document, stroke_mask(point, 2.0, shape), erase=False)
        self._number += 1
        sys.stdout.write(f"{self._number}\n")
        sys.stdout.flush()
        if self._number % 7 == 0:
            self._document.save()


def main(folder: Path) -> int:
    """Open the window on a folder, without an engine, and paint for ever."""
    from usassist.core.domain import Reader
    from usassist.gui.app import make_app
    from usassist.gui.document import Document, saving
    from usassist.gui.main_window import MainWindow
    from usassist.gui.settings import Settings

    saving.STROKE_GRACE_S = 60.0  # a disk that is slow today would cost more than the last stroke, as is documented
    app = make_app()
    document = Document(reader=Reader("ann", "Ann"), auto_propose=False)
    window = MainWindow(document, settings=Settings(auto_propose=False))
    painter = Painter(window)
    window.show()
    window.open_paths([folder])
    assert painter.parent() is window
    return app.exec()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
