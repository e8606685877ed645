"""How the window looks: design tokens, the palette and style sheet made of them, and icons that follow the theme."""

from dataclasses import asdict
from string import Template

from PySide6.QtGui import QColor, QFont, QFontDatabase, QPalette
from PySide6.QtWidgets import QApplication

from usassist.core.errors import UsassistError
from usassist.core.paths import resources
from usassist.gui.theme.icons import Tone, app_icon, icon, paint_icon, swatch, tone_colour
from usassist.gui.theme.tokens import (
    DARK,
    LIGHT,
    THEMES,
    ThemeName,
    Tokens,
    contrast,
    label_text_colour,
    set_tokens,
    tokens,
)

__all__ = [
    "DARK",
    "LIGHT",
    "ThemeName",
    "Tokens",
    "Tone",
    "app_icon",
    "apply",
    "contrast",
    "icon",
    "label_text_colour",
    "paint_icon",
    "palette",
    "set_tokens",
    "style_sheet",
    "swatch",
    "tokens",
    "tone_colour",
]


def apply(app: QApplication, name: str) -> None:
    """Dress the whole application in a theme, "dark" or "light"; raises UsassistError for any other name."""
    if name not in THEMES:
        raise UsassistError(f"There is no theme {name!r}; the themes are {', '.join(sorted(THEMES))}.")
    set_tokens(THEMES[name])
    if app.style().objectName() != "fusion":
        app.setStyle("Fusion")
    font = _ui_font(app)
    if font != app.font():  # every change of the font dresses every widget anew
        app.setFont(font)
    app.setPalette(palette(tokens()))
    app.setStyleSheet(style_sheet(tokens(), app.font().pointSizeF()))


def palette(t: Tokens) -> QPalette:
    """Return the palette for what a style sheet does not reach: text edits, delegates, native-like popups."""
    roles = QPalette.ColorRole
    colours: dict[QPalette.ColorRole, str] = {
        roles.Window: t.base,
        roles.WindowText: t.text,
        roles.Base: t.surface,
        roles.AlternateBase: t.raised,
        roles.Text: t.text,
        roles.PlaceholderText: t.faint,
        roles.Button: t.raised,
        roles.ButtonText: t.text,
        roles.BrightText: t.danger,
        roles.ToolTipBase: t.overlay,
        roles.ToolTipText: t.text,
        roles.Highlight: t.accent_soft,
        roles.HighlightedText: t.text,
        roles.Accent: t.accent,
        roles.Link: t.accent,
        roles.LinkVisited: t.accent,
        roles.Light: t.hover,
        roles.Midlight: t.border,
        roles.Mid: t.border_strong,
        roles.Dark: t.base,
        roles.Shadow: t.canvas,
    }
    made = QPalette()
    for role, colour in colours.items():
        made.setColor(role, QColor(colour))
    for role in (roles.WindowText, roles.Text, roles.ButtonText, roles.HighlightedText):
        made.setColor(QPalette.ColorGroup.Disabled, role, QColor(t.disabled))
    return made


def style_sheet(t: Tokens, base_pt: float) -> str:
    """Fill the one style sheet template with the tokens; sizes of type follow the system's base size in points."""
    folder = resources() / "themes"
    values = {key: str(value) for key, value in asdict(t).items()}
    values |= {
        "type_s": f"{base_pt * 0.89:.2f}pt",
        "type_m": f"{base_pt:.2f}pt",
        "type_l": f"{base_pt * 1.22:.2f}pt",
        "type_xl": f"{base_pt * 1.67:.2f}pt",
        "images": (folder / t.name).as_posix(),
    }
    return Template((folder / "app.qss").read_text(encoding="utf-8")).substitute(values)


def _ui_font(app: QApplication) -> QFont:
    """Return the system's font, swapped for a calmer one only where Linux offers nothing but its fallback."""
    font = QFont(app.font())
    if font.family() in {"Sans Serif", "Sans", "DejaVu Sans"}:
        installed = set(QFontDatabase.families())
        family = next((name for name in ("Inter", "Noto Sans", "Open Sans", "Cantarell") if name in installed), None)
        if family is not None:
            font.setFamily(family)
    if font.pointSizeF() < 9:
        font.setPointSizeF(9)
    return font
