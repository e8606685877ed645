"""What the pages of a training say."""

from usassist.gui.dialogs.train_words import duration


def test_times_are_as_coarse_as_they_are_known() -> None:
    assert [duration(s) for s in (41, 200, 5000)] == ["under a minute", "about 3 min", "about 1 h 23 min"]
