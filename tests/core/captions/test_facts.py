import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from usassist.core.captions.facts import Invented, Lost, check, facts

SIZES = st.builds(
    lambda values, unit: f"{' x '.join(map(str, values))} {unit}",
    st.lists(st.integers(1, 99), min_size=1, max_size=3),
    st.sampled_from(["mm", "cm"]),
)
SIDES = st.sampled_from(["left", "right", "bilateral"])
HOURS = st.integers(1, 12)
DENIED = st.sampled_from(["calcifications", "posterior shadowing", "vascularity", "skin thickening"])
GRADES = st.sampled_from(["BI-RADS 2", "BI-RADS 4a", "BI-RADS 5", "TI-RADS 3", "TR4"])
REPORTS = st.builds(
    lambda size, side, hour, denied, grade: (
        f"Hypoechoic mass of {size} in the {side} breast at {hour} o'clock, no {denied}, {grade}."
    ),
    SIZES, SIDES, HOURS, DENIED, GRADES,
)  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "refined"),
    [
        ("Lt breast, 1.2 x 0.8 cm", "left breast, 12 \u00d7 8 mm"),
        ("cyst 12x8x9mm", "cyst 12 mm by 8 mm by 0.9 cm"),
        ("3 to 5 mm", "3\u20135 mm"),
        ("less than 5 mm", "<5 mm"),
        ("two cysts", "2 cysts"),
        ("1,5 cm", "15 mm"),
        ("both breasts", "bilateral breasts"),
        ("10 o'clock", "at 10 o\u2019clock"),
        ("BIRADS IVa", "BI-RADS category 4A"),
        ("ACR TI-RADS TR3", "TI-RADS 3"),
        ("w/o calcs", "no calcifications"),
        ("no shadowing or calcifications", "without calcification, shadowing absent"),
        ("calcifications: none", "no calcification"),
        ("shadowing is not seen", "there is no evidence of shadowing"),
        ("nonparallel", "not parallel"),
        ("well-defined mass", "circumscribed mass"),
        ("possible cyst", "probable cyst"),
        ("IMG_0012.png cyst, image 3 of 12", "cyst"),
    ],
)
def test_the_same_in_other_words_is_no_change(raw: str, refined: str) -> None:
    assert check(raw, refined) == ()
    assert check(refined, raw) == ()


@pytest.mark.parametrize(
    ("raw", "refined", "found"),
    [
        ("mass 12 mm", "mass 21 mm", {"lost number: 12 mm", "invented number: 21 mm"}),
        ("mass 12 mm", "mass 12 cm", {"lost number: 12 mm", "invented number: 120 mm"}),
        ("mass <5 mm", "mass 5 mm", {"lost number: <5 mm", "invented number: 5 mm"}),
        ("mass 12 x 8 mm", "mass 8 x 12 mm", {"lost number: 12 x 8 mm", "invented number: 8 x 12 mm"}),
        ("T2 disease", "disease", {"lost number: t2"}),
        ("left mass", "right mass", {"lost side: left", "invented side: right"}),
        ("mass at 3 o'clock", "mass", {"lost position: 3 o'clock"}),
        ("mass, no calcifications", "mass, calcifications", {"lost negation: no calcifications"}),
        ("mass, calcifications", "mass, no calcifications", {"invented negation: no calcifications"}),
        (
            "no calcifications, posterior shadowing",
            "calcifications, no posterior shadowing",
            {"lost negation: no calcifications", "invented negation: no shadowing"},
        ),
        ("circumscribed", "not circumscribed", {"invented negation: no circumscribed"}),
        ("BI-RADS 4a", "BI-RADS 4b", {"lost category: bi-rads 4a", "invented category: bi-rads 4b"}),
        ("EU-TIRADS 4", "TI-RADS 4", {"lost category: eu-ti-rads 4", "invented category: ti-rads 4"}),
        ("a lesion", "a benign lesion", {"invented class: benign"}),
        ("malignant lesion", "lesion", {"lost class: malignant"}),
        ("probably a cyst", "a cyst", {"lost certainty: probably"}),
        ("mass", "mass with spiculated margin", {"invented term: spiculated"}),
        ("oval mass", "oval cyst", {"invented term: cyst"}),
        ("no masses", "a cyst of 3 mm", {"lost negation: no masses"}),
        ("suspicious for malignancy", "a lesion", {"lost class: malignancy"}),
    ],
)
def test_N8_what_is_lost_or_invented_is_named(raw: str, refined: str, found: set[str]) -> None:
    assert found <= {str(change) for change in check(raw, refined)}


@pytest.mark.parametrize(
    ("raw", "refined"),
    [
        ("left cyst 12 mm, right cyst 8 mm", "left cyst 8 mm, right cyst 12 mm"),
        ("left breast 3 mm, right breast", "right breast 3 mm, left breast"),
        ("cyst 12 mm, nodule 8 mm", "nodule 12 mm, cyst 8 mm"),
    ],
)
def test_what_belongs_to_what_may_not_be_swapped(raw: str, refined: str) -> None:
    (change,) = check(raw, refined)
    assert isinstance(change, Lost)
    assert change.kind == "order"


def test_a_category_or_an_hour_is_no_number() -> None:
    assert {fact.kind for fact in facts("BI-RADS 4, 3 o'clock")} == {"category", "position"}


@given(st.text())
def test_any_text_says_what_it_says(text: str) -> None:
    assert check(text, text) == ()


@given(REPORTS)
def test_all_five_kinds_are_found_in_a_report(report: str) -> None:
    assert {"number", "side", "position", "negation", "category"} <= {fact.kind for fact in facts(report)}


@given(REPORTS, REPORTS)
def test_checking_is_symmetrical(one: str, other: str) -> None:
    there, back = check(one, other), check(other, one)
    assert bool(there) == bool(back) or all(change.kind == "term" for change in (*there, *back))


@given(REPORTS, SIZES, SIZES)
def test_N8_another_size_never_passes(report: str, size: str, other: str) -> None:
    assume(facts(size) != facts(other))
    changes = check(f"{report} Cyst of {size}.", f"{report} Cyst of {other}.")
    assume(facts(f"{report} Cyst of {size}.") != facts(f"{report} Cyst of {other}."))
    assert {type(change) for change in changes} & {Lost, Invented}


@given(REPORTS)
def test_N8_a_dropped_clause_never_passes(report: str) -> None:
    for piece in report.rstrip(".").split(", ")[1:]:
        assert check(report, report.replace(f", {piece}", ""))


@given(REPORTS)
def test_N8_a_turned_side_or_a_dropped_no_never_passes(report: str) -> None:
    turned = {"left": "right", "right": "left", "bilateral": "left"}
    side = next(side for side in turned if side in report)
    assert check(report, report.replace(side, turned[side]))
    assert check(report, report.replace(", no ", ", "))


@pytest.mark.parametrize(
    "text",
    [
        "1 " * 10_000,
        "1x" * 10_000,
        "no a, " * 3000,
        "bi rads" + " us" * 6000,
        "a" * 20_000,
        "non-" * 5000,
        "(1)." * 5000,
    ],
)
def test_hostile_texts_take_no_minutes(text: str) -> None:
    import time

    start = time.process_time()
    check(text, text)
    assert time.process_time() - start < 5
