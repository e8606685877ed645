from usassist.core.data.splits import joined, split_of_group, strictest, with_both_sides


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
