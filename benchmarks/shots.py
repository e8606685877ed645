"""A screenshot of every main state of the window, in both themes, at 1366 x 768.

    python3 dev.py shots [--engine NAME] [--readme]

Writes out/shots/<theme>-<number>-<state>.png from the shipped sample only, so that every picture may be shown.
`--readme` also replaces docs/screenshot.png.
"""

import argparse
import os
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QPoint
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QDialog
from steering import ROOT, SAMPLE, Steered, StuckError, fail, opened, settle, wait

from usassist.core.domain import Annotation, Mask, Region
from usassist.core.geometry.brush import stroke_mask
from usassist.core.project import recovery, store
from usassist.gui.commands import click
from usassist.gui.settings import Settings

OUT = ROOT / "out" / "shots"
CINE, STILL = "breast_cine.dcm", "linear_lesions.png"


class Album:
    """Numbers the pictures of one theme."""

    def __init__(self, theme: str, folder: Path) -> None:
        self.theme = theme
        self.folder = folder
        self.paths: list[Path] = []

    def keep(self, steered: Steered, state: str) -> None:
        """Write what the window shows, with the dialog that lies over it."""
        path = self.folder / f"{self.theme}-{len(self.paths) + 1:02d}-{state}.png"
        steered.picture(path)
        dialog = _dialog(steered)
        if dialog is not None:
            picture = steered.window.grab()
            painter = QPainter(picture)
            painter.fillRect(picture.rect(), QColor(0, 0, 0, 90))
            room = steered.window.rect().center() - dialog.rect().center()
            painter.drawPixmap(QPoint(max(0, room.x()), max(0, room.y())), dialog.grab())
            painter.end()
            picture.save(str(path))
        self.paths.append(path)


def _dialog(steered: Steered) -> QDialog | None:
    return next((child for child in steered.window.findChildren(QDialog) if child.isVisible()), None)


def main() -> int:
    """Take every picture of both themes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="clip_mona", help="the engine to ask (default: %(default)s)")
    parser.add_argument("--readme", action="store_true", help="replace docs/screenshot.png too")
    arguments = parser.parse_args()
    shutil.rmtree(OUT, ignore_errors=True)
    for theme in ("dark", "light"):
        album = Album(theme, OUT)
        with tempfile.TemporaryDirectory(prefix="usassist-shots-") as home:
            os.environ["USASSIST_HOME"] = home
            settings = replace(Settings(), theme=theme, engine=arguments.engine)
            try:
                take(album, settings, images=images_folder(Path(home) / "Sample"), home=Path(home))
            except StuckError as error:
                return fail(f"The pictures stopped in the {theme} theme: {error}")
        for path in album.paths:
            print(path)
        if arguments.readme and theme == "dark":
            shutil.copyfile(
                next(path for path in album.paths if "proposal" in path.name), ROOT / "docs" / "screenshot.png"
            )
            print("docs/screenshot.png")
    return 0


def images_folder(folder: Path) -> Path:
    """Return a folder with the sample, and with what goes wrong in real folders."""
    folder.mkdir()
    for name in (CINE, STILL):
        shutil.copyfile(SAMPLE / "images" / name, folder / name)
    (folder / "cut_short.dcm").write_bytes((SAMPLE / "images" / CINE).read_bytes()[:900])
    (folder / "empty.png").write_bytes(b"")
    return folder


def take(album: Album, settings: Settings, *, images: Path, home: Path) -> None:
    """Walk through the states, as a person would come upon them."""
    project = home / "project"
    with opened(settings) as steered:
        album.keep(steered, "nothing-open")
        steered.open([images], project=project)
        for state in (
            proposal,
            clicks,
            accepted,
            painting,
            polygon,
            contour,
            cine,
            classes,
            still,
            unreadable,
            dialogs,
        ):
            state(steered, album)
    leave_a_draft(project, images)
    with opened(settings, auto_propose=False) as steered:
        steered.open([images], project=project)
        settle(0.3)
        album.keep(steered, "recovery")
        dialog = _dialog(steered)
        if dialog is not None:
            dialog.reject()


def _index(steered: Steered, name: str) -> int:
    return next(index for index, source in enumerate(steered.document.sources) if source.relative == name)


def proposal(steered: Steered, album: Album) -> None:
    """A frame opens and its proposal waits, dashed."""
    steered.go(_index(steered, CINE))
    steered.wait_for_answer()
    box = steered.document.proposals[0].mask.box if steered.document.proposals else None
    if box is not None:
        steered.hover((box.left, box.top))
    steered.document.message.emit("", "")  # a path of this machine has no place in the README
    album.keep(steered, "proposal")


def clicks(steered: Steered, album: Album) -> None:
    """The outline is pointed at, where the engine follows clicks; what waited before waits again afterwards."""
    document = steered.document
    if document.why_no_clicks or not document.proposals:
        return
    box = document.proposals[0].mask.box
    steered.act("tool_click")
    steered.drag([(box.left - 8.0, box.top - 8.0), (box.left, box.top), (box.right + 6.0, box.bottom + 6.0)])
    for point, positive in (
        (((box.left + box.right) / 2, (box.top + box.bottom) / 2), True),
        ((box.right + 3.0, box.top), False),
    ):
        click.add_point(document, *point, positive=positive)
        document.lane_inference.drain()
    album.keep(steered, "clicks")
    document.drop_clicks()
    steered.act("tool_brush")


def accepted(steered: Steered, album: Album) -> None:
    """The proposal became a region."""
    steered.act("accept")
    album.keep(steered, "accepted")


def painting(steered: Steered, album: Album) -> None:
    """Brush and eraser have changed the region, and the ring shows the size."""
    box = steered.regions()[0].mask.box if steered.regions() else steered.document.proposals[0].mask.box
    row = (box.top + box.bottom) / 2
    steered.act("tool_brush")
    steered.drag([(box.right - 4, row - 14), (box.right + 4, row), (box.right - 2, row + 16)])
    steered.hover((box.right + 6, row))
    album.keep(steered, "painting")


def polygon(steered: Steered, album: Album) -> None:
    """A polygon is open."""
    steered.act("tool_polygon")
    for point in ((250.0, 80.0), (300.0, 70.0), (330.0, 95.0), (300.0, 120.0)):
        steered.drag([point, point])
    steered.hover((262.0, 118.0))
    album.keep(steered, "polygon")
    tool = steered.window.canvas.tool
    if tool is not None:
        tool.cancel()


def contour(steered: Steered, album: Album) -> None:
    """The corners of the selected region can be dragged."""
    if steered.regions():
        steered.document.select_region(steered.regions()[0].id)
    steered.act("tool_edit")
    album.keep(steered, "edit-contour")
    steered.act("tool_brush")
    steered.act("save")


def cine(steered: Steered, album: Album) -> None:
    """Another frame of the same cine."""
    steered.go(_index(steered, CINE), 31)
    steered.wait_for_answer()
    album.keep(steered, "cine")


def classes(steered: Steered, album: Album) -> None:
    """Which class the frame looks like, with the similarities of one class's prompts."""
    dock = steered.window.classes
    if not dock.isVisible():
        dock.toggleViewAction().trigger()
    if steered.document.embeds:
        wait(lambda: dock.reading is not None, "the classes")
    dock.tree.expand(dock.tree.model().index(0, 0))
    album.keep(steered, "classes")
    dock.toggleViewAction().trigger()


def still(steered: Steered, album: Album) -> None:
    """A still whose spacing nobody knows, answered with "nothing to segment"."""
    steered.go(_index(steered, STILL))
    steered.wait_for_answer()
    steered.act("nothing")
    album.keep(steered, "nothing-to-segment")


def unreadable(steered: Steered, album: Album) -> None:
    """A file that cannot be read says why, and the program goes on."""
    try:
        steered.go(_index(steered, "cut_short.dcm"))
    except StuckError:
        album.keep(steered, "unreadable")
    steered.go(_index(steered, STILL))


def dialogs(steered: Steered, album: Album) -> None:
    """The dialogs, each over the window."""
    for action_id in ("settings", "shortcuts", "about"):
        steered.act(action_id)
        settle(0.2)
        album.keep(steered, action_id)
        dialog = _dialog(steered)
        if dialog is not None:
            dialog.reject()
            settle()


def leave_a_draft(project_root: Path, images: Path) -> None:
    """Leave what a crash leaves: a drawing that was not saved."""
    import numpy as np

    project = store.open_project(project_root)
    entry = next(entry for entry in project.sources if (images / entry.relative).name == CINE)
    line = np.array([[180.0, 130.0], [230.0, 140.0]])
    mask: Mask = stroke_mask(line, 14.0, (320, 424))
    region = Region("recovered", project.labels[0].id, mask)
    recovery.save_draft(
        project, Annotation(f"{entry.key}_00045", project.readers[0].id, (320, 424), (region,), status="draft")
    )


if __name__ == "__main__":
    sys.exit(main())
