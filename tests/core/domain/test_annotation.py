"""Labels are safe as keys, and an annotation finds its regions by id."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from usassist.core.domain import Annotation, Label, Mask, Region
from usassist.core.errors import UsassistError

DOT = Mask((4, 4), (1, 1), np.ones((1, 1), dtype=bool))


@given(st.from_regex(r"[a-z0-9][a-z0-9_-]{0,63}", fullmatch=True), st.from_regex(r"#[0-9a-fA-F]{6}", fullmatch=True))
def test_a_label_of_plain_letters_and_a_colour_is_taken(label_id: str, colour: str) -> None:
    assert Label(label_id, "Lesion", colour).id == label_id


@pytest.mark.parametrize("colour", ["red", "#12345", "#1234567", "#12345g", "", "#123456\n"])
def test_a_colour_that_is_none_is_refused(colour: str) -> None:
    with pytest.raises(UsassistError, match="#rrggbb"):
        Label("lesion", "Lesion", colour)


@pytest.mark.parametrize("label_id", ["", "Lesion", "-a", "a b", "a/b", "..", "a" * 65, "é", "a\n"])
def test_an_id_that_is_unsafe_as_a_file_name_is_refused(label_id: str) -> None:
    with pytest.raises(UsassistError, match="1 to 64"):
        Label(label_id, "Lesion", "#123456")


def test_regions_are_found_by_id() -> None:
    first, second = Region("r1", "lesion", DOT), Region("r2", "lesion", DOT, origin="engine")
    annotation = Annotation("clip_00000", "me", (4, 4), regions=(first, second))
    assert annotation.region("r2") is second
    assert annotation.region("r3") is None


def test_a_new_annotation_is_untouched() -> None:
    annotation = Annotation("clip_00000", "me", (4, 4))
    assert (annotation.status, annotation.regions, annotation.flagged) == ("untouched", (), False)
