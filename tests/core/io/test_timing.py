"""When frames were taken."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from usassist.core.io.timing import frame_times_ms


def dataset(**elements: object) -> Dataset:
    found = Dataset()
    for keyword, value in elements.items():
        setattr(found, keyword, value)
    return found


def test_a_still_has_no_time() -> None:
    assert frame_times_ms(dataset(FrameTime=40), frames=1) == (None, (None,))


def test_frame_time() -> None:
    assert frame_times_ms(dataset(FrameTime="33.333", CineRate=10), frames=3) == (33.333, (0.0, 33.333, 66.666))


def test_frame_time_vector_counts_increments() -> None:
    interval, times = frame_times_ms(dataset(FrameTimeVector=[0, 10, 20, 30]), frames=4)
    assert (interval, times) == (20.0, (0.0, 10.0, 30.0, 60.0))


def test_the_pointer_chooses_between_time_and_vector() -> None:
    both = dataset(FrameTime=40, FrameTimeVector=[0, 10, 10])
    assert frame_times_ms(both, frames=3)[0] == 40
    both.FrameIncrementPointer = Tag(0x0018, 0x1065)
    assert frame_times_ms(both, frames=3)[0] == 10
    both.FrameIncrementPointer = [Tag(0x0018, 0x1063)]
    assert frame_times_ms(both, frames=3)[0] == 40


def test_a_vector_that_does_not_fit_is_ignored() -> None:
    assert frame_times_ms(dataset(FrameTimeVector=[0, 10], CineRate=25), frames=3)[0] == 40
    assert frame_times_ms(dataset(FrameTimeVector=[0, 10, -10]), frames=3) == (None, (None, None, None))
    assert frame_times_ms(dataset(FrameTimeVector=5.0), frames=3)[0] is None


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"CineRate": 50}, 20.0),
        ({"RecommendedDisplayFrameRate": 25}, 40.0),
        ({"ActualFrameDuration": 12, "CineRate": 50}, 12.0),
        ({"FrameTime": 0, "CineRate": 50}, 20.0),
        ({"CineRate": 0}, None),
        ({"FrameTime": None}, None),
        ({}, None),
    ],
)
def test_fallbacks(elements: dict[str, object], expected: float | None) -> None:
    assert frame_times_ms(dataset(**elements), frames=2)[0] == expected


@given(st.lists(st.floats(0.5, 500).map(lambda value: round(value, 3)), min_size=1, max_size=30))
def test_times_of_a_vector_rise_from_zero(increments: list[float]) -> None:
    _, times = frame_times_ms(dataset(FrameTimeVector=[0.0, *increments]), frames=len(increments) + 1)
    assert times[0] == 0
    assert all(later > earlier for earlier, later in pairwise(times))
