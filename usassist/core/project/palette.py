"""Colours that colour-blind people tell apart, and the labels a new project starts with.

Okabe and Ito, Color Universal Design (2008), without their black, which vanishes on an ultrasound image.
"""

from collections.abc import Iterable

from usassist.core.domain import Label

COLOURS: tuple[str, ...] = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")

DEFAULT_LABELS: tuple[Label, ...] = (
    Label("lesion", "Lesion", COLOURS[0], "breast lesion"),
    Label("structure", "Other structure", COLOURS[1], "anatomical structure"),
)


def next_colour(labels: Iterable[Label]) -> str:
    """Return the colour that the fewest labels have, the first of `COLOURS` among equals."""
    used = [label.colour.upper() for label in labels]
    return min(COLOURS, key=used.count)
