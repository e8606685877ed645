"""What is found for a text gets the label that the text asks for, and never another one by guessing."""

from typing import Any

import pytest

from usassist.core.captions import asked_label
from usassist.core.captions.asked_label import class_of_text, label_id_of_text, label_of_text
from usassist.core.domain import Label
from usassist.core.project.palette import DEFAULT_LABELS

LESION, OTHER = DEFAULT_LABELS
HEAD = Label("head", "Fetal head", "#000000", "a skull")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Breast  lesion", LESION),
        ("other_structure", OTHER),
        ("suspicious lesion of the breast", LESION),
        ("fetal head", HEAD),
        ("an irregular breast tumour", LESION),
        ("foetal heads", HEAD),
        ("thyroid nodule", None),
        ("breast tissue", None),
        ("breast without a lesion", None),
        ("cyst", None),  # of the breast or of the thyroid
        ("kidney", None),
        ("", None),
    ],
)
def test_a_text_finds_the_label_of_its_words_or_of_its_target(text: str, found: Label | None) -> None:
    assert label_of_text(text, (*DEFAULT_LABELS, HEAD)) is found


def test_among_labels_that_ask_for_the_same_only_the_active_one_is_meant() -> None:
    one, other = (Label(name, name, "#000000", "breast lesion") for name in ("benign", "malignant"))
    labels = (one, other, OTHER)
    for text in ("breast lesion", "breast tumour", "hypoechoic mass"):
        assert label_of_text(text, labels) is None
        assert label_of_text(text, labels, active=other) is other
        assert label_of_text(text, labels, active=OTHER) is None


def test_a_name_stands_for_a_target_only_where_nothing_else_is_asked() -> None:
    reworded = Label("lesion", "Breast mass", "#000000", "thyroid nodule")
    assert label_of_text("breast tumour", (reworded,)) is None
    assert label_of_text("nodule of the thyroid gland", (reworded,)) is reworded


def test_a_new_label_is_called_what_people_call_it() -> None:
    assert class_of_text("fetal skull") == "Fetal head"
    assert class_of_text("carotid") == "Common carotid artery"
    assert class_of_text(" left  kidney ") == "left kidney"


@pytest.mark.parametrize(
    ("text", "label_id"),
    [
        ("breast tumour", "lesion"),
        ("lesion", "lesion"),
        ("Fetal head", "fetal_head"),
        ("head of the fetus", "fetal_head"),
        ("carotid artery", "carotid"),
        ("breast tissue", "breast-tissue"),
        ("cyst", "lesion"),  # what the window says of it in a new project
        ("nodule", "lesion"),
        ("mass without calcification", "lesion"),
        ("thyroid nodule", "thyroid_nodule"),
        ("a dark, round spot", "a-dark-round-spot"),
        ("nuclei " * 30, None),
        ("胎头", "label-2f3932"),
    ],
)
def test_without_a_project_the_id_says_what_was_asked(text: str, label_id: str | None) -> None:
    found = label_id_of_text(text)
    assert found == (label_id or found)
    Label(found, "It is an id that a label can have", "#000000")


def test_texts_of_other_letters_share_no_id_with_a_label_a_target_or_each_other() -> None:
    texts = ("胎头", "病", "病 lesion", "肝 lesion", "carotid 病", "kidney " * 30, "kidney " * 40, "?!", "?")
    found = [label_id_of_text(text) for text in texts]
    assert len({*found}) == len(found)
    assert not {*found} & {"label", "lesion", "carotid"}
    assert found == [label_id_of_text(f" {text}  ") for text in texts]


def test_each_text_is_judged_once_however_many_labels_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = tuple(Label(f"l{number}", f"Part {number}", "#000000", f"part number {number}") for number in range(300))
    judged: list[str] = []
    real = asked_label.doubt_about

    def counted(text: str, known: Any) -> Any:
        judged.append(text)
        return real(text, known)

    monkeypatch.setattr(asked_label, "doubt_about", counted)
    for text in ("a first nodule", "a second nodule", "a first nodule"):
        judged.clear()
        assert label_of_text(text, labels, active=labels[0]) is None
    assert judged == []
    label_of_text("a third nodule", labels, active=labels[0])
    assert {*judged} == {"a third nodule"}, "what the labels ask for is known"
