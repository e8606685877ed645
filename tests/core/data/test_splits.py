from hypothesis import example, given
from hypothesis import strategies as st

from usassist.core.data.splits import LEAST_TRAIN, Split, joined, split_of_group, strictest, with_both_sides


def test_a_group_never_changes_sides_and_about_a_fifth_validates() -> None:
    sides = [split_of_group(f"group {i}") for i in range(2000)]
    assert sides == [split_of_group(f"group {i}") for i in range(2000)]
    assert 0.17 < sides.count("val") / 2000 < 0.23


def test_what_is_tested_is_never_trained_on() -> None:
    assert strictest(["train", "test", "val"]) == "test"
    assert strictest(["train", "val"]) == "val"
    assert strictest([]) is None


def test_groups_join_through_others_in_any_order() -> None:
    assert joined([["c", "b"], ["z"], ["a", "b"], []]) == ["a", "z", "a", ""]


def test_a_declared_side_is_kept_where_there_is_nothing_to_train_on() -> None:
    sides = with_both_sides({"a": "val", "b": "test"}, {"a": 5, "b": 5}, fixed=frozenset({"a", "b"}))
    assert sides == {"a": "val", "b": "test"}


def test_two_images_are_left_to_train_on() -> None:
    assert with_both_sides({"a": "val", "b": "val"}, {"a": 1, "b": 1}, fixed=frozenset()) == {
        "a": "train",
        "b": "train",
    }


@given(
    st.dictionaries(st.text(max_size=4), st.tuples(st.sampled_from(["train", "val"]), st.integers(1, 3)), min_size=1),
)
@example({"cine": ("val", 4), "still": ("train", 1)})
@example({"cine": ("val", 100), "still": ("train", 1)})
def test_what_nobody_declared_can_always_be_trained_on(groups: dict[str, tuple[Split, int]]) -> None:
    sizes = {name: size for name, (_, size) in groups.items()}
    sides = with_both_sides({name: side for name, (side, _) in groups.items()}, sizes, fixed=frozenset())
    trained = sum(sizes[name] for name, side in sides.items() if side == "train")
    assert trained >= min(LEAST_TRAIN, sum(sizes.values()))
    if min(sizes.values()) <= sum(sizes.values()) - LEAST_TRAIN:
        assert "val" in sides.values()


def test_one_image_on_the_side_to_train_on_is_too_few() -> None:
    sides = with_both_sides(
        {"a": "train", "b": "val", "c": "val", "d": "val"}, dict.fromkeys("abcd", 1), fixed=frozenset()
    )
    assert sorted(sides.values()) == ["train", "train", "train", "val"]
