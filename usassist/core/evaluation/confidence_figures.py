"""Whether what an engine says about itself is so: figures of its presence, its quality and its probabilities."""

from collections.abc import Sequence
from dataclasses import replace

from usassist.core.evaluation.axes import shares
from usassist.core.evaluation.charts import Curve, lines, scatter
from usassist.core.evaluation.page import Figure
from usassist.core.metrics.calibration import Reliability, ece, reliability

_BINS = 10
"""Fewer than for pixels: there are tens or hundreds of images, and a bin of one says nothing."""

_SAID, _WAS = "probability said", "how often it was so"
_MOST_DOTS = 1000
"""In all; of more images every second, third and so on is drawn, lest a page be slow to open."""


def reliability_figure(title: str, counted: Reliability) -> Figure:
    """Return how often what was said with a probability was so, against that probability, with the ECE in the title."""
    curve = _reached(title, counted)
    chart = lines([curve], x=shares(_SAID), y=shares(_WAS), label=title, diagonal=True)
    return Figure(f"{title} (ECE {counted.ece:.3f})", chart)


def presence_figure(presence: Sequence[float], truth: Sequence[bool]) -> Figure | None:
    """Return the reliability of presence, each 0 to 1, over images that show the object (true) or do not.

    Each tenth of the presence is a point with the number of its images: with few of them a line would say too much.
    None without an image.
    """
    if not presence:
        return None
    title = "Is the object there as often as presence says?"
    counted = reliability(presence, truth, bins=_BINS)
    numbers = [f"{int(count)} image{'' if count == 1 else 's'}" for count in counted.count.tolist() if count]
    curve = replace(_reached(title, counted), labels=numbers)
    chart = scatter([curve], x=shares(_SAID), y=shares(_WAS), label=title, diagonal=True)
    return Figure(f"{title} (ECE {ece(presence, truth):.3f})", chart)  # the table's, from finer bins than are drawn


def _reached(title: str, counted: Reliability) -> Curve:
    filled = counted.count > 0
    x, y = ((part[filled] / counted.count[filled]).tolist() for part in (counted.confidence, counted.hits))
    return Curve(title, x, y, dots=True)


def quality_figure(sets: Sequence[tuple[str, Sequence[float], Sequence[float]]]) -> Figure | None:
    """Return the Dice reached against the quality said, a dot for each image, both 0 to 1, a colour for each named set.

    None without an image.
    """
    step = 1 + sum(len(quality) for _, quality, _ in sets) // _MOST_DOTS
    filled = [Curve(name, list(quality[::step]), list(dice[::step])) for name, quality, dice in sets if len(quality)]
    if not filled:
        return None
    title = "Dice that quality predicts, and that was reached"
    axes = shares("quality said"), shares("Dice reached")
    chart = scatter(filled, x=axes[0], y=axes[1], label=title, diagonal=True)
    return Figure(title, chart, tuple(curve.name for curve in filled))
