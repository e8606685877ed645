"""How sharp a picture is at the size a model sees it, and blurring it until it is no sharper than others.

Scanners and exports differ most in fine detail; a model that was trained on soft pictures reads the speckle of a sharp
one as structure. Measured on a hospital left out of training (docs/results.md).
"""

import math

import numpy as np
import numpy.typing as npt

from usassist.core.geometry.cv import cv2

Grey = npt.NDArray[np.uint8]

_DARK = 8
"""Grey values up to this are background, which would make any picture look soft."""
_STEPS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.15, 1.3, 1.5, 1.75, 2.0)
"""Standard deviations in pixels, from what changes next to nothing to what leaves no speckle."""


def sharpness(grey: Grey) -> float:
    """Return what a Gaussian of one pixel takes away, as a share of the contrast; 0 for a picture of one value.

    Both are root mean squares over the pixels of an HxW uint8 picture that are not background. B-mode at 256 x 256 has
    0.1 to 0.3. Complexity: linear in the pixels, about 0.2 ms at that size.
    """
    shown = cv2.compare(grey, _DARK, cv2.CMP_GT)
    contrast = float(cv2.meanStdDev(grey, mask=shown)[1].item())
    if contrast < 1:
        return 0.0
    values = grey.astype(np.float32)
    taken = cv2.norm(values, cv2.GaussianBlur(values, (0, 0), 1.0), cv2.NORM_L2, shown)
    return float(taken) / math.sqrt(cv2.countNonZero(shown)) / contrast


def blur_to(grey: Grey, sharpest: float) -> float:
    """Return the deviation, in pixels, of the least blur that leaves a picture no sharper than that; 0 for none.

    At most 2 pixels; with `sharpest` 0 no picture is blurred. Complexity: up to five times that of `sharpness`.
    """
    if sharpest <= 0 or sharpness(grey) <= sharpest:
        return 0.0
    low, high = 0, len(_STEPS) - 1
    while low < high:
        middle = (low + high) // 2
        if sharpness(blurred(grey, _STEPS[middle])) <= sharpest:
            high = middle
        else:
            low = middle + 1
    return _STEPS[low]


def blurred(grey: Grey, across: float, down: float | None = None) -> Grey:
    """Return a picture blurred by a Gaussian of `across` and `down` (the same) pixels' deviation; as it is for 0."""
    if across <= 0:
        return grey
    found = cv2.GaussianBlur(grey, (0, 0), sigmaX=across, sigmaY=across if down is None else down)
    return np.asarray(found, dtype=np.uint8)
