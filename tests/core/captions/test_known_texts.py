"""A text that a model never learned is told from one it learned, by its words."""

import csv
import time
from pathlib import Path

import pytest

from usassist.core.captions.known_texts import doubt_about, titles
from usassist.core.captions.vocabulary import load_vocabulary

KNOWN = ("breast_lesion", "fetal_head", "carotid")
LEARNED = "breast lesion, fetal head and common carotid artery"
ABOUT_THEM = [
    *("breast lesion", "Breast Lesion", "BREAST-LESION.", "breast_lesion", "breast lesions", "lesion", "the lesion"),
    *("mass", "masses", "tumour", "tumor", "nodule", "cyst", "breast cancer", "malignant", "benign"),
    *("irregular hypoechoic mass", "malignant tumour of the breast", "an irregular, not circumscribed mass"),
    *("non-parallel mass", "echo-free cyst", "well-defined oval mass", "taller than wide mass", "fibroadenoma"),
    *("breast lesion with posterior shadowing", "mass without calcifications", "lesion, not a cyst"),
    *("suspicious mass with microcalcifications", "breast lesion, 12 x 8 mm", "BI-RADS 4a lesion", "normal breast"),
    *("fetal head", "Fetal-Head", "fetal heads", "foetal head", "fetal skull", "head of the fetus", "fetus head"),
    *("CCA", "cca", "carotid", "carotid arteries", "left common carotid artery", "lumen of the carotid artery"),
    *("find the lesion", "Where is the tumor, please?", "a dark, solid mass", "  lesion  "),
    *("mass, no shadowing", "irregular mass, calcifications absent"),
]
STRANGE = {
    "never learned": [
        *("thyroid nodule", "Thyroid-Nodules", "nodule of the thyroid gland", "benign thyroid nodule", "thyroid"),
        *("lymph node", "axilla", "prostate", "heart", "left ventricle", "LV", "mitral valve", "isthmus", "plaque"),
        *("carotid plaque", "carotid stenosis", "internal carotid artery", "external carotid artery", "carotid bulb"),
        *("breast lesion and thyroid nodule", "lymph node of the breast", "effusion"),
        *("liver", "xyzzy", "kidney", "gallbladder", "needle", "jugular vein", "aorta", "renal artery", "spine"),
        *("fetal abdomen", "fetal brain", "fetal femur", "umbilical cord", "placenta", "lesion of the liver"),
        *("liver mass", "the lesion in the kidney", "ovarian cyst", "skin lesion", "breast implant", "nipple"),
        *("brest lesion", "lesion xyzzy", "tissue around the lesion", "shadow behind the lesion", "everything"),
        *("wall of the carotid artery", "lésion", "печень", "肝臓", "anatomical structure"),
    ],
    "says what is not there": [
        *("no lesion", "No Lesions!", "without a mass", "no breast lesion", "not a lesion", "lesion-free breast"),
        *("absence of tumour", "no fetal head", "no carotid artery", "there is no lesion in this image"),
        *("breast tissue with no mass", "lesion: none", "neither mass nor cyst", "w/o lesion"),
        *("non-mass enhancement", "non-lesion", "no hypoechoic mass", "the lesion is absent", "free of tumour"),
        *("the lesion is not seen", "lesion no", "lesion not present"),
    ],
    "is not one thing that the model learned": [
        *("breast", "the breasts", "Breast tissue", "mammary gland", "image of a breast"),
        *("head", "fetal", "artery", "neck", "neck mass", "carotid lesion", "tumour in the fetal head", "fat"),
        *("breast calcifications", "posterior shadowing", "breast lesion and fetal head"),
        *("mass margins", "lesion shadow", "the carotid artery border", "hypoechoic"),
        *("image", "ultrasound", "the", "no", "normal", "123", "???", "\N{MICROSCOPE}", "calcifications in a mass"),
    ],
}


@pytest.mark.parametrize("text", ABOUT_THEM)
def test_what_was_learned_raises_no_doubt(text: str) -> None:
    assert doubt_about(text, KNOWN) is None


@pytest.mark.parametrize(("words", "text"), [(words, text) for words, texts in STRANGE.items() for text in texts])
def test_what_was_never_learned_is_said_in_a_sentence(words: str, text: str) -> None:
    doubt = doubt_about(text, KNOWN)
    assert doubt is not None and words in doubt.sentence
    assert doubt.kind == ("denied" if words == "says what is not there" else "not learned")
    assert doubt.sentence.endswith(f"; ask for what it learned: {LEARNED}.")
    assert doubt.sentence.count(". ") == 0 and "\n" not in doubt.sentence
    assert len(doubt.short) < 60


def test_the_sentences_say_what_was_found() -> None:
    def said(text: str) -> tuple[str, str]:
        doubt = doubt_about(text, KNOWN)
        assert doubt is not None
        return doubt.short, doubt.sentence.split(";")[0]

    assert said("liver") == (
        "Never learned: liver",
        "The model never learned the word 'liver', so its answer means nothing",
    )
    short, first = said("foo bar baz qux")
    assert short == "Never learned: foo, bar, baz, qux"
    assert first.startswith(
        "The model never learned the words 'foo', 'bar', 'baz' and 1 more, so its answer to 'foo bar"
    )
    assert said("a benign thyroid nodule") == (
        "Never learned: thyroid nodule",
        "The model never learned thyroid nodule, so its answer to 'a benign thyroid nodule' means nothing",
    )
    assert said("no lesion") == (
        "A text cannot say what is not there",
        "'no lesion' says what is not there, and the model looks for it all the same",
    )
    assert said("neck mass") == (
        "Never learned: neck mass",
        "'neck mass' is not one thing that the model learned to find, so its answer means nothing",
    )


def test_every_prompt_and_caption_of_what_was_learned_is_known_but_those_that_deny() -> None:
    vocabulary, doubted = load_vocabulary(), []
    for name in KNOWN:
        target = vocabulary.targets[name]
        captions = [text for of_class in target.classes for text in vocabulary.captions.get(of_class, ())]
        for text in (target.title, target.name, *target.prompts, *captions):
            doubt = doubt_about(text, KNOWN)
            doubted += [(doubt.kind, text)] if doubt is not None else []
    assert doubted == [("denied", text) for text in vocabulary.captions["normal"]]


@pytest.mark.data
def test_the_captions_of_the_training_images_are_known_but_those_that_deny(data_root: Path) -> None:
    doubted = set()
    for name in ("busi", "breast", "hc18"):
        with (data_root / name / "labels.csv").open(encoding="utf-8") as table:
            texts = {row["caption"].split("Verification:")[0] for row in csv.DictReader(table)}
        doubted |= {(doubt.kind, text) for text in texts if (doubt := doubt_about(text, KNOWN)) is not None}
    assert {kind for kind, _ in doubted} == {"denied"}
    assert all("without a lesion" in text for _, text in doubted) and len(doubted) == 2


@pytest.mark.parametrize("name", load_vocabulary().targets)
def test_each_target_is_known_to_a_model_of_its_own_and_no_other_is(name: str) -> None:
    for other in load_vocabulary().targets.values():
        for text in (other.title, *other.prompts):
            doubt = doubt_about(text, (name,))
            assert (doubt is None) == (other.name == name or (text == "lesion" and name == "thyroid_nodule")), text


def test_the_name_of_a_label_is_known_by_its_words() -> None:
    known = ("kidney_stone", "breast_lesion")
    assert doubt_about("stone in the left kidney", known) is None
    for text, said in (
        ("kidney", "'kidney' is not one thing"),
        ("kidney lesion", "'kidney lesion' is not one thing"),  # a lesion was learned of the breast
        ("gall stone", "never learned the word 'gall'"),
    ):
        assert said in doubt_about(text, known).sentence
    assert doubt_about("breast lesion", ("kidney_stone",)).short == "Never learned: breast lesion"


@pytest.mark.parametrize(("text", "known"), [("liver", ()), ("", KNOWN), (" \n\t", KNOWN)])
def test_nobody_doubts_what_is_not_asked_or_where_nothing_is_known(text: str, known: tuple[str, ...]) -> None:
    assert doubt_about(text, known) is None


@pytest.mark.parametrize(
    "text",
    [
        *("no " * 50_000, "a" * 10**6, "non-" * 10**5, "no lesion, " * 10**5, "'" * 10**6, "([" * 10**5),
        *("no lesion, mass or " * 10**4, "\ufdfa" * 10**5, "1" * 10**6, "\x00" * 10**5),
    ],
    ids=["no", "a", "non", "denials", "quotes", "brackets", "a list", "ligatures", "digits", "zeros"],
)
def test_a_very_long_text_is_judged_soon_and_shown_short(text: str) -> None:
    begun = time.perf_counter()
    doubt = doubt_about(text, KNOWN)
    assert time.perf_counter() - begun < 2
    assert doubt is not None and len(doubt.sentence) < 400 and len(doubt.short) < 60
    assert doubt.sentence.isprintable() and doubt.short.isprintable()


def test_titles_are_listed_and_many_are_counted() -> None:
    assert titles(KNOWN) == LEARNED
    assert titles(["carotid"]) == "common carotid artery"
    assert titles([f"label_{n}" for n in range(9)]) == "label 0, label 1, label 2, label 3, label 4, label 5 and 3 more"
    assert "x" * 60 not in titles(["x" * 100])
