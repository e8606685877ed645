"""The journal only grows, and a crash costs at most the line it cut."""

import errno
import os
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from usassist.core.domain import Project
from usassist.core.errors import ProjectError
from usassist.core.project import journal, layout
from usassist.core.project.journal import JournalEvent, utc_now

EVENT = JournalEvent(
    "2026-03-01T12:00:00.123+00:00", "ann", "a_00000", "accepted", "clip_mona", "0f" * 32, "text='Läsion'", False, 1.5
)
words = st.none() | st.text(max_size=100)
events = st.builds(
    JournalEvent,
    when_utc=st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat()),
    reader_id=st.just("ann"),
    frame_key=st.from_regex(r"[a-z0-9_-]{4,30}", fullmatch=True),
    action=st.sampled_from(["proposed", "accepted", "rejected", "edited", "drawn", "deleted", "saved", "recovered"]),
    engine=words,
    weights_hash=words,
    prompt=words,
    unchanged=st.none() | st.booleans(),
    seconds=st.none() | st.floats(0, 1e6),
)


@given(st.lists(events, min_size=1, max_size=4))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_events_read_back_in_order(project: Project, given_events: list[JournalEvent]) -> None:
    before = journal.read(project, "ann")
    for event in given_events:
        journal.append(project, event)
    assert journal.read(project, "ann") == before + given_events


def test_readers_have_journals_of_their_own(project: Project) -> None:
    assert journal.read(project, "ann") == []
    journal.append(project, EVENT)
    journal.append(project, replace(EVENT, reader_id="bob"))
    assert journal.read(project, "ann") == [EVENT]
    assert journal.read(project, "bob") == [replace(EVENT, reader_id="bob")]


def test_a_line_cut_at_any_byte_is_skipped_and_repaired(project: Project) -> None:
    path = layout.journal_file(project.root, "ann")
    journal.append(project, EVENT)
    whole = path.read_bytes()
    later = replace(EVENT, action="saved")
    for cut in range(1, len(whole)):
        path.write_bytes(whole + whole[:cut])
        expected = [EVENT] * (2 if cut == len(whole) - 1 else 1)  # only the newline was lost
        assert journal.read(project, "ann") == expected
        journal.append(project, later)
        assert journal.read(project, "ann") == [*expected, later]
        assert all(line.startswith(b"{") for line in path.read_bytes().splitlines())


def test_a_first_line_longer_than_a_block_is_cut(project: Project) -> None:
    path = layout.journal_file(project.root, "ann")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x" * 200_000)
    assert journal.read(project, "ann") == []
    journal.append(project, EVENT)
    assert path.stat().st_size < 1000
    assert journal.read(project, "ann") == [EVENT]


def test_a_line_from_before_labels_is_read_without_one(project: Project) -> None:
    path = layout.journal_file(project.root, "ann")
    journal.append(project, replace(EVENT, label="lesion"))
    assert journal.read(project, "ann") == [replace(EVENT, label="lesion")]
    path.write_bytes(path.read_bytes().replace(b'"v":2', b'"v":1').replace(b',"label":"lesion"', b""))
    assert journal.read(project, "ann") == [replace(EVENT, label=None)]


def test_damage_in_the_middle_costs_only_that_line(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    path = layout.journal_file(project.root, "ann")
    journal.append(project, EVENT)
    good = path.read_bytes()
    bad = [b"damaged\n", b"{}\n", good.replace(b'"v":2', b'"v":3'), good.replace(b'"ann"', b'"bob"'), b"\n"]
    path.write_bytes(good + b"".join(bad) + good)
    assert journal.read(project, "ann") == [EVENT, EVENT]
    assert caplog.text.count("is skipped") == len(bad)


def test_a_full_disk_leaves_no_part_of_a_line(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    journal.append(project, EVENT)
    path = layout.journal_file(project.root, "ann")
    before = path.read_bytes()
    real_write = os.write
    calls = 0

    def filling(handle: int, data: Any) -> int:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real_write(handle, bytes(data)[:20])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", filling)
        with pytest.raises(ProjectError, match="The disk is full"):
            journal.append(project, EVENT)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "bad",
    [
        replace(EVENT, when_utc="yesterday"),
        replace(EVENT, when_utc="2026-03-01T12:00:00"),
        replace(EVENT, action="guessed"),  # type: ignore[arg-type]
        replace(EVENT, seconds=float("nan")),
        replace(EVENT, seconds=-1.0),
        replace(EVENT, prompt="x" * 10_001),
        replace(EVENT, frame_key="../x"),
        replace(EVENT, reader_id="../x"),
    ],
)
def test_what_is_no_event_is_not_written(project: Project, bad: JournalEvent) -> None:
    with pytest.raises(ProjectError):
        journal.append(project, bad)
    assert not (project.root / "journal").exists()


def test_now_is_utc() -> None:
    assert utc_now().endswith("+00:00")
