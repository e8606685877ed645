"""Every action of the window in one table: its id, its words, its keys, its icon and the menu it lives in."""

from dataclasses import dataclass
from typing import Literal

Menu = Literal["File", "Edit", "View", "Annotate", "Model", "Help"]
MENUS: tuple[Menu, ...] = ("File", "Edit", "View", "Annotate", "Model", "Help")


@dataclass(frozen=True, slots=True)
class Action:
    """One thing the window can do.

    `keys` are portable key sequences, the first is the one that menus show. `tool` is the id of the tool an action
    picks, `group` keeps the actions of a menu together (a line separates groups), `checkable` actions keep a state.
    """

    id: str
    text: str
    keys: tuple[str, ...]
    icon: str
    tip: str
    menu: Menu
    group: int = 0
    tool: str = ""
    checkable: bool = False


ACTIONS: tuple[Action, ...] = (
    Action("open_files", "Open files…", ("Ctrl+O",), "ph.file", "Open images, DICOM files or volumes", "File"),
    Action("open_folder", "Open folder…", ("Ctrl+U",), "ph.folder-open", "Open a folder with all it holds", "File"),
    Action("open_project", "Open project…", ("Ctrl+Shift+O",), "ph.folders", "Open a usassist project", "File"),
    Action("save", "Save", ("Ctrl+S",), "ph.floppy-disk", "Write what is not on disk yet", "File", 1),
    Action("previous_file", "Previous file", ("A",), "ph.caret-left", "Go to the previous file", "File", 2),
    Action("next_file", "Next file", ("D",), "ph.caret-right", "Go to the next file", "File", 2),
    Action(
        "previous_open",
        "Previous file to do",
        ("Ctrl+Shift+A",),
        "ph.caret-double-left",
        "Go back to a file that is not annotated",
        "File",
        2,
    ),
    Action(
        "next_open",
        "Next file to do",
        ("Ctrl+Shift+D",),
        "ph.caret-double-right",
        "Go on to a file that is not annotated",
        "File",
        2,
    ),
    Action("settings", "Settings…", ("Ctrl+,",), "ph.gear", "Reader, theme, engine and device", "File", 3),
    Action("quit", "Quit", ("Ctrl+Q",), "ph.sign-out", "Save and close the window", "File", 4),
    Action("undo", "Undo", ("Ctrl+Z",), "ph.arrow-u-up-left", "Take back the last step on this frame", "Edit"),
    Action("redo", "Redo", ("Ctrl+Shift+Z", "Ctrl+Y"), "ph.arrow-u-up-right", "Do again what was taken back", "Edit"),
    Action("delete", "Delete region", ("Del",), "ph.trash", "Delete the selected region", "Edit", 1),
    Action("deselect", "Deselect", ("Esc",), "ph.x", "Select no region", "Edit", 1),
    Action("fit", "Fit", ("Ctrl+F",), "ph.arrows-out", "Show the whole frame", "View"),
    Action("zoom_in", "Zoom in", ("Ctrl++", "Ctrl+="), "ph.magnifying-glass-plus", "Show it larger", "View"),
    Action("zoom_out", "Zoom out", ("Ctrl+-",), "ph.magnifying-glass-minus", "Show it smaller", "View"),
    Action("actual_size", "Actual size", ("Ctrl+0",), "ph.frame-corners", "One screen pixel a frame pixel", "View"),
    Action(
        "hide_masks", "Hide masks", ("T",), "ph.eye-slash", "Show the frame without masks", "View", 1, checkable=True
    ),
    Action("play", "Play", ("Space",), "ph.play", "Play or stop the cine", "View", 2),
    Action("previous_frame", "Previous frame", ("Left",), "ph.skip-back", "Go one frame back", "View", 2),
    Action("next_frame", "Next frame", ("Right",), "ph.skip-forward", "Go one frame on", "View", 2),
    Action("first_frame", "First frame", ("Home",), "ph.caret-double-left", "Go to the first frame", "View", 2),
    Action("last_frame", "Last frame", ("End",), "ph.caret-double-right", "Go to the last frame", "View", 2),
    Action(
        "accept", "Accept", ("Return", "Enter"), "ph.check", "Accept the proposal, else the frame as it is", "Annotate"
    ),
    Action(
        "accept_all",
        "Accept all proposals",
        ("Shift+Return", "Shift+Enter"),
        "ph.checks",
        "Accept every proposal that waits on this frame, in one step",
        "Annotate",
    ),
    Action("reject", "Reject", ("Backspace",), "ph.prohibit", "Reject the proposal", "Annotate"),
    Action("propose", "Propose again", ("I",), "ph.magic-wand", "Ask the engine about this frame", "Annotate"),
    Action(
        "nothing",
        "Nothing to segment",
        ("N",),
        "ph.selection-slash",
        "Accept it without any region",
        "Annotate",
        1,
    ),
    Action("unusable", "Unusable", ("U",), "ph.warning", "Mark the frame as unusable, or take it back", "Annotate", 1),
    Action("flag", "Flag", ("G",), "ph.flag", "Flag the frame for another look", "Annotate", 1),
    Action(
        "tool_click",
        "Smart click",
        ("Q",),
        "ph.crosshair",
        "Click on an object or drag a box around it, and the engine draws it; right-click what is not of it",
        "Annotate",
        2,
        "smart_click",
        True,
    ),
    Action("tool_brush", "Brush", ("B",), "ph.paint-brush", "Paint on a region", "Annotate", 2, "brush", True),
    Action("tool_eraser", "Eraser", ("E",), "ph.eraser", "Erase from a region", "Annotate", 2, "eraser", True),
    Action("tool_polygon", "Polygon", ("P",), "ph.polygon", "Click a region's corners", "Annotate", 2, "polygon", True),
    Action(
        "tool_edit", "Edit contour", ("V",), "ph.path", "Drag a region's corners", "Annotate", 2, "edit_contour", True
    ),
    Action("tool_pan", "Pan", ("H",), "ph.hand", "Drag the frame, click regions", "Annotate", 2, "pan", True),
    Action("tool_ruler", "Ruler", ("M",), "ph.ruler", "Measure a distance", "Annotate", 2, "ruler", True),
    Action("smaller", "Smaller brush", ("[",), "ph.minus-circle", "Make the brush smaller", "Annotate", 3),
    Action("larger", "Larger brush", ("]",), "ph.plus-circle", "Make the brush larger", "Annotate", 3),
    Action(
        "train",
        "Train on accepted frames…",
        (),
        "ph.graduation-cap",
        "Teach a model what you accepted in this project",
        "Model",
    ),
    Action("shortcuts", "Shortcuts", ("F1",), "ph.keyboard", "List every key", "Help"),
    Action("about", "About usassist", (), "ph.info", "Version, licence and what it is not for", "Help", 1),
)

LABEL_KEYS: tuple[str, ...] = tuple("123456789")
"""The keys that pick the first nine labels; they have no menu entry of their own."""


def action(action_id: str) -> Action:
    """Return an action by its id; raises KeyError for an id that is not in the table."""
    return _BY_ID[action_id]


_BY_ID = {entry.id: entry for entry in ACTIONS}
