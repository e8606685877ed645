"""Figures of the report as inline SVG: no script, no font or file from elsewhere, colours from the page's own style."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup, escape

_WIDTH, _HEIGHT = 640, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 12, 40


def histogram(values: Sequence[float], *, caption: str, bins: int = 20) -> Markup:
    """Return an SVG histogram of values from 0 to 1, with a mark at their median.

    Every bar carries its numbers as a tooltip, so the figure can be read exactly.
    """
    numbers = np.clip(np.asarray(values, dtype=np.float64), 0.0, 1.0)
    counts, edges = np.histogram(numbers, bins=bins, range=(0.0, 1.0))
    top = _round_up(int(counts.max(initial=1)))
    inner_width, inner_height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    floor = _TOP + inner_height
    parts = [_grid(top, inner_width, inner_height)]
    step = inner_width / bins
    for index, count in enumerate(counts.tolist()):
        height = inner_height * count / top
        label = f"{edges[index]:.2f} to {edges[index + 1]:.2f}: {count} image{'' if count == 1 else 's'}"
        parts.append(
            f'<rect class="bar" x="{_LEFT + index * step + 1:.1f}" y="{floor - height:.1f}" width="{step - 2:.1f}" '
            f'height="{height:.1f}" rx="1.5"><title>{label}</title></rect>'
        )
    for tick in range(0, 11, 2):
        x = _LEFT + inner_width * tick / 10
        parts.append(f'<text class="tick" x="{x:.1f}" y="{floor + 16}" text-anchor="middle">{tick / 10:.1f}</text>')
    if numbers.size:
        middle = float(np.median(numbers))
        x = _LEFT + inner_width * middle
        parts.append(
            f'<line class="median" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{floor}">'
            f"<title>median {middle:.3f}</title></line>"
        )
    parts.append(
        f'<text class="tick" x="{_LEFT + inner_width / 2}" y="{_HEIGHT - 6}" text-anchor="middle">'
        f"{escape(caption)}</text>"
    )
    # All text was escaped or is a number of ours.
    return Markup(  # noqa: S704
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(caption)}">{"".join(parts)}</svg>'
    )


def _grid(top: int, width: float, height: float) -> str:
    lines = []
    for share in (0.0, 0.5, 1.0):
        y = _TOP + height * (1 - share)
        lines.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_LEFT + width}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="tick" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{top * share:g}</text>'
        )
    return "".join(lines)


def _round_up(count: int) -> int:
    """Return the next even number of 2, 4, 6, 8 or 10 times a power of ten, so that half of it is a whole number."""
    power = 1
    while count > 10 * power:
        power *= 10
    return next(factor * power for factor in (2, 4, 6, 8, 10) if factor * power >= count)
