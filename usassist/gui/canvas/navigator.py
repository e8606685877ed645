"""Where the picture lies in the window: zoom, pan and fit, with the picture's corner always on a screen pixel."""

from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QTransform
from PySide6.QtWidgets import QGraphicsView

MIN_ZOOM, MAX_ZOOM = 0.05, 64.0
_MARGIN = 0.9
"""How much of the window the picture can be dragged away from, so that a part of it always stays in sight."""


class Navigator:
    """Zoom and position of one view; `scale` is screen pixels per image pixel, equal in both directions."""

    def __init__(self, view: QGraphicsView) -> None:
        self._view = view
        self._shape: tuple[int, int] | None = None
        self._anchor: tuple[QPointF, QPointF] | None = None
        self.scale = 1.0
        self.fits = True
        self.bounds = QRectF()

    def set_shape(self, shape: tuple[int, int] | None) -> None:
        """Take a picture of (rows, columns); zoom and place stay where the size does, else the picture is fitted."""
        if shape is None or shape == self._shape:
            self._shape = shape if shape is not None else self._shape
            return
        self._shape = shape
        self.fit()

    def fit(self) -> None:
        """Show the whole picture, as large as it goes, until the person zooms."""
        self.fits = True
        if self._shape is None:
            return
        size = self._view.viewport().size()
        rows, cols = self._shape
        self._set_scale(min(size.width() / cols, size.height() / rows))
        self.place(QPointF((cols - 1) / 2, (rows - 1) / 2), self._middle())

    def zoom_to(self, factor: float, *, at: QPointF | None = None) -> None:
        """Zoom to `factor` screen pixels per image pixel; what lies at the viewport point `at` stays there."""
        if self._shape is None:
            return
        at = at if at is not None else self._middle()
        # Scroll positions are whole pixels: at one place every notch holds on to the same point, so none drifts.
        held = self._anchor[1] if self._anchor is not None and self._anchor[0] == at else self.to_scene(at)
        self.fits = False
        self._set_scale(factor)
        self.place(held, at)
        self._anchor = (at, held)

    def place(self, scene: QPointF, at: QPointF) -> None:
        """Bring a scene point to a viewport point, to the nearest screen pixel."""
        mapped = self._view.transform().map(scene)
        self._view.horizontalScrollBar().setValue(round(mapped.x() - at.x()))
        self._view.verticalScrollBar().setValue(round(mapped.y() - at.y()))
        self._anchor = None

    def pan_by(self, delta: QPointF) -> None:
        """Move the picture by screen pixels."""
        if self._shape is None:
            return
        horizontal, vertical = self._view.horizontalScrollBar(), self._view.verticalScrollBar()
        horizontal.setValue(horizontal.value() - round(delta.x()))
        vertical.setValue(vertical.value() - round(delta.y()))
        self.fits = False
        self._anchor = None

    def resized(self, centre: QPointF) -> None:
        """Follow a resize: fit again, or keep the scene point `centre` in the middle."""
        if self.fits:
            self.fit()
        else:
            self._set_scale(self.scale)
            self.place(centre, self._middle())

    def to_scene(self, at: QPointF) -> QPointF:
        """Return the scene point at a viewport point, to a fraction of a pixel."""
        back, _ = self._view.viewportTransform().inverted()
        return back.map(at)

    def centre(self) -> QPointF:
        """Return the scene point in the middle of the view."""
        return self.to_scene(self._middle())

    def _middle(self) -> QPointF:
        size = self._view.viewport().size()
        return QPointF(size.width() / 2, size.height() / 2)

    def _set_scale(self, factor: float) -> None:
        if self._shape is None:
            return
        self.scale = scale = min(max(factor, MIN_ZOOM), MAX_ZOOM)
        rows, cols = self._shape
        size = self._view.viewport().size()
        across, down = _MARGIN * size.width() / scale, _MARGIN * size.height() / scale
        self.bounds = QRectF(-0.5, -0.5, cols, rows).adjusted(-across, -down, across, down)
        self._view.setSceneRect(self.bounds)
        # The picture begins at scene -0.5: half a pixel more puts its corner on a whole screen pixel at every zoom.
        self._view.setTransform(QTransform(scale, 0, 0, scale, scale / 2, scale / 2))
