"""The hand: drag the picture, click a region to select it."""

import math

from PySide6.QtCore import Qt

from usassist.core.domain import Region
from usassist.gui.tools.tool import BaseTool, ToolEvent

DRAG_AFTER = 4.0
"""Screen pixels a press may move and still be a click."""


def regions_at(regions: tuple[Region, ...], x: float, y: float) -> list[Region]:
    """Return the regions that hold the pixel under (x, y), the smallest first, so that an inner one can be reached."""
    row, col = math.floor(y + 0.5), math.floor(x + 0.5)
    return sorted((r for r in regions if r.mask.contains(row, col)), key=lambda region: region.mask.area)


class PanTool(BaseTool):
    """Drag to move the picture; click to select the region under the cursor, and again for the one beneath it."""

    id = "pan"
    title = "Pan and select"
    icon = "fa6s.hand"
    hint = "Drag to move the picture. Click a region to select it; click again for the one beneath it."
    cursor = Qt.CursorShape.OpenHandCursor

    def __init__(self) -> None:
        super().__init__()
        self._pressed: tuple[float, float] | None = None
        self._dragged = False

    @property
    def is_open(self) -> bool:
        return self._dragged

    def press(self, e: ToolEvent) -> None:
        if e.button == "left":
            self._pressed, self._dragged = (e.x, e.y), False

    def move(self, e: ToolEvent) -> None:
        """Keep the point that was grabbed under the cursor."""
        if self._pressed is None:
            return
        dx, dy = e.x - self._pressed[0], e.y - self._pressed[1]
        if not self._dragged and math.hypot(dx, dy) * self.surface.scale <= DRAG_AFTER:
            return
        if not self._dragged:
            self._dragged = True
            self.surface.set_cursor(Qt.CursorShape.ClosedHandCursor)
        self.surface.pan_by(dx, dy)

    def release(self, e: ToolEvent) -> None:
        """Select where the press was a click."""
        if self._pressed is None or e.button not in ("left", "none"):
            return
        clicked = not self._dragged
        self.cancel()
        if clicked:
            self._select(e)

    def double_click(self, e: ToolEvent) -> None:
        """Select the region, and stay on it: the second press of a double click does not reach beneath."""

    def cancel(self) -> None:
        self._pressed, self._dragged = None, False
        if self._surface is not None:
            self._surface.set_cursor(self.cursor)

    def _select(self, e: ToolEvent) -> None:
        document = self.surface.document
        if document.annotation is None:
            return
        under = regions_at(document.annotation.regions, e.x, e.y)
        if not under:
            document.select_region(None)
            return
        selected = document.selected_region.id if document.selected_region is not None else None
        ids = [region.id for region in under]
        after = ids.index(selected) + 1 if selected in ids else 0
        document.select_region(ids[after % len(ids)])
