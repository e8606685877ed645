"""The main job, in the real window: open, propose, accept, edit, save, close, reopen, compare bit for bit.

    python3 dev.py demo [DATA]

Runs on the shipped sample (a simulated cine with its truth), on the real ultrasound cine that ships in the pydicom
package, and on DATA if given (a file, a folder, a dataset folder: a few of its files, evenly spread). Prints a table
and the path of a screenshot. The exit status is 0 only where every mask came back identical.
"""

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from steering import ROOT, SAMPLE, Steered, StuckError, dice, fail, opened, table

from usassist.core.domain import Annotation, Mask
from usassist.core.exchange.png_mask import read_mask
from usassist.core.io.open_study import find_sources
from usassist.gui.settings import Settings

Item = TypeVar("Item")
HEADER = ("file", "frame", "pixels", "proposal", "score", "Dice", "painted", "erased", "regions", "read back")


@dataclass(frozen=True)
class Visit:
    """One frame to work on; `truth` is its mask file where there is one."""

    path: Path
    frame: int = 0
    truth: Path | None = None


@dataclass
class Done:
    """What was done on a frame, and what was saved for it."""

    visit: Visit
    shape: tuple[int, int]
    seconds: float
    score: float | None
    dice: float | None
    painted: int
    erased: int
    saved: Annotation
    identical: bool = False

    def cells(self) -> tuple[str, ...]:
        """Return the row of the table."""
        found = "nothing found" if self.score is None else f"{self.seconds * 1000:.0f} ms"
        return (
            self.visit.path.name,
            str(self.visit.frame),
            f"{self.shape[1]} x {self.shape[0]}",
            found,
            "" if self.score is None else f"{self.score:.2f}",
            "" if self.dice is None else f"{self.dice:.3f}",
            f"+{self.painted} px",
            f"-{self.erased} px",
            str(len(self.saved.regions)),
            "identical" if self.identical else "DIFFERS",
        )


def main() -> int:
    """Run every group in a private user folder and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", metavar="DATA", type=Path, nargs="?", help="your own images")
    parser.add_argument("--count", type=int, default=6, help="how many files of DATA (default: %(default)s)")
    parser.add_argument("--engine", default="clip_mona", help="the engine to ask (default: %(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    arguments = parser.parse_args()
    settings = Settings(engine=arguments.engine, device=arguments.device)
    groups = {"the sample": sample_visits(), "pydicom's cine": pydicom_visits()}
    if arguments.data is not None:
        if not arguments.data.exists():
            return fail(f"There is no file or folder {arguments.data}.")
        groups[str(arguments.data)] = data_visits(arguments.data, count=arguments.count)
    out = ROOT / "out"
    done: list[Done] = []
    with tempfile.TemporaryDirectory(prefix="usassist-demo-") as home:
        # Nobody's own projects and preferences are touched.
        os.environ["USASSIST_HOME"] = home
        for number, (name, visits) in enumerate(groups.items()):
            print(f"Working on {name} ({len(visits)} frames) ...", flush=True)
            try:
                done += work(
                    visits, settings, project=Path(home) / f"project-{number}", shot=out / f"demo{number or ''}.png"
                )
            except StuckError as error:
                return fail(f"The demonstration stopped at {name}: {error}")
    print()
    print(table([one.cells() for one in done], header=HEADER))
    print()
    print(f"Screenshot: {out / 'demo.png'}")
    different = [one for one in done if not one.identical]
    if different:
        return fail(f"{len(different)} of {len(done)} frames came back different.")
    print(f"All {len(done)} frames came back identical, bit for bit.")
    return 0


def sample_visits() -> list[Visit]:
    """Return frames of the simulated cine with their truth, and the simulated still."""
    images, masks = SAMPLE / "images", SAMPLE / "masks"
    cine = [Visit(images / "breast_cine.dcm", index, masks / f"breast_cine_{index:04d}.png") for index in (0, 20, 40)]
    return [*cine, Visit(images / "linear_lesions.png", 0, masks / "linear_lesions.png")]


def pydicom_visits() -> list[Visit]:
    """Return frames of the 30-frame ultrasound cine inside the pydicom package."""
    from pydicom import examples

    path = Path(examples.get_path("ybr_color"))
    return [Visit(path, 0), Visit(path, 15)]


def data_visits(data: Path, *, count: int) -> list[Visit]:
    """Return some files, evenly spread; where masks lie beside the images, ones with an object, with their truth."""
    images, masks = data / "images", data / "masks"
    if not (images.is_dir() and masks.is_dir()):
        return [Visit(source.path) for source in _spread(find_sources(data), count)]
    truths = {path.stem: path for path in masks.iterdir()}
    pairs = [(source.path, truths[source.path.stem]) for source in find_sources(images) if source.path.stem in truths]
    with_object = [Visit(image, 0, mask) for image, mask in _spread(pairs, 4 * count) if read_mask(mask).any()]
    return _spread(with_object, count)


def _spread(items: list[Item], count: int) -> list[Item]:
    return [items[index * len(items) // count] for index in range(count)] if len(items) > count else items


def work(visits: list[Visit], settings: Settings, *, project: Path, shot: Path) -> list[Done]:
    """Annotate the frames in one window, and read them back in another."""
    paths = list(dict.fromkeys(visit.path for visit in visits))
    with opened(settings) as first:
        first.open(paths, project=project)
        done = [annotate(first, visit, shot=shot if visit is visits[0] else None) for visit in visits]
    with opened(settings, auto_propose=False) as second:
        second.open(paths, project=project)
        for one in done:
            show(second, one.visit)
            one.identical = same(second.document.annotation, one.saved)
    return done


def annotate(steered: Steered, visit: Visit, *, shot: Path | None) -> Done:
    """Wait for the proposal, accept it, paint a stroke, erase a stroke, save."""
    show(steered, visit)
    start = time.perf_counter()
    steered.wait_for_answer()
    seconds = time.perf_counter() - start
    document = steered.document
    if shot is not None:
        steered.picture(shot)
    proposals = document.proposals
    best = proposals[0] if proposals else None
    found = truth_dice(visit, best.mask) if best else None
    if best:
        steered.act("accept")
    painted, erased = edit(steered)
    if not best:
        steered.act("accept")
    steered.act("save")
    if document.annotation is None or document.frame is None:
        raise StuckError("The frame went away while it was edited.")
    return Done(
        visit, document.frame.shape, seconds, best.score if best else None, found, painted, erased, document.annotation
    )


def show(steered: Steered, visit: Visit) -> None:
    """Go to the frame of a visit."""
    wanted = visit.path.resolve()
    indices = [index for index, source in enumerate(steered.document.sources) if source.path.resolve() == wanted]
    if not indices:
        raise StuckError(f"{visit.path} is not in the list of files.")
    steered.go(indices[0], visit.frame)


def edit(steered: Steered) -> tuple[int, int]:
    """Paint across the right edge of the region (or the middle of the frame) and erase across its top."""
    rows, cols = steered.document.frame.shape
    before = area(steered)
    box = steered.regions()[0].mask.box if steered.regions() else None
    middle = ((box.top + box.bottom) / 2, (box.left + box.right) / 2) if box else (rows / 2, cols / 2)
    right = min(box.right if box else middle[1] + 20, cols - 2)
    top = box.top if box else middle[0] - 10
    steered.act("tool_brush")
    steered.drag([(right - 8, middle[0]), (right, middle[0] + 2), (right + 6, middle[0] + 5)])
    with_paint = area(steered)
    steered.act("tool_eraser")
    steered.drag([(middle[1] - 6, top), (middle[1] + 6, top + 1)])
    return with_paint - before, with_paint - area(steered)


def area(steered: Steered) -> int:
    """Return the pixels of all regions of the frame on screen."""
    return sum(region.mask.area for region in steered.regions())


def truth_dice(visit: Visit, mask: Mask) -> float | None:
    """Return the Dice of a mask with the truth of the visit, None where none is known."""
    return dice(mask, Mask.from_array(read_mask(visit.truth, shape=mask.shape))) if visit.truth else None


def same(found: Annotation | None, saved: Annotation) -> bool:
    """Return whether what was read is what was saved: every pixel, label, origin and status."""
    return found is not None and found.regions == saved.regions and found.status == saved.status


if __name__ == "__main__":
    sys.exit(main())
