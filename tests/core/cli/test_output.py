"""What commands write can be read by other programs."""

import json
import math

import pytest

from usassist.core import log
from usassist.core.cli import output
from usassist.core.cli.output import Exit, count, print_table, progress, report_failures, status, to_json


@pytest.mark.parametrize(
    ("done", "failed", "expected"),
    [(3, 0, Exit.DONE), (3, 1, Exit.PARTLY), (0, 1, Exit.NOTHING), (0, 0, Exit.DONE)],
)
def test_the_exit_status_says_what_was_done(done: int, failed: int, expected: Exit) -> None:
    assert status(done=done, failed=failed) is expected


def test_the_numbers_are_those_of_the_contract() -> None:
    assert (Exit.DONE, Exit.NOTHING, Exit.USAGE, Exit.PARTLY, Exit.INTERRUPTED) == (0, 1, 2, 3, 130)


def test_json_has_no_number_that_is_none() -> None:
    document = {"a": math.nan, "b": [math.inf, 1.5], "c": ("é", None), "d": {"e": -math.inf}}
    assert json.loads(to_json(document)) == {"a": None, "b": [None, 1.5], "c": ["é", None], "d": {"e": None}}


def test_a_table_is_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([("a", "1"), ("longer", "22")], header=("name", "n"))
    assert capsys.readouterr().out == "name    n\na       1\nlonger  22\n"


def test_failures_go_to_stderr_one_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    report_failures([("a.png", "is cut short."), ("b.png", "is empty.")])
    assert capsys.readouterr() == ("", "usassist: a.png: is cut short.\nusassist: b.png: is empty.\n")


def test_there_is_no_bar_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("working", total=2, unit="file") as bar:
        bar.update()
        bar.update()
    assert capsys.readouterr() == ("", "")


def test_a_terminal_sees_a_bar_unless_it_asked_for_quiet(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with progress("working", total=2, unit="file", quiet=True) as bar:
        bar.update()
    assert capsys.readouterr() == ("", "")
    with progress("working", total=2, unit="file") as bar:
        bar.update()
    out, err = capsys.readouterr()
    assert out == ""
    assert "working" in err


def test_a_failure_names_its_input_once(capsys: pytest.CaptureFixture[str]) -> None:
    report_failures([("a/cut.png", "a/cut.png is empty."), ("b.png", "No memory.")])
    assert capsys.readouterr().err == "usassist: a/cut.png is empty.\nusassist: b.png: No memory.\n"


def test_one_of_something_is_no_plural() -> None:
    assert (count(1, "file"), count(0, "file"), count(2, "mask")) == ("1 file", "0 files", "2 masks")


def test_a_program_that_asks_is_told_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(log.PROGRESS_VARIABLE, "lines")
    monkeypatch.setattr(output, "_LINES_EVERY_S", 3600.0)
    with progress("reading", total=9, unit="file") as bar:
        for _ in range(9):
            bar.update()
    told = [log.read_progress(line) for line in capsys.readouterr().err.splitlines()]
    assert told == [("reading", 1, 9), ("reading", 9, 9)], "the first and the last, few between"
    with progress("reading", total=1, unit="file", quiet=True) as bar:
        bar.update()
    assert capsys.readouterr().err == ""
