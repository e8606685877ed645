"""How the reports for people become one self-contained page, and a model card its text."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup


@dataclass(frozen=True)
class Figure:
    """A figure of the page with what its colours mean, from the first."""

    title: str
    svg: Markup
    legend: tuple[str, ...] = ()


def render(template: str, values: Mapping[str, Any]) -> str:
    """Return a page from a template of this room; an unknown name is an error.

    Every text in it is escaped, unless it is Markdown.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=jinja2.select_autoescape((), disabled_extensions=("md.j2",), default=True),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, percent=percent, plain=plain)
    return environment.get_template(template).render(interval_text=interval_text, p_text=p_text, **values)


def plain(text: object) -> str:
    """Return a text that cannot leave its line of Markdown, nor the code that it stands in.

    >>> plain("a `b`\\n# c")
    "a 'b' # c"
    """
    return " ".join(str(text).replace("`", "'").split())


def number(value: float | None, digits: int = 3) -> str:
    """Return a number as people read it, a dash where there is none.

    >>> number(0.5), number(None)
    ('0.500', '–')
    """
    return "–" if value is None else f"{value:.{digits}f}"


def percent(value: float | None) -> str:
    """Return a share in per cent, a dash where there is none.

    >>> percent(0.123)
    '12.3 %'
    """
    return "–" if value is None else f"{100 * value:.1f} %"


def interval_text(ci95: tuple[float, float] | None, *, signed: bool = False) -> str:
    """Return an interval as "0.700 to 0.800", a dash where there is none."""
    if ci95 is None:
        return "–"
    return " to ".join(f"{bound:+.3f}" if signed else number(bound) for bound in ci95)


def p_text(p: float) -> str:
    """Return a p-value with two digits that count.

    >>> p_text(0.0321), p_text(1e-9)
    ('0.032', '< 0.001')
    """
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
