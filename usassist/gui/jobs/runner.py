"""Lanes: one worker thread each, jobs in order, results on the GUI thread, superseded results dropped."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import TypeVar

import shiboken6
from PySide6.QtCore import QObject, Qt, Signal, Slot

from usassist.gui.jobs.garbage import collect_on_gui_thread

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Job:
    """A piece of work that was submitted to a lane; `cancel` drops it, or its result if it is already running."""

    __slots__ = ("_call", "_failed", "_outcome", "cancelled", "key")

    def __init__(
        self,
        work: Callable[[], T],
        *,
        done: Callable[[T], None] | None,
        failed: Callable[[Exception], None] | None,
        key: str | None,
    ) -> None:
        self.key = key
        self.cancelled = False
        self._failed = failed
        self._outcome: Callable[[], None] | None = None
        self._call: Callable[[], Callable[[], None]] = lambda: _bound(work(), done)

    def cancel(self) -> None:
        """Drop the job; a result that is already being computed is not delivered."""
        self.cancelled = True

    def run(self) -> None:
        """Do the work on the calling thread and keep its outcome; an exception is an outcome too."""
        try:
            self._outcome = self._call()
        except Exception as error:  # noqa: BLE001  this is the seam: whatever a job raises must reach the GUI thread
            self._outcome = _bound_failure(error, self._failed)

    def deliver(self) -> None:
        """Call `done` or `failed` with the outcome, unless the job was cancelled."""
        outcome, self._outcome = self._outcome, None
        if outcome is not None and not self.cancelled:
            outcome()


def _bound(result: T, done: Callable[[T], None] | None) -> Callable[[], None]:
    return (lambda: done(result)) if done is not None else (lambda: None)


def _bound_failure(error: Exception, failed: Callable[[Exception], None] | None) -> Callable[[], None]:
    if failed is not None:
        return lambda: failed(error)
    return lambda: _log.error("A background job failed.", exc_info=error)


class Lane(QObject):
    """One worker thread that runs jobs in the order of their submission.

    `done` and `failed` run on the thread the lane lives on, the GUI thread. A newer job with the same key cancels the
    queued one, and the result of one that is running is dropped. The thread starts with the first job.
    """

    _settled = Signal()

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.name = name
        self._changed = threading.Condition()
        self._queue: deque[Job] = deque()
        self._finished: deque[Job] = deque()
        self._latest: dict[str, Job] = {}
        self._running: Job | None = None
        self._closed = False
        self._thread: threading.Thread | None = None
        self._settled.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    def submit(
        self,
        work: Callable[[], T],
        *,
        done: Callable[[T], None] | None = None,
        failed: Callable[[Exception], None] | None = None,
        key: str | None = None,
        front: bool = False,
    ) -> Job:
        """Queue `work`; `front` puts it before everything that waits. A closed lane cancels the job at once."""
        job = Job(work, done=done, failed=failed, key=key)
        with self._changed:
            if self._closed:
                job.cancel()
                return job
            if key is not None:
                older = self._latest.get(key)
                if older is not None:
                    older.cancel()
                self._latest[key] = job
            if front:
                self._queue.appendleft(job)
            else:
                self._queue.append(job)
            self._changed.notify_all()
            if self._thread is None:
                collect_on_gui_thread()
                self._thread = threading.Thread(target=self._loop, name=f"usassist-{self.name}", daemon=True)
                self._thread.start()
        return job

    def cancel(self, key: str) -> None:
        """Drop the queued job with this key, or its result."""
        with self._changed:
            job = self._latest.pop(key, None)
        if job is not None:
            job.cancel()

    def is_pending(self, key: str) -> bool:
        """Return whether a job with this key waits or runs."""
        with self._changed:
            return self._is_pending(key)

    def wait_for(self, key: str, *, timeout: float) -> bool:
        """Block until no job with this key waits or runs; return False after `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._is_pending(key), timeout)

    def drain(self, *, timeout: float | None = None) -> bool:
        """Block until nothing waits or runs, then deliver what finished; return False after `timeout` seconds."""
        with self._changed:
            idle = self._changed.wait_for(lambda: not self._queue and self._running is None, timeout)
        self._deliver()
        return idle

    def close(self, *, wait: bool = True, timeout: float | None = None) -> None:
        """Take no more jobs; with `wait` finish what is queued (its results are not delivered), else drop it."""
        with self._changed:
            self._closed = True
            if not wait:
                for job in self._queue:
                    job.cancel()
                self._queue.clear()
            self._changed.notify_all()
        if wait and self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)
        self._finished.clear()

    def _is_pending(self, key: str) -> bool:
        running = self._running is not None and self._running.key == key
        return running or any(job.key == key and not job.cancelled for job in self._queue)

    def _next(self) -> Job | None:
        with self._changed:
            while True:
                while self._queue:
                    job = self._queue.popleft()
                    if not job.cancelled:
                        self._running = job
                        return job
                self._changed.notify_all()
                if self._closed:
                    return None
                self._changed.wait()

    def _loop(self) -> None:
        while (job := self._next()) is not None:
            job.run()
            with self._changed:
                self._running = None
                self._finished.append(job)
                # Under the lock: whoever drains or closes the lane, and deletes it then, waits until this is done.
                self._announce()
                self._changed.notify_all()

    def _announce(self) -> None:
        """Tell the GUI thread, in an event of its own: nobody is called here."""
        try:
            if not self._closed and shiboken6.isValid(self):
                self._settled.emit()
        except RuntimeError:
            # The lane's Qt half was deleted between the check and the call: nobody waits for the result any more.
            _log.debug("The lane %s is gone.", self.name)

    @Slot()
    def _deliver(self) -> None:
        while self._finished:
            job = self._finished.popleft()
            with self._changed:
                # Until here the key is taken, so that a newer job cancels an answer that nobody has seen yet.
                if job.key is not None and self._latest.get(job.key) is job:
                    del self._latest[job.key]
            job.deliver()
