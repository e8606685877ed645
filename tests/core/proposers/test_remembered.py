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
