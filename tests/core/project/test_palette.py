"""Labels start with colours that can be told apart."""

from usassist.core.domain import Label
from usassist.core.project.palette import COLOURS, DEFAULT_LABELS, next_colour


def test_the_lesion_comes_first() -> None:
    assert (DEFAULT_LABELS[0].id, DEFAULT_LABELS[0].caption) == ("lesion", "breast lesion")
    assert len({label.colour for label in DEFAULT_LABELS}) == len(DEFAULT_LABELS)


def test_colours_are_used_evenly() -> None:
    labels: list[Label] = []
    for n in range(2 * len(COLOURS)):
        labels.append(Label(f"l{n}", "x", next_colour(labels).lower()))
    used = [label.colour.upper() for label in labels]
    assert used == [*(colour.upper() for colour in COLOURS)] * 2
