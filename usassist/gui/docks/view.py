"""The view panel: how the picture is shown; nothing here changes what is stored."""

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QPushButton, QSlider, QStyle, QStyleOptionSlider

from usassist.gui import theme
from usassist.gui.docks.dock import Dock, keep_keys, label
from usassist.gui.settings import Settings

DEFAULT_OPACITY = Settings().opacity


class ResetSlider(QSlider):
    """A horizontal slider that goes back to its default at a double click; one around zero fills from its middle."""

    def __init__(self, low: int, high: int, *, default: int, name: str) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.setRange(low, high)
        self.setPageStep(max(1, (high - low) // 10))
        self.setValue(default)
        self.setAccessibleName(name)
        self.setToolTip(f"{name}; double-click to reset")
        self.default = default
        keep_keys(self, Qt.Key.Key_Left, Qt.Key.Key_Right)
        self._centred = low < 0
        self.setProperty("centred", self._centred)

    def reset(self) -> None:
        """Go back to the default."""
        self.setValue(self.default)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.reset()
        event.accept()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self._centred or not self.isEnabled() or self.value() == 0:
            return
        option = QStyleOptionSlider()
        self.initStyleOption(option)
        style, complex_control = self.style(), QStyle.ComplexControl.CC_Slider
        groove = style.subControlRect(complex_control, option, QStyle.SubControl.SC_SliderGroove, self)
        handle = style.subControlRect(complex_control, option, QStyle.SubControl.SC_SliderHandle, self)
        middle, now = groove.center().x(), handle.center().x()
        gap = handle.width() / 2
        left, right = (middle, now - gap) if now > middle else (now + gap, middle)
        painter = QPainter(self)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.tokens().accent))
        painter.drawRect(QRectF(left, self.height() / 2 - 2, max(0.0, right - left), 4))
        painter.end()


class ViewDock(Dock):
    """Brightness, contrast and mask opacity; the canvas listens to the two signals.

    `brightness_contrast_changed` carries -100 to 100 twice, `opacity_changed` 0.0 to 1.0.
    """

    brightness_contrast_changed = Signal(int, int)
    opacity_changed = Signal(float)

    def __init__(self, *, opacity: float = DEFAULT_OPACITY / 100) -> None:
        super().__init__("view", "View", icon="ph.sliders-horizontal")
        self.brightness = ResetSlider(-100, 100, default=0, name="Brightness")
        self.contrast = ResetSlider(-100, 100, default=0, name="Contrast")
        self.opacity = ResetSlider(0, 100, default=DEFAULT_OPACITY, name="Mask opacity")
        self.opacity.setValue(round(opacity * 100))
        grid = QGridLayout()
        grid.setContentsMargins(14, 4, 14, 6)
        grid.setHorizontalSpacing(10)
        grid.setVerticalSpacing(6)
        grid.setColumnStretch(1, 1)
        for row, (text, slider, unit) in enumerate(
            (("Brightness", self.brightness, ""), ("Contrast", self.contrast, ""), ("Opacity", self.opacity, " %"))
        ):
            self._add_row(grid, row, text=text, slider=slider, unit=unit)
        self.body.addLayout(grid)
        self.reset_button = QPushButton(theme.icon("ph.arrow-counter-clockwise"), "Reset view")
        self.reset_button.setAccessibleName("Reset brightness, contrast and opacity")
        keep_keys(self.reset_button)
        self.reset_button.clicked.connect(self.reset)
        buttons = QHBoxLayout()
        buttons.setContentsMargins(14, 2, 14, 12)
        buttons.addStretch(1)
        buttons.addWidget(self.reset_button)
        self.body.addLayout(buttons)
        self.body.addStretch(1)
        for slider in (self.brightness, self.contrast):
            slider.valueChanged.connect(self._on_window_moved)
        self.opacity.valueChanged.connect(lambda value: self.opacity_changed.emit(value / 100))
        for slider in (self.brightness, self.contrast, self.opacity):
            slider.valueChanged.connect(lambda _value: self._show_reset())
        self._show_reset()

    def reset(self) -> None:
        """Show the picture as the file declares it, masks at their default opacity."""
        for slider in (self.brightness, self.contrast, self.opacity):
            slider.reset()

    def _on_window_moved(self) -> None:
        self.brightness_contrast_changed.emit(self.brightness.value(), self.contrast.value())

    def _show_reset(self) -> None:
        sliders = (self.brightness, self.contrast, self.opacity)
        self.reset_button.setEnabled(any(slider.value() != slider.default for slider in sliders))

    @staticmethod
    def _add_row(grid: QGridLayout, row: int, *, text: str, slider: ResetSlider, unit: str) -> None:
        name, value = label(text, "muted"), label("", "value")
        name.setBuddy(slider)
        value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        value.setMinimumWidth(value.fontMetrics().horizontalAdvance("+100 %"))

        def show(number: int) -> None:
            value.setText(f"{number}{unit}" if unit else f"{number:+d}".replace("-", "−") if number else "0")

        slider.valueChanged.connect(show)
        show(slider.value())
        grid.addWidget(name, row, 0)
        grid.addWidget(slider, row, 1)
        grid.addWidget(value, row, 2)
