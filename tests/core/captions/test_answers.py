import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usassist.core.captions.answers import read_answer
from usassist.core.captions.refine import Draft

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["choices", "message", "usage"]), inner)
    ),
)


def _answer(content: object, *, reason: str = "stop", **extra: object) -> bytes:
    message = {"role": "assistant", "content": content}
    return json.dumps({"choices": [{"message": message, "finish_reason": reason}], **extra}).encode()


def _read(answer: bytes, caption: str = "a mass of 12 mm in the left breast") -> Draft:
    return read_answer(answer, caption=caption, count=lambda *_: None)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("Breast: mass", "Breast: mass"),
        ('"Breast: mass"\n', "Breast: mass"),
        ("Refined caption: Breast: mass", "Breast: mass"),
        ("<think>hm\nhm</think>\n\nBreast: mass", "Breast: mass"),
        ("Breast:\n mass\x1b[2J", "Breast: mass[2J"),
    ],
)
def test_an_answer_is_its_text_and_nothing_around_it(content: str, text: str) -> None:
    assert _read(_answer(content)) == Draft(text)


@pytest.mark.parametrize(
    "answer", [b"", b"<html>", b"[]", b"{}", b'{"choices": []}', b'{"choices": [{}]}', b"[" * 99999]
)
def test_malformed_json_is_a_problem(answer: bytes) -> None:
    assert "no chat completion" in _read(answer).problem


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (_answer(""), "nothing"),
        (_answer(None), "nothing"),
        (_answer("<think>so</think>"), "nothing"),
        (_answer("I'm sorry, but I can't help with that."), "refused"),
        (_answer("I\u2019m sorry"), "refused"),
        (_answer("x", reason="content_filter"), "refused"),
        (_answer("x", reason="length"), "cut off"),
        (_answer("mass " * 200), "characters"),
        (json.dumps({"choices": [{"message": {"content": None, "refusal": "no"}}]}).encode(), "refused"),
    ],
)
def test_a_refusal_and_an_empty_or_cut_answer_are_problems(answer: bytes, said: str) -> None:
    draft = _read(answer)
    assert said in draft.problem
    assert draft.text == ""


def test_the_tokens_used_are_counted_where_they_are_said() -> None:
    used = []
    for usage in ({"prompt_tokens": 5, "completion_tokens": 3}, {"prompt_tokens": "x"}, [], None):
        read_answer(_answer("mass", usage=usage), caption="mass", count=lambda *n: used.append(n))
    assert used == [(5, 3), (0, 0), (0, 0), (0, 0)]


@given(JSON)
def test_any_json_is_a_draft_or_a_problem(value: object) -> None:
    draft = _read(json.dumps(value).encode())
    assert bool(draft.text) != bool(draft.problem)
