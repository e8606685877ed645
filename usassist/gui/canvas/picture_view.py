"""A picture in a window: zoom at a point, fit, pan, two fingers; black around it."""

from PySide6.QtCore import QEvent, QPointF, Qt, Signal
from PySide6.QtGui import QColor, QNativeGestureEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QGestureEvent, QGraphicsScene, QGraphicsView, QPinchGesture, QWidget

from usassist.gui.canvas.navigator import Navigator


class PictureView(QGraphicsView):
    """A view of one picture whose pixels are square; image points are (x, y) with pixel centres at integers."""

    zoom_changed = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        scene = QGraphicsScene(self)
        scene.setItemIndexMethod(QGraphicsScene.ItemIndexMethod.NoIndex)
        self.setScene(scene)
        self._navigator = Navigator(self)
        self._said_zoom = 0.0
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setBackgroundBrush(QColor(0, 0, 0))
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTransformationAnchor(QGraphicsView.ViewportAnchor.NoAnchor)
        self.setResizeAnchor(QGraphicsView.ViewportAnchor.NoAnchor)
        # One rectangle a repaint: Qt draws lines ten times slower through a clip of several.
        self.setViewportUpdateMode(QGraphicsView.ViewportUpdateMode.BoundingRectViewportUpdate)
        self.setInteractive(False)
        self.setAcceptDrops(False)
        self.viewport().grabGesture(Qt.GestureType.PinchGesture)
        self.setMinimumSize(160, 120)

    @property
    def scale(self) -> float:  # type: ignore[override]  # QGraphicsView.scale() is a method nobody may use here
        """Return screen pixels per image pixel."""
        return self._navigator.scale

    def fit(self) -> None:
        """Show the whole frame, and keep doing so through resizes until the person zooms."""
        self._navigator.fit()
        self._moved()
        self._hover()

    def actual_size(self) -> None:
        """Show one image pixel on one screen pixel."""
        self.zoom_to(1.0)

    def zoom_to(self, factor: float, *, at: QPointF | None = None) -> None:
        """Zoom to `factor` screen pixels per image pixel, 0.05 to 64, around a viewport point or the middle."""
        self._navigator.zoom_to(factor, at=at)
        self._moved()
        self._hover()

    def zoom_by(self, factor: float, *, at: QPointF | None = None) -> None:
        """Zoom in (factor > 1) or out, around a viewport point or the middle."""
        self.zoom_to(self.scale * factor, at=at)

    def scroll_by(self, delta: QPointF) -> None:
        """Move the picture by screen pixels."""
        self._navigator.pan_by(delta)
        self._moved()

    def to_image(self, at: QPointF) -> QPointF:
        """Return the image point (x, y) at a viewport point."""
        return self._navigator.to_scene(at)

    def _moved(self) -> None:
        """Tell everything that depends on zoom or place."""
        if self.scale != self._said_zoom:
            self._said_zoom = self.scale
            self.zoom_changed.emit(self.scale)

    def _hover(self) -> None:
        """Tell whoever follows the mouse that the picture moved beneath it."""

    def viewportEvent(self, event: QEvent) -> bool:
        """Zoom with two fingers."""
        if isinstance(event, QNativeGestureEvent):
            if event.gestureType() == Qt.NativeGestureType.ZoomNativeGesture:
                self.zoom_by(1 + event.value(), at=event.position())
            return True
        if isinstance(event, QGestureEvent):
            pinch = event.gesture(Qt.GestureType.PinchGesture)
            if isinstance(pinch, QPinchGesture):
                self.zoom_by(pinch.scaleFactor(), at=pinch.centerPoint())
            return True
        return super().viewportEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        before = event.oldSize()
        centre = self.to_image(QPointF(before.width() / 2, before.height() / 2)) if before.isValid() else QPointF()
        super().resizeEvent(event)
        self._navigator.resized(centre)
        self._moved()
