"""Signed distance maps for the boundary loss."""

import numpy as np
import numpy.typing as npt

from usassist.core.geometry.cv import cv2


def signed_distances(truth: npt.NDArray[np.uint8], *, objects: int) -> npt.NDArray[np.float32]:
    """Return how far every pixel is from each object's boundary: (K, H, W), negative inside, in the longer side.

    `truth` HxW holds 0 for background, else the object's number. 0 everywhere for an object that is not there: no
    boundary to be near to. As Kervadec et al. 2019 (arXiv 1812.07032), whose inner distances begin at 0; in image sides
    instead of pixels, so that the weight does not depend on the model's size.
    """
    out = np.zeros((objects, *truth.shape), dtype=np.float32)
    for number in range(1, objects + 1):
        inside = (truth == number).astype(np.uint8)
        if not inside.any():
            continue
        outer = cv2.distanceTransform(1 - inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        # A mask that fills the image has no outside to measure from.
        inner = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) if not inside.all() else inside * 1.0
        out[number - 1] = np.where(inside > 0, 1 - inner, outer) / max(truth.shape)
    return out
