import gc
import threading
import weakref

from PySide6.QtCore import QCoreApplication, QObject
from pytestqt.qtbot import QtBot

from usassist.gui.jobs import Lane
from usassist.gui.jobs.garbage import Garbage, collect_on_gui_thread


class Knot(QObject):
    """A QObject in a reference cycle."""

    def __init__(self) -> None:
        super().__init__()
        self.itself = self


def test_a_widget_in_a_cycle_is_never_destroyed_on_a_lane(qtbot: QtBot) -> None:
    lane, here, died_on = Lane("test"), threading.get_ident(), []
    knot = Knot()
    weakref.finalize(knot, lambda: died_on.append(threading.get_ident()))
    del knot
    lane.submit(lambda: [[number] for number in range(200_000)] and None)
    assert lane.drain(timeout=30)
    lane.close()
    gc.collect()
    assert died_on == [here]


def test_the_collector_is_taken_over_once_and_still_collects(qtbot: QtBot) -> None:
    collect_on_gui_thread()
    collect_on_gui_thread()
    application = QCoreApplication.instance()
    (garbage,) = application.findChildren(Garbage)
    assert not gc.isenabled()
    knots = [Knot() for _ in range(2_000)]
    alive = weakref.ref(knots[0])
    knots.clear()
    garbage.collect()
    assert alive() is None
