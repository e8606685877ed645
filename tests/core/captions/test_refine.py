from collections.abc import Iterable, Iterator

import pytest

from usassist.core.captions.refine import Draft, judged, refined


def test_N8_a_draft_that_changes_facts_is_not_used() -> None:
    result = judged("mass 12 mm, left", Draft("mass 21 mm, left"))
    assert (result.text, result.done) == ("mass 12 mm, left", True)
    assert result.problems == ("lost number: 12 mm", "invented number: 21 mm")


def test_a_draft_that_keeps_them_is_used_on_one_line() -> None:
    assert judged("Lt mass", Draft("left\n mass")).text == "left mass"


@pytest.mark.parametrize("draft", [Draft("", "no answer"), Draft("  ")])
def test_no_draft_means_the_caption_as_it_was_and_another_try(draft: Draft) -> None:
    result = judged("a mass", draft)
    assert result.text == "a mass"
    assert result.problems
    assert not result.done


class Shouting:
    name = "shouting"

    def drafts(self, captions: Iterable[str]) -> Iterator[Draft]:
        for caption in captions:
            yield Draft(caption.upper())


def test_each_caption_meets_its_own_draft() -> None:
    assert [result.text for result in refined(iter(["a mass", "a cyst"]), Shouting())] == ["A MASS", "A CYST"]
