"""Design tokens: every colour and measure of the window, for two themes, and whether they can be read."""

from dataclasses import dataclass
from typing import Literal

ThemeName = Literal["dark", "light"]


@dataclass(frozen=True, slots=True)
class Tokens:
    """Every colour ("#rrggbb") and every measure (px at 96 dpi) the window uses; widgets never write their own.

    Surfaces rise from `canvas` over `base` and `surface` to `raised` and `overlay`. `text`, `muted` and `faint` keep a
    contrast of at least 4.5:1 on every surface up to `raised`, as do the signal colours.
    """

    name: ThemeName
    canvas: str
    base: str
    surface: str
    raised: str
    overlay: str
    hover: str
    pressed: str
    border: str
    border_strong: str
    text: str
    muted: str
    faint: str
    disabled: str
    accent: str
    accent_hover: str
    accent_pressed: str
    accent_soft: str
    on_accent: str
    positive: str
    warning: str
    danger: str
    track: str
    knob: str
    scroll: str
    scroll_hover: str
    space_xs: int = 4
    space_s: int = 8
    space_m: int = 12
    space_l: int = 16
    space_xl: int = 24
    radius_s: int = 4
    radius_m: int = 6
    radius_l: int = 8
    icon_s: int = 16
    icon_m: int = 20


DARK = Tokens(
    name="dark",
    canvas="#000000",
    base="#0e0f11",
    surface="#16171a",
    raised="#1e2024",
    overlay="#23252a",
    hover="#24262b",
    pressed="#2b2e34",
    border="#26282d",
    border_strong="#3a3d45",
    text="#e4e6ea",
    muted="#a3a9b3",
    faint="#9197a2",
    disabled="#5b606a",
    accent="#7aa7f0",
    accent_hover="#93b8f4",
    accent_pressed="#6595e3",
    accent_soft="#212d42",
    on_accent="#0b1526",
    positive="#5fc992",
    warning="#e2b155",
    danger="#f0827f",
    track="#2c2f35",
    knob="#e4e6ea",
    scroll="#3a3d45",
    scroll_hover="#52565f",
)

LIGHT = Tokens(
    name="light",
    canvas="#000000",
    base="#eceef1",
    surface="#f7f8fa",
    raised="#ffffff",
    overlay="#ffffff",
    hover="#e9ecf0",
    pressed="#dee2e8",
    border="#dcdfe5",
    border_strong="#b9bfc9",
    text="#1a1d22",
    muted="#4d5561",
    faint="#5f6773",
    disabled="#a2a8b2",
    accent="#245fc4",
    accent_hover="#1c52ae",
    accent_pressed="#174594",
    accent_soft="#dde8fb",
    on_accent="#ffffff",
    positive="#14724a",
    warning="#855900",
    danger="#b3302d",
    track="#d7dbe2",
    knob="#ffffff",
    scroll="#c0c5ce",
    scroll_hover="#9aa1ac",
)

THEMES: dict[str, Tokens] = {"dark": DARK, "light": LIGHT}
_current: list[Tokens] = [DARK]


def tokens() -> Tokens:
    """Return the tokens of the theme that is on; ask at paint time, so that a change of theme needs no signal."""
    return _current[0]


def set_tokens(chosen: Tokens) -> None:
    """Put a theme on; what is painted from now on takes its colours."""
    _current[0] = chosen


def contrast(first: str, second: str) -> float:
    """Return the WCAG 2 contrast ratio of two "#rrggbb" colours, 1 to 21."""

    def luminance(colour: str) -> float:
        parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
        red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def label_text_colour(colour: str) -> str:
    """Return black or white, whichever reads better on a label's colour."""
    return max(("#000000", "#ffffff"), key=lambda ink: contrast(ink, colour))
