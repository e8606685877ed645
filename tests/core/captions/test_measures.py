import doctest

import pytest

from usassist.core.captions import measures as module
from usassist.core.captions.measures import measures


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("12 x 8 x 9 mm", ["12 x 8 x 9 mm"]),
        ("1.2 x 0.8 cm", ["12 x 8 mm"]),
        ("12 mm x 0.8 cm", ["12 x 8 mm"]),
        ("3-5 mm", ["3-5 mm"]),
        ("up to 3 cm", ["<=30 mm"]),
        ("no more than 3 cm", ["<=30 mm"]),
        ("approximately 20 weeks", ["~20 weeks"]),
        ("ratio > 2:1", [">2:1"]),
        ("55 % and 120 cm/s", ["55 %", "120 cm/s"]),
        ("2 cm from the nipple", ["20 mm"]),
        ("on 12.05.2021", ["12.05.2021"]),
        ("n1 and t2", ["n1", "t2"]),
        ("three nodules", ["3"]),
        ("1.50 mm", ["1.5 mm"]),
        ("850 \u00b5m", ["0.85 mm"]),
        ("thunder 3", ["3"]),
    ],
)
def test_numbers_in_one_form(text: str, values: list[str]) -> None:
    assert [value for _, value in sorted(measures(text))] == values


def test_examples() -> None:
    assert doctest.testmod(module).failed == 0
