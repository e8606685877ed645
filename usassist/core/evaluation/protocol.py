"""What is evaluated, and what is said about each image."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from usassist.core.errors import UsassistError
from usassist.core.metrics.overlap import Pixels, dice, iou, precision, recall
from usassist.core.metrics.surface import SurfaceDistances, surface_distances

Picture = npt.NDArray[np.uint8]
"""HxW or HxWx3 (RGB) of the frame's size, for pictures in the report only."""

NSD_TOLERANCE_PX = 2.0
NSD_TOLERANCE_MM = 1.0


@dataclass(frozen=True, eq=False)
class Case:
    """A prediction and its truth, both of the frame's size; `class_name` is "" where nobody named one.

    `spacing_mm` is (row, col) mm per pixel. `score`, `presence` and `quality` are 0 to 1 as the engine gave them,
    `seconds` what it took. `strangeness` is how unlike the model's training the image is, above 1 very. `probability`
    is HxW float32, 0 to 1. `image` is a picture or a function that reads one, called only for the cases that the
    report shows. `group` names what was drawn together (a patient, a cine): cases of one group are resampled
    together; it is the input where nothing else is known.
    """

    input: str
    truth: Pixels
    pred: Pixels
    frame: int = 0
    class_name: str = ""
    spacing_mm: tuple[float, float] | None = None
    score: float | None = None
    presence: float | None = None
    quality: float | None = None
    seconds: float | None = None
    probability: npt.NDArray[np.float32] | None = None
    image: Picture | Callable[[], Picture | None] | None = None
    group: str | None = None
    strangeness: float | None = None


@dataclass(frozen=True, slots=True)
class ImageScore:
    """One line of the protocol: overlap 0 to 1, distances in pixels, those in mm None where the spacing is not known.

    Both masks empty: overlaps and NSD 1, distances 0. One empty: overlaps and NSD 0, distances the frame's diagonal.
    """

    input: str
    frame: int
    class_name: str
    group: str
    dice: float
    iou: float
    precision: float
    recall: float
    hd95_px: float
    assd_px: float
    nsd_2px: float
    hd95_mm: float | None
    assd_mm: float | None
    nsd_1mm: float | None
    score: float | None
    presence: float | None
    quality: float | None
    seconds: float | None
    empty_truth: bool
    empty_pred: bool
    strangeness: float | None = None

    @property
    def is_degenerate(self) -> bool:
        """Return whether exactly one mask is empty, so that its distances stand for "not there"."""
        return self.empty_truth != self.empty_pred


def score_case(case: Case) -> ImageScore:
    """Compare a prediction with its truth; raises UsassistError, naming the input and both sizes, for unequal sizes."""
    try:
        pixels = surface_distances(case.truth, case.pred)
    except UsassistError as fault:
        raise UsassistError(f"{case.input}, frame {case.frame}: {fault}") from fault
    millimetres = _in_mm(case, pixels)
    return ImageScore(
        input=case.input,
        frame=case.frame,
        class_name=case.class_name,
        group=case.input if case.group is None else case.group,
        dice=dice(case.truth, case.pred),
        iou=iou(case.truth, case.pred),
        precision=precision(case.truth, case.pred),
        recall=recall(case.truth, case.pred),
        hd95_px=pixels.hd95,
        assd_px=pixels.assd,
        nsd_2px=pixels.nsd(NSD_TOLERANCE_PX),
        hd95_mm=None if millimetres is None else millimetres.hd95,
        assd_mm=None if millimetres is None else millimetres.assd,
        nsd_1mm=None if millimetres is None else millimetres.nsd(NSD_TOLERANCE_MM),
        score=case.score,
        presence=case.presence,
        quality=case.quality,
        seconds=case.seconds,
        empty_truth=_is_empty(case.truth),
        empty_pred=_is_empty(case.pred),
        strangeness=case.strangeness,
    )


def _in_mm(case: Case, pixels: SurfaceDistances) -> SurfaceDistances | None:
    """Return the distances in mm, None where the spacing is not known; measured anew where pixels are no squares."""
    if case.spacing_mm is None:
        return None
    height, width = case.spacing_mm
    if height == width:
        return pixels.scaled(height)
    return surface_distances(case.truth, case.pred, spacing_mm=case.spacing_mm)


def _is_empty(pixels: Pixels) -> bool:
    return not pixels.any() if isinstance(pixels, np.ndarray) else pixels.is_empty
