"""The tools of the canvas, one file each; `all_tools` is what the window offers."""

from usassist.gui.tools.brush import BrushSize, BrushTool
from usassist.gui.tools.edit_contour import EditContourTool
from usassist.gui.tools.pan import PanTool
from usassist.gui.tools.polygon import PolygonTool
from usassist.gui.tools.ruler import RulerTool
from usassist.gui.tools.smart_click import SmartClickTool
from usassist.gui.tools.tool import BaseTool, Tool, ToolEvent, ToolSurface

__all__ = ["BaseTool", "Tool", "ToolEvent", "ToolSurface", "all_tools"]


def all_tools() -> list[Tool]:
    """Return a new set of tools in the order of the tool bar; the brush and the eraser share one size."""
    size = BrushSize()
    return [
        PanTool(),
        SmartClickTool(),
        BrushTool(size),
        BrushTool(size, erases=True),
        PolygonTool(),
        EditContourTool(),
        RulerTool(),
    ]
