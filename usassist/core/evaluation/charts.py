"""Figures of the reports as inline SVG: no script, no font or file from elsewhere, colours from the page's own style.

Every mark carries its numbers as a tooltip, so that a figure can be read exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from markupsafe import Markup, escape

from usassist.core.evaluation.axes import (
    FLOOR,
    INNER_HEIGHT,
    INNER_WIDTH,
    LEFT,
    TOP,
    WIDTH,
    Axis,
    at_x,
    at_y,
    frame,
    linear,
    shares,
    svg,
)

COLOURS = 8
"""The page's style has the classes k0 to k7."""

_DIAGONAL = f'<line class="guide" x1="{LEFT}" y1="{FLOOR}" x2="{LEFT + INNER_WIDTH}" y2="{TOP}"/>'
_ROW = 30
_NAMES = 150
"""Room for names at the left of figures that have one line for each thing."""


@dataclass(frozen=True)
class Curve:
    """A named line through points in order; `low` and `high` are a band around it; `dots` marks each point.

    `labels` are written beside the marks, one for each or none.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    dots: bool = False
    labels: Sequence[str] = ()


@dataclass(frozen=True)
class Interval:
    """A named value, its interval (None where there is none) and the single values behind it, in a colour from 0."""

    name: str
    value: float
    ci95: tuple[float, float] | None = None
    points: Sequence[float] = ()
    colour: int = 0


def histogram(values: Sequence[float], *, caption: str, bins: int = 20) -> Markup:
    """Return a histogram of values from 0 to 1, with a mark at their median."""
    numbers = np.clip(np.asarray(values, dtype=np.float64), 0.0, 1.0)
    counts, edges = np.histogram(numbers, bins=bins, range=(0.0, 1.0))
    top = _round_up(int(counts.max(initial=1)))
    x, y = shares(caption), Axis(0, top, (0.0, top / 2, float(top)), "images")
    step = INNER_WIDTH / bins
    parts = []
    for index, count in enumerate(counts.tolist()):
        label = f"{edges[index]:.2f} to {edges[index + 1]:.2f}: {count} image{'' if count == 1 else 's'}"
        parts.append(
            f'<rect class="bar" x="{LEFT + index * step + 1:.1f}" y="{at_y(y, count):.1f}" width="{step - 2:.1f}" '
            f'height="{INNER_HEIGHT * count / top:.1f}" rx="1.5"><title>{label}</title></rect>'
        )
    if numbers.size:
        middle = float(np.median(numbers))
        parts.append(
            f'<line class="median" x1="{at_x(x, middle):.1f}" x2="{at_x(x, middle):.1f}" y1="{TOP}" y2="{FLOOR}">'
            f"<title>median {middle:.3f}</title></line>"
        )
    return frame(x, y, parts, label=caption)


def cumulative(values: Sequence[float], *, caption: str, axis: str) -> Markup:
    """Return the share of values that reach at least each number from 0 to 1: steps, since between values none lies."""
    ordered = np.sort(np.clip(np.asarray(values, dtype=np.float64), 0.0, 1.0))
    steps, reach = [0.0], [1.0]
    for value, count in zip(*np.unique(ordered[ordered < 1.0], return_counts=True), strict=True):
        steps += [float(value), float(value)]
        reach += [reach[-1], reach[-1] - int(count) / len(ordered)]
    curve = Curve("", [*steps, 1.0], [*reach, reach[-1]])
    return lines([curve], x=shares(caption), y=shares(axis), label=f"{axis}, {caption}")


def lines(curves: Sequence[Curve], *, x: Axis, y: Axis, label: str, diagonal: bool = False) -> Markup:
    """Return curves with their bands; `diagonal` adds the line from corner to corner."""
    parts = [_DIAGONAL] if diagonal else []
    for number, curve in enumerate(curves):
        parts += _curve(curve, number, x, y)
    return frame(x, y, parts, label=label)


def scatter(sets: Sequence[Curve], *, x: Axis, y: Axis, label: str, diagonal: bool = False) -> Markup:
    """Return the points of each set without lines between them; `diagonal` adds the line from corner to corner."""
    parts = [_DIAGONAL] if diagonal else []
    for number, points in enumerate(sets):
        parts += _dots(points, f"k{number % COLOURS}", x, y)
    return frame(x, y, parts, label=label)


def _curve(curve: Curve, number: int, x: Axis, y: Axis) -> list[str]:
    colour = f"k{number % COLOURS}"
    places = [(at_x(x, a), at_y(y, b)) for a, b in zip(curve.x, curve.y, strict=True)]
    parts = []
    if curve.low is not None and curve.high is not None:
        around = [*zip(curve.x, curve.high, strict=True), *reversed(list(zip(curve.x, curve.low, strict=True)))]
        path = " ".join(f"{at_x(x, a):.1f},{at_y(y, b):.1f}" for a, b in around)
        parts.append(f'<polygon class="band {colour}" points="{path}"/>')
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    parts.append(f'<polyline class="curve {colour}" points="{path}"><title>{escape(curve.name)}</title></polyline>')
    return parts + _dots(curve, colour, x, y) if curve.dots else parts


def _dots(points: Curve, colour: str, x: Axis, y: Axis) -> list[str]:
    places = [(at_x(x, a), at_y(y, b)) for a, b in zip(points.x, points.y, strict=True)]
    marks = [
        f'<circle class="dot {colour}" cx="{across:.1f}" cy="{down:.1f}" r="3.5">'
        f"<title>{escape(points.name)} {a:g}: {b:.3f}</title></circle>"
        for (across, down), a, b in zip(places, points.x, points.y, strict=True)
    ]
    # Beside the mark, on the side that has room, and never on the axis below.
    words = [
        f'<text class="tick" x="{across + (7 if across < WIDTH / 2 else -7):.1f}" y="{min(down + 4, FLOOR - 5):.1f}" '
        f'text-anchor="{"start" if across < WIDTH / 2 else "end"}">{escape(label)}</text>'
        for (across, down), label in zip(places, points.labels, strict=False)
    ]
    return marks + words


def boxes(groups: Sequence[tuple[str, Sequence[float]]], *, caption: str) -> Markup:
    """Return a box for each group of values from 0 to 1: quartiles, median, the range without outliers, and the rest.

    Whiskers reach to the last value within 1.5 times the box's length (Tukey 1977); values beyond them are dots.
    """
    axis = shares(caption)
    parts = []
    for number, (name, values) in enumerate(groups):
        parts += _box(np.asarray(values, dtype=np.float64), name, TOP + _ROW * (number + 0.5), axis)
    return _lying(axis, parts, len(groups), label=caption)


def _box(values: npt.NDArray[np.float64], name: str, y: float, axis: Axis) -> list[str]:
    low, middle, high = (float(value) for value in np.percentile(values, (25, 50, 75)))
    reach = 1.5 * (high - low)
    inside = values[(values >= low - reach) & (values <= high + reach)]
    ends = float(inside.min()), float(inside.max())
    left, centre, right, first, last = (_along(axis, value) for value in (low, middle, high, *ends))
    tip = f"{escape(name)}: median {middle:.3f}, half of them {low:.3f} to {high:.3f}, n {len(values)}"
    outside = values[(values < ends[0]) | (values > ends[1])]
    return [
        _name(f"{name} ({len(values)})", y),
        f'<line class="whisker" x1="{first:.1f}" x2="{last:.1f}" y1="{y:g}" y2="{y:g}"/>',
        (
            f'<rect class="box" x="{left:.1f}" y="{y - 8:g}" width="{max(1.0, right - left):.1f}" height="16" rx="2">'
            f"<title>{tip}</title></rect>"
        ),
        f'<line class="median-bar" x1="{centre:.1f}" x2="{centre:.1f}" y1="{y - 8:g}" y2="{y + 8:g}"/>',
        *(f'<circle class="outlier" cx="{_along(axis, v):.1f}" cy="{y:g}" r="2.2"/>' for v in outside.tolist()),
    ]


def intervals(items: Sequence[Interval], *, caption: str, whole: bool = True) -> Markup:
    """Return a bar for each value with its interval as a line and the single values as dots.

    With `whole` the axis is 0 to 1; else it fits the values and has a mark at 0.
    """
    everything = [v for item in items for v in (item.value, *(item.ci95 or ()), *item.points)]
    axis = shares(caption) if whole else linear([*everything, 0.0], caption=caption)
    parts = []
    for number, item in enumerate(items):
        y, at, zero = TOP + _ROW * (number + 0.5), _along(axis, item.value), _along(axis, max(axis.low, 0.0))
        tip = f"{escape(item.name)}: {item.value:.3f}"
        if item.ci95 is not None:
            tip += f" ({item.ci95[0]:.3f} to {item.ci95[1]:.3f})"
        parts.append(_name(item.name, y))
        parts.append(
            f'<rect class="bar k{item.colour % COLOURS}" x="{min(at, zero):.1f}" y="{y - 8:g}" '
            f'width="{max(1.0, abs(at - zero)):.1f}" height="16" rx="2"><title>{tip}</title></rect>'
        )
        if item.ci95 is not None:
            low, high = (_along(axis, bound) for bound in item.ci95)
            ends = f"M{low:.1f} {y - 5:g}v10M{high:.1f} {y - 5:g}v10"
            parts.append(f'<path class="whisker" d="M{low:.1f} {y:g}H{high:.1f}{ends}"/>')
        parts += [f'<circle class="seed" cx="{_along(axis, v):.1f}" cy="{y:g}" r="2.6"/>' for v in item.points]
    if not whole:
        parts.append(
            f'<line class="guide" x1="{_along(axis, 0):.1f}" x2="{_along(axis, 0):.1f}" y1="{TOP}" '
            f'y2="{TOP + _ROW * len(items)}"/>'
        )
    return _lying(axis, parts, len(items), label=caption)


def _lying(axis: Axis, parts: Sequence[str], rows: int, *, label: str) -> Markup:
    """Return a figure with a line for each thing, named at the left, and one axis below."""
    floor = TOP + _ROW * rows
    grid = []
    for tick in axis.ticks:
        x = _along(axis, tick)
        grid.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{floor}"/>')
        grid.append(f'<text class="tick" x="{x:.1f}" y="{floor + 17}" text-anchor="middle">{tick:g}</text>')
    middle = _NAMES + (WIDTH - 14 - _NAMES) / 2
    words = f'<text class="tick" x="{middle:g}" y="{floor + 38}" text-anchor="middle">{escape(axis.caption)}</text>'
    return svg([*grid, *parts, words], label=label, height=floor + 46)


def _along(axis: Axis, value: float) -> float:
    return _NAMES + (WIDTH - 14 - _NAMES) * axis.share(value)


def _name(text: str, y: float) -> str:
    short = text if len(text) <= 21 else f"{text[:20]}…"
    return (
        f'<text class="label" x="{_NAMES - 8}" y="{y + 4:g}" text-anchor="end">{escape(short)}'
        f"<title>{escape(text)}</title></text>"
    )


def _round_up(count: int) -> int:
    """Return the next even number of 2, 4, 6, 8 or 10 times a power of ten, so that half of it is a whole number."""
    power = 1
    while count > 10 * power:
        power *= 10
    return next(factor * power for factor in (2, 4, 6, 8, 10) if factor * power >= count)
