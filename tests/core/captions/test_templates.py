from pathlib import Path

import pytest

from usassist.core.captions.facts import check
from usassist.core.captions.templates import Description, class_words_in, read_descriptions, sentence
from usassist.core.errors import TrainingError

HEADER = "file,class,split,shape,margin,echogenicity,posterior_features,calcifications,halo,skin_thickening,birads\n"
LESION = Description(
    "a.png", 2, "malignant", "irregular", ("not circumscribed", "spiculated", "angular"), "complex cystic/solid",
    "shadowing", "in a mass", halo=True, birads="5",
)  # fmt: skip


def test_descriptors_become_a_sentence_with_the_class_or_without() -> None:
    assert sentence(LESION) == (
        "Breast ultrasound: mass, irregular shape, spiculated and angular margin, complex cystic and solid echo "
        "pattern, posterior shadowing, calcifications in the mass, echogenic rim."
    )
    assert "malignant mass" in sentence(LESION, class_words=True)
    assert "BI-RADS 5" in sentence(LESION, class_words=True)


def test_paraphrases_are_several_and_each_is_always_the_same() -> None:
    texts = {seed: sentence(LESION, seed=seed) for seed in range(20)}
    assert len(set(texts.values())) > 10
    assert texts == {seed: sentence(LESION, seed=seed) for seed in range(20)}
    assert all(not [c for c in check(sentence(LESION), text) if c.kind == "negation"] for text in texts.values())


def test_what_is_unknown_is_a_problem_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(
        HEADER
        + 'a.png,benign,train,oval,"circum\nscribed",hypoechoic,no,no,no,no,2\n'
        + "b.png,benign,train,oval,circumscribed,hypoechoic,no,no,no,no,2\n"
        + "c.png,benign,train,,,,,,,,\n"
        + ",benign,train,oval,,,,,,,\n"
        + "d.png,normal,val,not applicable,not applicable,,,,no,no,1\n"
    )
    found = read_descriptions(path)
    assert [(item.image, item.line) for item in found.items] == [("b.png", 4), ("d.png", 7)]
    assert [problem.line for problem in found.problems] == [2, 5, 6]
    assert sentence(found.items[1]) == "Breast ultrasound: no mass."


def test_another_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("file,class\na.png,benign\n")
    with pytest.raises(TrainingError, match="lacks shape"):
        read_descriptions(tmp_path / "x.csv")
    with pytest.raises(TrainingError, match="cannot be read"):
        read_descriptions(tmp_path / "none.csv")


@pytest.mark.data
def test_every_image_of_breast_has_sentences_and_none_leaks_its_class(data_root: Path) -> None:
    found = read_descriptions(data_root / "breast" / "labels.csv")
    assert (len(found.items), found.problems) == (207, ())
    for item in found.items:
        for seed in (None, 0, 1, 2):
            assert not class_words_in(sentence(item, seed=seed))
        if item.class_name:
            assert item.class_name in sentence(item, class_words=True)
    assert len({sentence(item) for item in found.items}) > 100
