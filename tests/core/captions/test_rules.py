import pytest
from hypothesis import given
from hypothesis import strategies as st

from usassist.core.captions.facts import check
from usassist.core.captions.pairs import read_pairs
from usassist.core.captions.phrases import phrases
from usassist.core.captions.refine import refined
from usassist.core.captions.rules import RuleRefiner, refine

REPORT = (
    "IMG_0012.png: Lt. Breast 3 o'clock: hypo-echoic irregular mass measuring 12 x 8 x 9 mm w/ spiculated margins, "
    "post. shadowing, no calcs. BIRADS 5."
)
WORDS = st.sampled_from(
    [
        *("left", "right", "Lt.", "breast", "thyroid", "LN", "mass", "cyst", "12", "mm", "8", "x", "3", "cm", "no"),
        *("not", "without", ",", ".", ";", ":", "and", "with", "well-defined", "irregular", "spiculated", "margins"),
        *("shape", "BI-RADS", "4a", "TR5", "calcs", "shadowing", "hilum", "absent", "3", "o'clock", "image"),
        *("probably", "benign", "(a.png)", "or", "-", "is", "seen", "none"),
    ]
)


def test_N8_a_report_is_put_in_order_and_in_terms() -> None:
    assert refine(REPORT) == (
        "Breast: mass, 12 x 8 x 9 mm, left, 3 o'clock, irregular shape, spiculated margins, hypoechoic, "
        "posterior shadowing, no calcifications, BI-RADS 5"
    )


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (
            "Image 3 of 12: L thyroid lobe nodule, ill-defined, TTW, 1.2 \u00d7 0.8 cm. TR5",
            "Thyroid lobe: nodule, 1.2 x 0.8 cm, left, taller than wide, indistinct margin, TR5",
        ),
        ("Mass with spiculated and indistinct margins. Right breast.",
         "Breast: mass, right, spiculated and indistinct margins"),
        ("hypoechoic mass of irregular shape in the breast", "Breast: mass, irregular shape, hypoechoic"),
        ("The prostate gland measures 45 x 30 x 40 mm.", "Prostate gland: 45 x 30 x 40 mm"),
        ("Left breast cyst 12 mm; right breast cyst 8 mm", "Left breast cyst 12 mm; right breast cyst 8 mm"),
        ("There is a cyst in the breast, no calcification, shadowing or vascularity.",
         "Breast: cyst, no calcification, shadowing or vascularity"),
        ("???", "???"),
    ],
)  # fmt: skip
def test_what_the_rules_write(raw: str, text: str) -> None:
    assert refine(raw) == text


@given(st.lists(WORDS, max_size=25).map(" ".join))
def test_N8_the_rules_never_change_a_fact_and_are_done_after_one_pass(raw: str) -> None:
    text = refine(raw)
    assert check(raw, text) == ()
    assert refine(raw) == text


@given(st.text())
def test_any_text_has_a_refinement(raw: str) -> None:
    assert check(raw, refine(raw)) == ()


def test_phrases_keep_what_they_do_not_understand() -> None:
    assert [(phrase.slot, phrase.text) for phrase in phrases("some gobbledygook, oval mass")] == [
        ("other", "some gobbledygook"),
        ("shape", "oval shape"),
        ("finding", "mass"),
    ]


@pytest.mark.data
def test_N8_every_caption_of_breast_keeps_its_facts(data_root) -> None:
    captions = [pair.caption for pair in read_pairs(data_root / "breast" / "labels.csv").items]
    results = list(refined(captions, RuleRefiner()))
    assert len(results) == 207
    assert not [result.problems for result in results if result.problems]
    assert sum(result.text != caption for result, caption in zip(results, captions, strict=True)) > 60
