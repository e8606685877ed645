"""Examples with masks, read into memory once for all epochs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from usassist.core.data.dataset import Example
from usassist.core.data.frames import read_frames
from usassist.core.data.marks import without_marks
from usassist.core.errors import UsassistError
from usassist.core.geometry.cv import cv2
from usassist.core.io.scan import scan_box, scan_grey
from usassist.core.log import READING_IMAGES
from usassist.core.training.images import require_room, seen_and_kept, shrunk
from usassist.core.training.task import OnProgress

Index = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Loaded:
    """One example held in memory: its scan, uint8 grey and truth (0 background, else the object's number from 1).

    `grey` and `truth` are HxW, to be augmented; `clean` is `grey` without burned-in marks, None where it has none or
    nobody asked. `view` and `view_truth` are SxS: what the engine makes of the same
    frame, and the truth there.
    """

    example: Example
    grey: npt.NDArray[np.uint8]
    truth: Index
    view: npt.NDArray[np.uint8]
    view_truth: Index
    clean: npt.NDArray[np.uint8] | None = None

    @property
    def nbytes(self) -> int:
        return (
            (0 if self.clean is None else self.clean.nbytes)
            + self.grey.nbytes
            + self.truth.nbytes
            + self.view.nbytes
            + self.view_truth.nbytes
        )


def load_all(
    examples: Sequence[Example],
    *,
    size: int,
    sharpest: float = 0.0,
    objects: Sequence[str] = (),
    unmark: bool = False,
    on_progress: OnProgress | None = None,
) -> tuple[list[Loaded], list[str]]:
    """Decode every example for a model of size x size; returns what could be read and, for the rest, one reason each.

    Scans sharper than `sharpest` at that size are blurred as the engine does.
    With `unmark` training images are kept without their burned-in marks, too.

    With `objects` the truth tells these apart and takes any other for background; without, it says where anything is.
    All of it stays in memory, for a model of 224 at most 0.9 MB an image (640 x 640 grey and truth, and their views);
    what takes more than 8 GB together raises TrainingError before the machine starts to swap.
    """
    loaded: list[Loaded] = []
    failed: list[str] = []
    held = 0
    frames = read_frames(examples, on_error=lambda example, error: failed.append(f"{example.key}: {error}"))
    for example, frame in frames:
        try:
            truth = _read_truth(example, frame.shape, objects)[scan_box(frame).slices]
        except UsassistError as error:
            failed.append(f"{example.key}: {error}")
            continue
        grey = scan_grey(frame)
        clean = without_marks(grey) if unmark and example.split == "train" else grey  # shrinking makes strokes fainter
        kept, view, without = seen_and_kept(grey, None if clean is grey else clean, size, sharpest)
        item = Loaded(
            example,
            grey=kept,
            truth=shrunk(truth, size=size, nearest=True),
            view=view,
            view_truth=_resize_truth(truth, size),
            clean=without,
        )
        held += item.nbytes
        require_room(held, images=len(loaded) + 1, total=len(examples))
        loaded.append(item)
        if on_progress is not None:
            on_progress(READING_IMAGES, len(loaded) + len(failed), len(examples))
    return loaded, failed


def _read_truth(example: Example, shape: tuple[int, int], objects: Sequence[str]) -> Index:
    if not objects:
        return example.read_truth(shape).astype(np.uint8)
    numbers = [0, *(objects.index(name) + 1 if name in objects else 0 for name in example.objects)]
    return np.array(numbers, dtype=np.uint8)[example.read_classes(shape)]


def _resize_truth(truth: Index, size: int) -> Index:
    resized = cv2.resize(np.ascontiguousarray(truth), (size, size), interpolation=cv2.INTER_NEAREST)
    return np.asarray(resized, dtype=np.uint8)
