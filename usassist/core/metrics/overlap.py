"""How many pixels two masks share."""

import numpy as np
import numpy.typing as npt

from usassist.core.domain import Box, Mask
from usassist.core.errors import UsassistError
from usassist.core.geometry.raster import pixels_in

Pixels = Mask | npt.NDArray[np.bool_]
"""A mask as the rest of usassist knows it, or as an HxW bool array."""

LESION_FOUND_IOU = 0.1
"""Above this a lesion counts as found."""


def dice(truth: Pixels, pred: Pixels) -> float:
    """Return 2 |A and B| / (|A| + |B|), 0 to 1; two empty masks agree: 1. Raises UsassistError for unequal sizes.

    >>> a = np.zeros((5, 5), dtype=bool); a[1:4, 1:4] = True
    >>> b = np.zeros((5, 5), dtype=bool); b[1:4, 2:5] = True
    >>> round(dice(a, b), 4)
    0.6667
    >>> dice(a & False, b & False), dice(a, b & False)
    (1.0, 0.0)
    """
    both, in_truth, in_pred = counts(truth, pred)
    return _share(2 * both, in_truth + in_pred)


def iou(truth: Pixels, pred: Pixels) -> float:
    """Return |A and B| / |A or B|, 0 to 1; two empty masks agree: 1. Raises UsassistError for unequal sizes.

    >>> a = np.zeros((5, 5), dtype=bool); a[1:4, 1:4] = True
    >>> b = np.zeros((5, 5), dtype=bool); b[1:4, 2:5] = True
    >>> iou(a, b)
    0.5
    """
    both, in_truth, in_pred = counts(truth, pred)
    return _share(both, in_truth + in_pred - both)


def precision(truth: Pixels, pred: Pixels) -> float:
    """Return the share of predicted pixels that are true, 0 to 1: 1 where both masks are empty, 0 where one is.

    >>> a = np.zeros((5, 5), dtype=bool); a[1:4, 1:4] = True
    >>> b = np.zeros((5, 5), dtype=bool); b[2, :4] = True
    >>> precision(a, b)
    0.75
    """
    both, in_truth, in_pred = counts(truth, pred)
    return both / in_pred if in_pred else float(in_truth == 0)


def recall(truth: Pixels, pred: Pixels) -> float:
    """Return the share of true pixels that are predicted, 0 to 1: 1 where both masks are empty, 0 where one is.

    >>> a = np.zeros((5, 5), dtype=bool); a[1:4, 1:4] = True
    >>> b = np.zeros((5, 5), dtype=bool); b[2, :4] = True
    >>> round(recall(a, b), 4)
    0.3333
    """
    both, in_truth, in_pred = counts(truth, pred)
    return both / in_truth if in_truth else float(in_pred == 0)


def counts(truth: Pixels, pred: Pixels) -> tuple[int, int, int]:
    """Return how many pixels lie in both masks, in the truth and in the prediction.

    >>> a = np.zeros((5, 5), dtype=bool); a[1:4, 1:4] = True
    >>> counts(a, np.eye(5, dtype=bool))
    (3, 9, 5)
    """
    require_same_frame(truth, pred)
    if isinstance(truth, Mask) and isinstance(pred, Mask):
        common = truth.box.intersection(pred.box)
        both = int(np.count_nonzero(pixels_in(truth, common) & pixels_in(pred, common)))
        return both, truth.area, pred.area
    a, b = as_array(truth), as_array(pred)
    return int(np.count_nonzero(a & b)), int(np.count_nonzero(a)), int(np.count_nonzero(b))


def as_mask(pixels: Pixels) -> Mask:
    """Return a mask; raises UsassistError for an array that is not two-dimensional and bool."""
    if isinstance(pixels, Mask):
        return pixels
    _require_bool(pixels)
    return Mask.from_array(pixels)


def as_array(pixels: Pixels) -> npt.NDArray[np.bool_]:
    """Return an HxW bool array; raises UsassistError for an array that is not two-dimensional and bool."""
    if isinstance(pixels, Mask):
        return pixels_in(pixels, Box(0, 0, *pixels.shape))
    _require_bool(pixels)
    return pixels


def require_same_frame(truth: Pixels, pred: Pixels) -> None:
    """Raise UsassistError, naming both sizes, unless both masks are of one size."""
    if truth.shape != pred.shape:
        raise UsassistError(
            f"Masks can be compared on one frame only; found a truth of {_size(truth)} and a prediction of "
            f"{_size(pred)} (rows x columns). Write the prediction at the size of its image."
        )


def _require_bool(pixels: npt.NDArray[np.bool_]) -> None:
    if pixels.dtype != np.bool_ or pixels.ndim != 2:
        raise UsassistError(
            f"A mask is a two-dimensional bool array; found {pixels.dtype} of shape {pixels.shape}. "
            "Compare it with its threshold first."
        )


def _size(pixels: Pixels) -> str:
    return " x ".join(str(length) for length in pixels.shape)


def _share(part: int, whole: int) -> float:
    """Return part / whole, and 1 where there is nothing to share."""
    return part / whole if whole else 1.0
