"""Icons that follow the theme: qtawesome's Phosphor font, read as outlines.

Importing qtawesome itself star-imports three Qt modules (about 240 ms, as long as all of Qt), so its Python part is
loaded only for names of its other fonts.
"""

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QIconEngine, QPainter, QPainterPath, QPixmap, QRawFont, QTransform

from usassist.core.errors import UsassistError
from usassist.core.paths import resources
from usassist.gui.theme.tokens import tokens

Tone = Literal["normal", "text", "faint", "accent", "on_accent", "positive", "warning", "danger"]

_GLYPH_EM = 256


@cache
def _phosphor() -> tuple[QRawFont, dict[str, str]]:
    spec = find_spec("qtawesome")
    if spec is None or not spec.submodule_search_locations:
        raise UsassistError("The icons come with the package qtawesome, which is not installed: pip install qtawesome.")
    folder = Path(spec.submodule_search_locations[0]) / "fonts"
    fonts, maps = sorted(folder.glob("phosphor-*.ttf")), sorted(folder.glob("phosphor-charmap-*.json"))
    if not fonts or not maps:
        raise UsassistError(f"The icon font phosphor was not found in {folder}; reinstall qtawesome 1.4 or newer.")
    return QRawFont(str(fonts[-1]), _GLYPH_EM), json.loads(maps[-1].read_text(encoding="utf-8"))


@cache
def _glyph(name: str) -> QPainterPath:
    """Return the outline of a Phosphor glyph on a square of 256 units, y down, from (0, 0)."""
    font, characters = _phosphor()
    if name not in characters:
        raise UsassistError(f"There is no icon 'ph.{name}' in the Phosphor font.")
    index = font.glyphIndexesForString(chr(int(characters[name], 16)))[0]
    path = font.pathForGlyph(index).translated(0, _GLYPH_EM)
    path.setFillRule(Qt.FillRule.WindingFill)
    return path


def paint_icon(painter: QPainter, rect: QRectF, name: str, *, colour: QColor) -> None:
    """Paint a Phosphor icon, centred in `rect`; `name` with or without the "ph." in front."""
    side = min(rect.width(), rect.height())
    corner = rect.center() - QPointF(side / 2, side / 2)
    transform = QTransform.fromTranslate(corner.x(), corner.y()).scale(side / _GLYPH_EM, side / _GLYPH_EM)
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setTransform(transform, combine=True)
    painter.fillPath(_glyph(name.removeprefix("ph.")), colour)
    painter.restore()


def tone_colour(tone: Tone) -> QColor:
    """Return the colour a tone has in the theme that is on."""
    t = tokens()
    colours: dict[Tone, str] = {
        "normal": t.muted,
        "text": t.text,
        "faint": t.faint,
        "accent": t.accent,
        "on_accent": t.on_accent,
        "positive": t.positive,
        "warning": t.warning,
        "danger": t.danger,
    }
    return QColor(colours[tone])


class _GlyphEngine(QIconEngine):
    """Paints a glyph in the colours of the theme that is on at that moment, so that no icon is ever made anew."""

    def __init__(self, name: str, tone: Tone) -> None:
        super().__init__()
        self._name = name
        self._tone: Tone = tone

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        colour = tone_colour(self._tone)
        if mode == QIcon.Mode.Disabled:
            colour = QColor(tokens().disabled)
        elif self._tone == "normal" and state == QIcon.State.On:
            colour = QColor(tokens().accent)
        elif self._tone == "normal" and mode in (QIcon.Mode.Active, QIcon.Mode.Selected):
            colour = QColor(tokens().text)
        paint_icon(painter, QRectF(rect), self._name, colour=colour)

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        pixmap = QPixmap(size)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        self.paint(painter, QRect(0, 0, size.width(), size.height()), mode, state)
        painter.end()
        return pixmap

    def clone(self) -> QIconEngine:
        # PySide hands the copy to Qt without giving it away: unless somebody here holds it, it is freed under Qt.
        copy = _GlyphEngine(self._name, self._tone)
        _clones.append(copy)
        return copy


_clones: list[_GlyphEngine] = []


@cache
def icon(name: str, *, tone: Tone = "normal") -> QIcon:
    """Return an icon by its qtawesome name ("ph.folder-open"; without a prefix it is Phosphor too).

    Phosphor icons take the colour of `tone` in the theme that is on, accent where a tool is switched on, and follow a
    change of theme by themselves.
    """
    prefix, _, rest = name.rpartition(".")
    if prefix in {"", "ph"}:
        _glyph(rest)
        return QIcon(_GlyphEngine(rest, tone))
    import qtawesome

    made: QIcon = qtawesome.icon(name, color=tone_colour(tone), color_disabled=QColor(tokens().disabled))
    return made


@cache
def swatch(colour: str) -> QIcon:
    """Return a small rounded square of a label's colour, for menus and combo boxes."""
    pixmap = QPixmap(32, 32)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(colour))
    painter.drawRoundedRect(4, 4, 24, 24, 6, 6)
    painter.end()
    return QIcon(pixmap)


def app_icon() -> QIcon:
    """Return the program's own icon."""
    return QIcon(str(resources() / "icons" / "usassist.svg"))
