"""Edit the outline of the selected region: drag a corner, put one in, take one out."""

import math

import numpy as np
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPainterPath, QPolygonF

from usassist.core.domain import Mask, Region
from usassist.core.geometry.hit import nearest_vertex
from usassist.gui.commands import region as region_command
from usassist.gui.tools.draw import handles, line
from usassist.gui.tools.pan import regions_at
from usassist.gui.tools.rings import Ring, mask_of_rings, rings_of
from usassist.gui.tools.tool import BaseTool, ToolEvent, ToolSurface

GRAB_WITHIN = 9.0
"""Screen pixels around a corner, or an edge, that grab it."""
DRAG_AFTER = 3.0
"""Screen pixels the mouse moves before a corner does: a click changes nothing."""


class EditContourTool(BaseTool):
    """Drag the corners of the selected region's outline; nothing else of the mask changes."""

    id = "edit_contour"
    title = "Edit contour"
    icon = "fa6s.bezier-curve"
    hint = "Click a region and drag its corners. A click on the line puts one in; a right click or Del takes one out."
    cursor = Qt.CursorShape.ArrowCursor

    def __init__(self) -> None:
        super().__init__()
        self._region_id: str | None = None
        self._mask: Mask | None = None
        self._rings: list[Ring] = []
        self._hover: tuple[int, int] | None = None
        self._ghost: tuple[float, float] | None = None
        self._held: tuple[int, int] | None = None
        self._pressed: tuple[float, float] = (0.0, 0.0)
        self._offset: tuple[float, float] = (0.0, 0.0)
        self._preview: Mask | None = None

    @property
    def is_open(self) -> bool:
        return self._held is not None

    @property
    def corners(self) -> tuple[tuple[float, float], ...]:
        """Return every corner (x, y) that can be dragged now."""
        self._follow()
        return tuple((float(x), float(y)) for ring in self._rings for x, y in ring.vertices)

    def activate(self, surface: ToolSurface) -> None:
        """Take the frame's only region where none is selected: which one is meant is no question then."""
        super().activate(surface)
        annotation = surface.document.annotation
        if annotation is not None and len(annotation.regions) == 1 and surface.document.selected_region is None:
            surface.document.select_region(annotation.regions[0].id)

    def press(self, e: ToolEvent) -> None:
        """Grab a corner, or put one in on an edge and grab that; elsewhere select what is under the cursor."""
        self._follow()
        if self._held is not None:
            return
        self._find(e)
        if e.button == "right":
            self._remove(self._hover)
        elif e.button == "left":
            if self._hover is None and self._ghost is not None:
                self._hover = self._insert(e)
            if self._hover is not None:
                self._hold(e, self._hover)
            else:
                self._select(e)
        self.surface.refresh()

    def move(self, e: ToolEvent) -> None:
        """Drag the corner that is held and show the mask that comes of it."""
        if self._held is None:
            self._follow()
            before = self._marked()
            self._find(e)
            if before != self._marked():
                self.redraw(before)
                self.redraw(self._marked())
            return
        frame = self.surface.document.frame
        if frame is None or self._mask is None or self._region_id is None:
            return
        moved = math.hypot(e.x - self._pressed[0], e.y - self._pressed[1]) * self.surface.scale
        if self._preview is None and moved <= DRAG_AFTER:
            return
        rows, cols = frame.shape
        x = min(max(e.x + self._offset[0], -0.5), cols - 0.5)
        y = min(max(e.y + self._offset[1], -0.5), rows - 0.5)
        ring, index = self._rings[self._held[0]], self._held[1]
        before = ring.beside(index)
        ring.move(index, x, y)
        self._preview = mask_of_rings(self._rings, frame.shape)
        self.surface.preview_mask(self._region_id, self._preview)
        self.redraw([*before, *ring.beside(index)])

    def release(self, e: ToolEvent) -> None:
        """End a drag: one undo step."""
        if e.button in ("left", "none"):
            self.finish()

    def finish(self) -> None:
        """End a drag where it is."""
        if self._held is None:
            return
        self._held = None
        after, self._preview = self._preview, None
        try:
            if after is not None:
                self._commit(after, "Move a contour point")
        finally:
            self.surface.clear_preview()
            self.surface.refresh()

    def double_click(self, e: ToolEvent) -> None:
        """Treat it as a press: a corner put in by the first half is grabbed by the second."""
        self.press(e)

    def leave(self) -> None:
        if self._held is None:
            self._hover = self._ghost = None
            if self._surface is not None:
                self._surface.refresh()

    def cancel(self) -> None:
        """Put a corner that is being dragged back."""
        held, self._held, self._preview = self._held, None, None
        self._hover = self._ghost = None
        self._mask = None
        if held is not None and self._surface is not None:
            self._surface.clear_preview()
            self._surface.refresh()

    def takes(self, key: int) -> bool:
        return (key == Qt.Key.Key_Delete and self._hover is not None) or super().takes(key)

    def key(self, event: QKeyEvent) -> bool:
        """Take Del over a corner, and Esc during a drag."""
        if event.key() == Qt.Key.Key_Delete and self._hover is not None and self._held is None:
            self._follow()
            self._remove(self._hover)
            self.surface.refresh()
            return True
        return super().key(event)

    def paint(self, painter: QPainter, scale: float) -> None:
        """Draw the corners, the one under the cursor, and the two sides of one that is dragged."""
        self._follow()
        colour = QColor("white")
        if self._held is not None and self._preview is not None:
            sides = QPainterPath()
            sides.addPolygon(QPolygonF([QPointF(*point) for point in self._rings[self._held[0]].beside(self._held[1])]))
            line(painter, sides, colour, width=1.0)
        for ring in self._rings:
            handles(painter, ring.vertices.tolist(), colour, scale, radius=3.5 if len(ring.vertices) < 200 else 2.5)
        if self._ghost is not None and self._hover is None:
            handles(painter, [self._ghost], QColor(255, 255, 255, 140), scale)
        marked = self._held or self._hover
        if marked is not None and self._is_corner(marked):
            corner = self._rings[marked[0]].vertices[marked[1]]
            handles(painter, [(float(corner[0]), float(corner[1]))], QColor("#56b4e9"), scale, radius=5.5)

    def _region(self) -> Region | None:
        document = self.surface.document
        return document.selected_region if document.frame is not None else None

    def _follow(self) -> None:
        """Take the outline of the selected region anew where the region or its mask is another one than before."""
        if self._held is not None:
            return
        region = self._region()
        if region is None:
            self._region_id, self._mask, self._rings, self._hover, self._ghost = None, None, [], None, None
        elif region.id != self._region_id or region.mask is not self._mask:
            if region.id != self._region_id or self._mask is None or region.mask != self._mask:
                self._rings = rings_of(region.mask)
                self._hover = self._ghost = None
            self._region_id, self._mask = region.id, region.mask

    def _find(self, e: ToolEvent) -> None:
        """Find what the cursor is over: a corner, else a place on an edge."""
        reach = GRAB_WITHIN / self.surface.scale
        self._hover = self._ghost = None
        best = reach
        for index, ring in enumerate(self._rings):
            vertex, distance = nearest_vertex(ring.vertices, e.x, e.y)
            if distance <= best:
                self._hover, best = (index, vertex), distance
        if self._hover is not None:
            return
        for ring in self._rings:
            _, distance, foot = ring.nearest(e.x, e.y)
            if distance <= best:
                self._ghost, best = foot, distance

    def _marked(self) -> list[tuple[float, float]]:
        """Return the corner or the place under the cursor, as a list of none or one."""
        if self._hover is not None and self._is_corner(self._hover):
            x, y = self._rings[self._hover[0]].vertices[self._hover[1]]
            return [(float(x), float(y))]
        return [self._ghost] if self._ghost is not None else []

    def _hold(self, e: ToolEvent, corner: tuple[int, int]) -> None:
        at = self._rings[corner[0]].vertices[corner[1]]
        self._held, self._preview = corner, None
        self._pressed, self._offset = (e.x, e.y), (float(at[0]) - e.x, float(at[1]) - e.y)
        self._ghost = None

    def _insert(self, e: ToolEvent) -> tuple[int, int]:
        distances = [ring.nearest(e.x, e.y)[1] for ring in self._rings]
        index = int(np.argmin(distances))
        return index, self._rings[index].insert(e.x, e.y)

    def _remove(self, corner: tuple[int, int] | None) -> None:
        """Take a corner out; a triangle that loses one goes as a whole, unless it is all there is."""
        frame = self.surface.document.frame
        if frame is None or corner is None or not self._is_corner(corner):
            return
        ring = self._rings[corner[0]]
        if len(ring.vertices) <= 3 and len(self._rings) == 1:
            self.surface.document.message.emit(
                "A contour keeps at least three corners: press Del away from the corners to delete the region.", ""
            )
            return
        self._hover = None
        if len(ring.vertices) <= 3:
            del self._rings[corner[0]]
        else:
            ring.remove(corner[1])
        self._commit(mask_of_rings(self._rings, frame.shape), "Remove a contour point")

    def _commit(self, after: Mask, text: str) -> None:
        """Write the mask; where that is not possible the outline goes back to what the mask is."""
        region = self._region()
        if region is None or self._mask is None:
            return
        if after.is_empty:
            self._mask = None
            self.surface.document.message.emit(
                "That would leave no pixel of the region, so it was left as it was: Del deletes a region.", ""
            )
        elif after != region.mask:
            self._mask = after
            region_command.replace_mask(self.surface.document, region.id, after, text=text)

    def _select(self, e: ToolEvent) -> None:
        document = self.surface.document
        under = regions_at(document.annotation.regions, e.x, e.y) if document.annotation is not None else []
        if under:
            document.select_region(under[0].id)
            self._follow()

    def _is_corner(self, corner: tuple[int, int]) -> bool:
        return corner[0] < len(self._rings) and corner[1] < len(self._rings[corner[0]].vertices)
