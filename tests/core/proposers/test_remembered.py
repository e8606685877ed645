import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from usassist.core.proposers.remembered import Remembered


def test_a_value_is_made_once_and_the_longest_unused_is_forgotten() -> None:
    memory: Remembered[str, int] = Remembered(2)
    made: list[str] = []

    def get(key: str) -> int:
        return memory.get(key, lambda: made.append(key) or len(made))

    assert [get("a"), get("b"), get("a"), get("c"), get("a")] == [1, 2, 1, 3, 1]
    assert get("b") == 4
    memory.clear()
    assert get("b") == 5
    assert made == ["a", "b", "c", "b", "b"]


@pytest.fixture
def impatient():
    """Let threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("impatient")
def test_several_threads_ask_and_each_gets_its_own_value() -> None:
    memory: Remembered[int, str] = Remembered(1)

    def ask(start: int) -> bool:
        keys = range(start, start + 3000)
        return all(memory.get(key % 5, lambda key=key: str(key % 5)) == str(key % 5) for key in keys)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(ask, range(4)))
    assert len(memory) == 1
