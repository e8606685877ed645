import doctest

import pytest

from usassist.core.captions import negations as module
from usassist.core.captions.negations import negated


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no calcifications", ["calcifications"]),
        ("no calcification, shadowing or vascularity", ["calcification", "shadowing", "vascularity"]),
        ("no calcification, posterior shadowing", ["calcification"]),
        ("no shadowing and regular margins", ["shadowing"]),
        ("no evidence of a mass in the left breast", ["mass"]),
        ("hilum absent", ["hilum"]),
        ("absence of the hilum", ["hilum"]),
        ("posterior features: none", ["features"]),
        ("calcifications no", ["calcifications"]),
        ("shadowing is not seen", ["shadowing"]),
        ("not circumscribed - angular", ["circumscribed"]),
        ("non-parallel and non-mass", ["parallel", "mass"]),
        ("cannot be excluded", ["excluded"]),
        ("no more than 3 cm", []),
        ("notable noise in a nodule", []),
        ("", []),
    ],
)
def test_what_is_denied(text: str, words: list[str]) -> None:
    assert [word for _, word in negated(text)] == words


def test_examples() -> None:
    assert doctest.testmod(module).failed == 0
