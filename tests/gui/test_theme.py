"""The tokens are readable, the sheet is complete, and icons follow the theme."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from itertools import product

import pytest
from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QColor, QIcon, QImage, QPainter
from PySide6.QtWidgets import QApplication

from usassist.core.errors import UsassistError
from usassist.core.project.palette import COLOURS
from usassist.gui import actions, theme

THEMES = (theme.DARK, theme.LIGHT)


@pytest.fixture(autouse=True)
def _undress(qapp: QApplication) -> Iterator[None]:
    yield
    qapp.setStyleSheet("")
    theme.set_tokens(theme.DARK)


@pytest.mark.parametrize("tokens", THEMES, ids=lambda tokens: tokens.name)
def test_every_text_reads_on_every_surface(tokens: theme.Tokens) -> None:
    texts = ("text", "muted", "faint", "accent", "positive", "warning", "danger")
    surfaces = ("base", "surface", "raised", "overlay", "hover", "accent_soft")
    pairs = product(texts, surfaces)
    ratios = {pair: theme.contrast(getattr(tokens, pair[0]), getattr(tokens, pair[1])) for pair in pairs}
    assert {pair: round(ratio, 2) for pair, ratio in ratios.items() if ratio < 4.5} == {}
    for ground in (tokens.accent, tokens.accent_hover, tokens.accent_pressed):
        assert theme.contrast(tokens.on_accent, ground) >= 4.5


@pytest.mark.parametrize("tokens", THEMES, ids=lambda tokens: tokens.name)
def test_the_sheet_uses_no_colour_of_its_own(tokens: theme.Tokens) -> None:
    sheet = theme.style_sheet(tokens, 10.0)
    known = {getattr(tokens, field.name) for field in fields(tokens)}
    assert set(re.findall(r"#[0-9a-f]{6}\b", sheet)) <= known
    assert "$" not in sheet


def test_contrast_is_that_of_wcag() -> None:
    assert theme.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert theme.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_ink_on_label_colours_reads() -> None:
    for colour in COLOURS:
        assert theme.contrast(theme.label_text_colour(colour), colour) >= 4.5


def test_apply_dresses_the_application(qapp: QApplication) -> None:
    for tokens in THEMES:
        theme.apply(qapp, tokens.name)
        assert theme.tokens() is tokens
        assert tokens.accent in qapp.styleSheet()
        assert qapp.palette().window().color() == QColor(tokens.base)


def test_an_unknown_theme_says_which_there_are(qapp: QApplication) -> None:
    with pytest.raises(UsassistError, match="dark, light"):
        theme.apply(qapp, "sepia")


def test_images_of_the_sheet_exist_in_both_themes() -> None:
    for tokens in THEMES:
        sheet = theme.style_sheet(tokens, 10.0)
        named = {part.split(")")[0] for part in sheet.split("url(")[1:]}
        assert named
        assert all(QImage(name).width() > 0 for name in named)


def _ink(icon: QIcon, mode: QIcon.Mode = QIcon.Mode.Normal, state: QIcon.State = QIcon.State.Off) -> str:
    """Return the colour of the icon's most opaque pixel."""
    image = icon.pixmap(QSize(32, 32), 1.0, mode, state).toImage()
    pixels = (image.pixelColor(x, y) for x in range(image.width()) for y in range(image.height()))
    return max(pixels, key=lambda colour: colour.alpha()).name()


def test_icons_take_the_colours_of_the_theme_that_is_on(qapp: QApplication) -> None:
    icon = theme.icon("ph.check-fill")
    for tokens in THEMES:
        theme.apply(qapp, tokens.name)
        assert _ink(icon) == tokens.muted
        assert _ink(icon, QIcon.Mode.Disabled) == tokens.disabled
        assert _ink(icon, state=QIcon.State.On) == tokens.accent
        assert _ink(theme.icon("ph.check-fill", tone="danger")) == tokens.danger
    assert theme.icon("ph.check-fill") is icon


def test_icons_survive_copies(qapp: QApplication) -> None:
    copies = [QIcon(theme.icon("ph.folder-open")) for _ in range(50)]
    copies[0].addPixmap(theme.swatch("#E69F00").pixmap(16, 16))
    assert all(not copy.pixmap(16, 16).isNull() for copy in copies)


@pytest.mark.parametrize("entry", actions.ACTIONS, ids=lambda entry: entry.id)
def test_every_action_has_its_icon(qapp: QApplication, entry: actions.Action) -> None:
    assert not theme.icon(entry.icon).pixmap(24, 24).isNull()


def test_an_icon_that_is_not_there_is_named(qapp: QApplication) -> None:
    with pytest.raises(UsassistError, match="no-such-thing"):
        theme.icon("ph.no-such-thing")


def test_icons_of_other_fonts_come_through_qtawesome(qapp: QApplication) -> None:
    assert not theme.icon("mdi6.brush").pixmap(24, 24).isNull()


def test_a_glyph_fills_its_square(qapp: QApplication) -> None:
    image = QImage(40, 20, QImage.Format.Format_ARGB32)
    image.fill(0)
    painter = QPainter(image)
    theme.paint_icon(painter, QRectF(0, 0, 40, 20), "ph.square-fill", colour=QColor("#ffffff"))
    painter.end()
    assert image.pixelColor(20, 10).alpha() == 255
    assert image.pixelColor(5, 10).alpha() == 0


def test_the_app_icon_is_an_image(qapp: QApplication) -> None:
    image = theme.app_icon().pixmap(64, 64).toImage()
    assert image.pixelColor(32, 40).alpha() == 255
    assert image.pixelColor(0, 0).alpha() == 0


def test_showing_icons_does_not_import_qtawesome() -> None:
    code = (
        "import sys\n"
        "from PySide6.QtWidgets import QApplication\n"
        "from usassist.gui import theme\n"
        "app = QApplication([])\n"
        "theme.apply(app, 'dark')\n"
        "theme.icon('ph.folder-open').pixmap(16, 16)\n"
        "sys.exit('qtawesome' in sys.modules or 'torch' in sys.modules or 'cv2' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
