"""The frame that every figure stands in: two axes, their grid and their words, as inline SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH, HEIGHT = 480, 270
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 12, 44
FLOOR, INNER_WIDTH, INNER_HEIGHT = HEIGHT - BOTTOM, WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM


@dataclass(frozen=True, slots=True)
class Axis:
    """The range of an axis, from `low` to `high`, with the values that get a tick; `log` for a logarithmic one."""

    low: float
    high: float
    ticks: tuple[float, ...]
    caption: str = ""
    log: bool = False

    def share(self, value: float) -> float:
        """Return where a value lies, 0 to 1 along the axis; what is beyond an end is put at the end."""
        low, high, at = self.low, self.high, value
        if self.log:
            low, high, at = math.log(low), math.log(high), math.log(max(value, 1e-300))
        return min(1.0, max(0.0, (at - low) / (high - low)))


def shares(caption: str = "", *, low: float = 0.0) -> Axis:
    """Return the axis of a number from 0 (or `low`) to 1."""
    return linear([low, 1.0], caption=caption, tight=True)


def linear(values: Sequence[float], *, caption: str = "", tight: bool = False, whole: bool = False) -> Axis:
    """Return an axis around finite values, which ends on round numbers unless it is to be `tight`.

    `whole` is for what is counted, such as epochs: its ticks are whole numbers.

    >>> linear([3, 97]).ticks
    (0.0, 20.0, 40.0, 60.0, 80.0, 100.0)
    """
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if not high > low:
        high, low = high + 0.5, low - 0.5
    step = max(_round_step((high - low) / 5), 1.0 if whole else 0.0)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(round(number * step, 12) for number in range(first, last + 1))
    if tight:
        return Axis(low, high, tuple(tick for tick in ticks if low <= tick <= high), caption)
    return Axis(ticks[0], ticks[-1], ticks, caption)


def logarithmic(values: Sequence[float], *, caption: str = "") -> Axis:
    """Return a logarithmic axis around positive values, with a tick at each of them that has room."""
    low, high = min(values) / 1.25, max(values) * 1.25
    ticks: list[float] = []
    for value in sorted(set(values)):
        if not ticks or math.log(value / ticks[-1]) / math.log(high / low) > 0.07:
            ticks.append(value)
    return Axis(low, high, tuple(ticks), caption, log=True)


def at_x(axis: Axis, value: float) -> float:
    """Return the horizontal place of a value in the figure."""
    return LEFT + INNER_WIDTH * axis.share(value)


def at_y(axis: Axis, value: float) -> float:
    """Return the vertical place of a value in the figure."""
    return FLOOR - INNER_HEIGHT * axis.share(value)


def frame(x: Axis, y: Axis, parts: Sequence[str], *, label: str) -> Markup:
    """Return a figure: the grid, the parts, which must be escaped already, and the words on the axes."""
    words = [_text(LEFT + INNER_WIDTH / 2, HEIGHT - 6, x.caption)]
    if y.caption:
        words.append(_text(14, TOP + INNER_HEIGHT / 2, y.caption, turned=True))
    return svg([*_grid(x, y), *parts, *words], label=label)


def svg(parts: Sequence[str], *, label: str, height: float = HEIGHT) -> Markup:
    """Return an SVG of parts that are escaped already; `label` is what a screen reader says."""
    # Every text in the parts was escaped or is a number of ours.
    return Markup(  # noqa: S704
        f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )


def _grid(x: Axis, y: Axis) -> list[str]:
    parts = []
    for tick in y.ticks:
        at = at_y(y, tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{tick:g}</text>')
    parts += [
        f'<text class="tick" x="{at_x(x, tick):.1f}" y="{FLOOR + 17}" text-anchor="middle">{tick:g}</text>'
        for tick in x.ticks
    ]
    return parts


def _text(x: float, y: float, words: str, *, turned: bool = False) -> str:
    turn = f' transform="rotate(-90 {x:g} {y:g})"' if turned else ""
    return f'<text class="tick" x="{x:g}" y="{y:g}" text-anchor="middle"{turn}>{escape(words)}</text>'


def _round_step(step: float) -> float:
    """Return the next of 1, 2, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * (1 - 1e-9))
