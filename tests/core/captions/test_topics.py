import doctest

import pytest

from usassist.core.captions import topics
from usassist.core.captions.topics import base_form, base_forms, features, fillers, names_elsewhere, topic
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
    assert base_forms("B-mode, fetal_head: the lesion's margin") == base_forms("b mode fetal head the lesion margin")


def test_every_target_is_named_by_its_title_and_prompts() -> None:
    for name, target in load_vocabulary().targets.items():
        known = topic(name)
        for text in (target.title, *target.prompts):
            words = frozenset(base_forms(text))
            assert any(phrase <= words for phrase in known.names | known.findings), text
            assert all(known.takes(word) or word in fillers() for word in words), text


def test_a_findings_organ_alone_is_no_name_of_it() -> None:
    breast = topic("breast_lesion")
    assert frozenset({"breast"}) in breast.organs and frozenset({"breast"}) not in breast.names
    assert frozenset({"cyst"}) in breast.findings
    assert frozenset({"carotid"}) in topic("carotid").names
    assert not topic("carotid").findings


def test_parts_of_an_organ_name_something_else() -> None:
    parts = {text for organ in load_vocabulary().organs.values() for text in organ.parts}
    assert parts <= {text for organ in load_vocabulary().organs.values() for text in organ.synonyms}
    bulb = frozenset(base_forms("carotid bulb"))
    assert names_elsewhere("carotid")[bulb] == "carotid bulb"
    assert frozenset(base_forms("carotid artery")) not in names_elsewhere("carotid")


def test_a_name_that_the_vocabulary_does_not_know_stands_for_its_words() -> None:
    known = topic("renal_cyst")
    assert known.title == "renal cyst"
    assert known.names == {frozenset({"renal", "cyst"})} and known.takes("renal") and known.takes("irregular")
    assert not topic("gallbladder").takes("irregular"), "no finding, so no shape of one"
    assert topic("???").names == frozenset()


def test_fillers_and_features_name_nothing() -> None:
    named = {word for name in load_vocabulary().targets for phrase in topic(name).names for word in phrase}
    assert not named & fillers() and not named & features()
    assert topics.topic("carotid") is topic("carotid"), "made once"


def test_the_examples_of_the_docstrings_hold() -> None:
    assert doctest.testmod(topics).failed == 0
