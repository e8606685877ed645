import numpy as np
import pytest

from usassist.core.training.answers import MIDDLE, Answers


def _answers() -> Answers:
    """Three easy heads, one hard lesion, and a normal breast that is called a lesion."""
    middle = np.array([1.0, 1.0, 1.0, 0.5, 0.0])
    return Answers(
        dice=np.tile(middle[:, None], (1, 13)),
        presence=np.array([3.0, 3.0, 3.0, 2.0, 1.0]),
        peak=np.zeros(5),
        quality=np.zeros(5),
        shows=np.array([True, True, True, True, False]),
        target=np.array([1, 1, 1, 0, 0]),
    )


def test_many_easy_findings_do_not_outweigh_a_hard_one_of_another_kind() -> None:
    assert _answers().mean_dice()[MIDDLE] == pytest.approx(0.75)
    assert _answers().as_evaluated()["dice_lesion"] == pytest.approx(3.5 / 4)


def test_presence_is_judged_where_a_finding_may_be_absent() -> None:
    judged = _answers().judged()
    assert judged.presence.tolist() == [2.0, 1.0]
    assert judged.shows.tolist() == [True, False]


def test_where_nothing_shows_anything_all_count() -> None:
    answers = _answers()
    empty = answers.of(~answers.shows)
    assert empty.mean_dice()[MIDDLE] == 0.0
    assert len(empty.judged().shows) == 0
