from usassist.core.models.token_count import TokenCount


def test_what_is_kept_is_never_more_than_there_is_room_for() -> None:
    assert TokenCount(9, 77).kept == 9
    assert TokenCount(400, 77, cut_text="the end").kept == 77
