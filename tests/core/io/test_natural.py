"""The natural order: numbers by value, case ignored, total and stable."""

from hypothesis import given
from hypothesis import strategies as st

from usassist.core.io.natural import natural_key

names = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12)
paths = st.lists(names, min_size=1, max_size=3).map("/".join)


def test_numbers_sort_by_value() -> None:
    assert sorted(["img10", "IMG9", "img1", "Img2"], key=natural_key) == ["img1", "Img2", "IMG9", "img10"]


def test_folders_sort_before_what_their_longer_names_hold() -> None:
    found = sorted(["case10/1.png", "case2/10.png", "case2/9.png", "case2b/1.png"], key=natural_key)
    assert found == ["case2/9.png", "case2/10.png", "case2b/1.png", "case10/1.png"]


@given(st.lists(paths, max_size=12))
def test_order_is_total_and_independent_of_the_input(found: list[str]) -> None:
    turned = found[::-1]
    assert sorted(found, key=natural_key) == sorted(turned, key=natural_key)


@given(names.filter(lambda text: not text[-1].isdigit()), st.integers(0, 10**9), st.integers(0, 10**9))
def test_numbers_compare_as_numbers(text: str, first: int, second: int) -> None:
    ordered = natural_key(f"{text}{first}.png") < natural_key(f"{text}{second}.png")
    assert ordered == (first < second)


@given(paths)
def test_same_path_same_key(path: str) -> None:
    assert natural_key(path) == natural_key(path)
