from usassist.core.data.splits import split_of_group


def test_a_group_never_changes_sides_and_about_a_fifth_validates() -> None:
    sides = [split_of_group(f"group {i}") for i in range(2000)]
    assert sides == [split_of_group(f"group {i}") for i in range(2000)]
    assert 0.17 < sides.count("val") / 2000 < 0.23
