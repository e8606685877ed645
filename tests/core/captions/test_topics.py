import doctest

import pytest

from usassist.core.captions import topics
from usassist.core.captions.topics import base_form, features, fillers, names_of_all, split_words, topic, words_of
from usassist.core.captions.vocabulary import load_vocabulary


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Masses", "mass"),
        ("ARTERIES", "artery"),
        ("foetus", "fetal"),
        ("tumours", "tumour"),
        ("calcifications", "calcification"),
    ],
)
def test_plural_case_and_spelling_are_one_word(one: str, other: str) -> None:
    assert base_form(one) == base_form(other)


def test_hyphens_underscores_and_possessives_are_no_words() -> None:
    assert " ".join(split_words("B-mode, fetal_head: the lesion's margin")) == "B mode fetal head the lesion margin"


def test_every_target_is_named_by_its_title_and_prompts() -> None:
    for name, target in load_vocabulary().targets.items():
        known = topic(name)
        for text in (target.title, *target.prompts):
            words = words_of([text])
            assert any(phrase <= words for phrase in known.names), text
            assert all(map(known.takes, words)), text


def test_a_findings_organ_alone_is_no_name_of_it() -> None:
    breast = topic("breast_lesion")
    assert frozenset({"breast"}) in breast.organs and frozenset({"breast"}) not in breast.names
    assert frozenset({"cyst"}) in breast.names
    assert frozenset({"carotid"}) in topic("carotid").names
    assert not topic("carotid").organs


def test_parts_of_an_organ_have_names_of_their_own() -> None:
    bulb = words_of(["carotid bulb"])
    assert names_of_all()[bulb] == "carotid bulb"
    assert not any(topic("carotid").takes(word) for word in ("bulb", "internal"))


def test_a_name_that_the_vocabulary_does_not_know_stands_for_its_words() -> None:
    known = topic("renal_cyst")
    assert known.title == "renal cyst"
    assert {frozenset({"renal", "cyst"}), frozenset({"cyst"})} == known.names
    assert known.takes("renal") and known.takes("irregular") and known.takes("benign")
    assert not topic("gallbladder").takes("benign"), "no finding, so of no class"
    assert topic("???").names == frozenset()


def test_fillers_and_features_name_nothing() -> None:
    named = {word for name in load_vocabulary().targets for phrase in topic(name).names for word in phrase}
    assert not named & fillers() and not named & features()
    assert topic("carotid") is topic("carotid"), "made once"


def test_the_examples_of_the_docstrings_hold() -> None:
    assert doctest.testmod(topics).failed == 0
