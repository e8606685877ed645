"""Collecting garbage on the GUI thread only.

Python's collector runs on whatever thread happens to allocate. Beside Qt that is dangerous: a widget or a timer in a
reference cycle would be destroyed on a lane's thread, which Qt forbids and sometimes does not survive.
"""

import gc

from PySide6.QtCore import QCoreApplication, QObject, QTimer

INTERVAL_MS = 500


class Garbage(QObject):
    """Takes the collector over for the life of the application: same thresholds, but by a timer of the GUI thread."""

    def __init__(self, application: QCoreApplication) -> None:
        super().__init__(application)
        self.setObjectName("garbage")
        self._thresholds = gc.get_threshold()
        self._rounds = 0
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.collect)
        self._timer.start(INTERVAL_MS)
        gc.disable()

    def collect(self) -> None:
        """Collect the young generations where enough was allocated, and now and then the oldest."""
        young, middle, _old = gc.get_count()
        if young <= self._thresholds[0]:
            return
        self._rounds += 1
        gc.collect(1 if middle > self._thresholds[1] or self._rounds % 10 == 0 else 0)
        if self._rounds % 120 == 0:
            gc.collect(2)


def collect_on_gui_thread() -> None:
    """Take the collector over once; without an application there is no widget that could be harmed."""
    application = QCoreApplication.instance()
    if application is not None and application.findChild(QObject, "garbage") is None:
        Garbage(application)
