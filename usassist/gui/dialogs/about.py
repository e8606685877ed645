"""What usassist is, what it is not for, which versions run, and under which licences."""

import platform
from importlib.metadata import PackageNotFoundError, version

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QScrollArea, QTabWidget, QVBoxLayout, QWidget

from usassist.gui.dialogs.dialog import Dialog, app_icon_label, text_label

_PARTS: tuple[tuple[str, str, str], ...] = (
    ("PySide6-Essentials", "the window", "LGPL-3.0"),
    ("QtAwesome", "icons, Phosphor set", "MIT"),
    ("torch", "the model", "BSD-3-Clause"),
    ("open_clip_torch", "CLIP models of others", "MIT"),
    ("timm", "image towers of others", "Apache-2.0"),
    ("ftfy", "texts cleaned", "Apache-2.0"),
    ("regex", "texts cut into words", "Apache-2.0"),
    ("safetensors", "weights on disk", "Apache-2.0"),
    ("numpy", "arrays", "BSD-3-Clause"),
    ("opencv-python", "contours", "Apache-2.0"),
    ("pydicom", "DICOM", "MIT"),
    ("SimpleITK", "volumes", "Apache-2.0"),
    ("pylibjpeg", "DICOM codecs", "MIT"),
    ("pyjpegls", "DICOM codecs", "MIT"),
    ("python-gdcm", "DICOM codecs", "BSD-3-Clause"),
)
"""Package, what it does here, licence; the versions are asked of the installed packages, so nothing is imported."""

WARNING = (
    "For research and the making of data sets. Not a medical device: it is not validated for diagnosis, and nothing it "
    "proposes may guide the treatment of a patient."
)
_TERMS = (
    "usassist is free software under the Apache License 2.0. The shipped model was trained on public research data and "
    "carries its terms: BUSI (Al-Dhabyani et al., Data in Brief 2020; research use with citation), BrEaST "
    "(Pawlowska et al., Scientific Data 2024; CC BY 4.0), HC18 (van den Heuvel et al., PLoS One 2018; CC BY 4.0) and a "
    "part of Common Carotid Artery Ultrasound Images (Momot, Mendeley Data 2022; CC BY 4.0). Its encoder starts "
    "from EfficientNet-Lite0 trained on ImageNet (Apache-2.0; ImageNet's own terms are for research)."
)


class AboutDialog(Dialog):
    """About usassist; the versions can be copied for a report."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("About usassist", headed=False, parent=parent)
        head = QHBoxLayout()
        head.setSpacing(16)
        head.addWidget(app_icon_label(64), 0, Qt.AlignmentFlag.AlignTop)
        words = QVBoxLayout()
        words.setSpacing(4)
        words.addWidget(text_label(f"usassist {installed('usassist')}", "heading"))
        words.addWidget(
            text_label("Ultrasound annotation with a model that proposes and a person who decides.", "muted")
        )
        head.addLayout(words, 1)
        self.body.addLayout(head)
        self.body.addSpacing(4)
        self.warning = text_label(WARNING)
        self.body.addWidget(self.warning)
        tabs = QTabWidget()
        tabs.setAccessibleName("Details")
        tabs.addTab(_scrolled(_versions()), "Versions")
        tabs.addTab(_scrolled(_licences()), "Licences")
        self.body.addWidget(tabs, 1)
        self.copy_button = self.add_button("Copy versions", self.copy_versions, left=True)
        self.add_button("Close", self.accept, kind="primary", default=True)
        self.prefer_size(600, 520)

    def copy_versions(self) -> None:
        """Put the versions on the clipboard, one a line."""
        QGuiApplication.clipboard().setText("\n".join(f"{name} {number}" for name, number in versions()))


def installed(package: str) -> str:
    """Return the version of an installed package, "not installed" where it is not."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def versions() -> list[tuple[str, str]]:
    """Return (name, version) of usassist, Python, the system and every part."""
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    first = [("usassist", installed("usassist")), ("Python", platform.python_version()), ("System", system)]
    return first + [(name, installed(name)) for name, _use, _licence in _PARTS]


def _versions() -> QWidget:
    return _table([(name, number) for name, number in versions()])


def _licences() -> QWidget:
    table = _table([(name, f"{licence} · {use}") for name, use, licence in _PARTS])
    layout = table.layout()
    if isinstance(layout, QGridLayout):
        layout.addWidget(text_label(_TERMS, "muted"), layout.rowCount(), 0, 1, 2)
    return table


def _table(rows: list[tuple[str, str]]) -> QWidget:
    page = QWidget()
    grid = QGridLayout(page)
    grid.setContentsMargins(4, 12, 12, 8)
    grid.setHorizontalSpacing(24)
    grid.setVerticalSpacing(6)
    grid.setColumnStretch(1, 1)
    for row, (left, right) in enumerate(rows):
        grid.addWidget(text_label(left), row, 0)
        grid.addWidget(text_label(right, "muted"), row, 1)
    grid.setRowStretch(len(rows) + 1, 1)
    return page


def _scrolled(page: QWidget) -> QScrollArea:
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setWidget(page)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    return area
