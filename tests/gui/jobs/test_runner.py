import threading
from collections.abc import Iterator

import pytest
from pytestqt.qtbot import QtBot

from usassist.gui.jobs import Lane, Progress


@pytest.fixture
def lane(qtbot: QtBot) -> Iterator[Lane]:
    lane = Lane("test")
    yield lane
    lane.close()


def test_jobs_run_in_order_off_the_gui_thread_and_answer_on_it(lane: Lane, qtbot: QtBot) -> None:
    here, seen, answered = threading.get_ident(), [], []
    for number in range(5):
        lane.submit(
            lambda n=number: seen.append((n, threading.get_ident() == here)) or n,
            done=lambda n: answered.append((n, threading.get_ident() == here)),
        )
    qtbot.waitUntil(lambda: len(answered) == 5)
    assert seen == [(n, False) for n in range(5)]
    assert answered == [(n, True) for n in range(5)]


def test_a_newer_job_cancels_the_queued_one_and_drops_the_running_result(lane: Lane, qtbot: QtBot) -> None:
    gate, started, ran, answered = threading.Event(), threading.Event(), [], []

    def first() -> int:
        started.set()
        gate.wait(60)
        ran.append(1)
        return 1

    lane.submit(first, done=answered.append, key="k")
    assert started.wait(60)
    lane.submit(lambda: ran.append(2) or 2, done=answered.append, key="k")
    lane.submit(lambda: ran.append(3) or 3, done=answered.append, key="k")
    gate.set()
    qtbot.waitUntil(lambda: answered == [3])
    assert ran == [1, 3]


def test_a_result_that_waits_for_delivery_is_dropped_too(lane: Lane) -> None:
    answered: list[int] = []
    lane.submit(lambda: 1, done=answered.append, key="k")
    assert lane.wait_for("k", timeout=60)
    lane.submit(lambda: 2, done=answered.append, key="k")
    lane.drain(timeout=60)
    assert answered == [2]


def test_failures_are_delivered_and_the_lane_goes_on(lane: Lane) -> None:
    failures: list[Exception] = []
    answered: list[int] = []
    lane.submit(lambda: 1 // 0, done=answered.append, failed=failures.append)
    lane.submit(lambda: 7, done=answered.append)
    assert lane.drain(timeout=60)
    assert isinstance(failures[0], ZeroDivisionError)
    assert answered == [7]


def test_front_goes_before_what_waits(lane: Lane) -> None:
    gate, started, ran = threading.Event(), threading.Event(), []
    lane.submit(lambda: (started.set(), gate.wait(60)))
    assert started.wait(60)
    lane.submit(lambda: ran.append("later"))
    lane.submit(lambda: ran.append("first"), front=True)
    gate.set()
    lane.drain(timeout=60)
    assert ran == ["first", "later"]


def test_close_finishes_what_is_queued_or_drops_it(qtbot: QtBot) -> None:
    for wait, expected in ((True, [1, 2]), (False, [1])):
        lane, gate, started, ran = Lane("test"), threading.Event(), threading.Event(), []
        lane.submit(lambda g=gate, s=started, r=ran: (s.set(), g.wait(60), r.append(1)))
        assert started.wait(60)
        lane.submit(lambda r=ran: r.append(2))
        if wait:
            gate.set()
        lane.close(wait=wait)
        gate.set()
        lane._thread.join(60)
        assert ran == expected
        assert lane.submit(lambda: 3).cancelled


def test_cancel_by_key_drops_the_answer(lane: Lane) -> None:
    answered: list[int] = []
    lane.submit(lambda: 1, done=answered.append, key="k")
    lane.cancel("k")
    lane.drain(timeout=60)
    assert answered == []


@pytest.mark.parametrize(("done", "total", "expected"), [(1, 4, 0.25), (9, 4, 1.0), (1, 0, None)])
def test_progress_says_its_fraction(done: int, total: int, expected: float | None) -> None:
    assert Progress(done, total).fraction == expected


def test_nobody_drains_or_closes_a_lane_that_is_telling_its_result(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the lane is deleted under the signal, which ends the program."""
    taken: list[bool] = []

    def announce() -> None:
        other = threading.Thread(target=lambda: taken.append(lane._changed.acquire(blocking=False)))
        other.start()
        other.join()

    monkeypatch.setattr(lane, "_announce", announce)
    lane.submit(lambda: None)
    assert lane.drain(timeout=60)
    assert taken == [False]
