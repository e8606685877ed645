"""The figures of a model card as SVG files of their own: no pixel of any image is in them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import escape

from usassist.core.evaluation.axes import HEIGHT, WIDTH
from usassist.core.evaluation.gallery import PRED_RGB, TRUTH_RGB, Outlines
from usassist.core.evaluation.page import Figure

_COLOURS = ("#0072b2", "#c98a00", "#008a66", "#c0570a", "#b5648e", "#3f97cc", "#8a7f00", "#4a4f57")
"""Those of the reports' style on white."""

_STYLE = (
    "text{font-family:system-ui,sans-serif;fill:#5b6672;font-size:12px}.title{fill:#1b2026;font-size:13px}"
    ".grid{stroke:#dfe3e8}.guide{stroke:#5b6672;stroke-dasharray:4 4}.curve{fill:none;stroke-width:2}.dot{opacity:.75}"
    ".outline{fill:none;stroke-width:2;vector-effect:non-scaling-stroke}"
    + "".join(f".curve.k{k}{{stroke:{c}}}.dot.k{k},rect.k{k}{{fill:{c}}}" for k, c in enumerate(_COLOURS))
)
_HEAD, _ROW = 26, 20
_CELL, _CELL_HEIGHT, _NAME = 230, 170, 34
_ACROSS = 4


@dataclass(frozen=True, slots=True)
class Failure:
    """A case that went wrong: what is said below its outlines."""

    name: str
    said: str
    outlines: Outlines


def standalone(figure: Figure) -> str:
    """Return a report's figure as a file of its own, with its title above and what its colours mean below."""
    legend = figure.legend if len(figure.legend) > 1 else ()
    # A group, not the figure's own <svg>: not every viewer draws one inside another.
    inner = re.sub(r"^<svg [^>]*>|</svg>$", "", str(figure.svg))
    parts = [
        f'<text class="title" x="12" y="18">{escape(figure.title)}</text>',
        f'<g transform="translate(0 {_HEAD})">{inner}</g>',
    ]
    for number, name in enumerate(legend):
        y = _HEAD + HEIGHT + _ROW * number
        parts.append(f'<rect class="k{number % len(_COLOURS)}" x="46" y="{y}" width="12" height="12"/>')
        parts.append(f'<text x="64" y="{y + 11}">{escape(name)}</text>')
    return _file(parts, WIDTH, _HEAD + HEIGHT + _ROW * len(legend), label=figure.title)


def failures_figure(failures: Sequence[Failure]) -> str:
    """Return the outlines of truth (blue) and answer (orange) of each case in a row of four, on black frames."""
    rows = -(-len(failures) // _ACROSS)
    blue, orange = (
        f'<tspan fill="{_hex(rgb)}" font-weight="bold">{name}</tspan>'
        for name, rgb in (("blue", TRUTH_RGB), ("orange", PRED_RGB))
    )
    parts = [f'<text class="title" x="12" y="18">Outlines of the truth ({blue}) and of the answer ({orange})</text>']
    for number, failure in enumerate(failures):
        across, down = number % _ACROSS, number // _ACROSS
        parts += _cell(failure, 8 + across * _CELL, _HEAD + down * (_CELL_HEIGHT + _NAME))
    height = _HEAD + rows * (_CELL_HEIGHT + _NAME)
    return _file(parts, _ACROSS * _CELL + 8, height, label="Outlines of the worst cases")


def _cell(failure: Failure, x: int, y: int) -> list[str]:
    rows, columns = failure.outlines.shape
    scale = min((_CELL - 8) / columns, (_CELL_HEIGHT - 8) / rows)
    drawn = [
        f'<path class="outline" stroke="{_hex(rgb)}" d="{path}"/>'
        for rgb, path in ((TRUTH_RGB, failure.outlines.truth), (PRED_RGB, failure.outlines.pred))
        if path
    ]
    picture = f'<rect width="{columns}" height="{rows}" fill="#15181c"/>{"".join(drawn)}'
    return [
        f'<g transform="translate({x} {y}) scale({scale:.4f})">{picture}</g>',
        f'<text x="{x}" y="{y + _CELL_HEIGHT + 6}">{escape(_short(failure.name))}</text>',
        f'<text x="{x}" y="{y + _CELL_HEIGHT + 20}">{escape(failure.said)}</text>',
    ]


def _hex(rgb: tuple[int, int, int]) -> str:
    return "#" + "".join(f"{part:02x}" for part in rgb)


def _short(name: str) -> str:
    return name if len(name) <= 28 else f"…{name[-27:]}"


def _file(parts: Sequence[str], width: int, height: int, *, label: str) -> str:
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{escape(label)}">\n<style>{_STYLE}</style>\n'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>\n{body}\n</svg>\n'
    )
