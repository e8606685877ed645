"""Logs go to stderr, as much of them as was asked for, once."""

import logging

import pytest

from usassist.core import log


def _say_everything() -> None:
    logger = logging.getLogger("usassist.core.somewhere")
    for level in ("debug", "info", "warning", "error"):
        getattr(logger, level)("a %s", level)


@pytest.mark.parametrize(
    ("verbosity", "shown"),
    [(-2, 1), (-1, 1), (0, 2), (1, 3), (2, 4), (5, 4)],
)
def test_verbosity_says_how_much(verbosity: int, shown: int, capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(verbosity=verbosity)
    _say_everything()
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == shown


def test_configuring_twice_says_it_once(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure()
    log.configure()
    logging.getLogger("usassist.core.somewhere").warning("careful")
    assert capsys.readouterr().err == "WARNING usassist.core.somewhere: careful\n"


def test_how_far_something_is_comes_back_as_it_was_told() -> None:
    assert log.read_progress(log.progress_line("epoch 2: 1/3", 3, 11)) == ("epoch 2: 1/3", 3, 11)
    for other in ("usassist: it is so.", "usassist-progress 3 of 11", ""):
        assert log.read_progress(other) is None
