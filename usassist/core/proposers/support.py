"""Support images: what a case shows, at a model's size, and what it is remembered by."""

import hashlib

import numpy as np
import numpy.typing as npt

from usassist.core.domain import Frame, Mask
from usassist.core.errors import ModelError
from usassist.core.geometry.resize import resized
from usassist.core.io.scan import scan_box


def support_mask(frame: Frame, mask: Mask, *, size: int) -> npt.NDArray[np.float32]:
    """Return a case's mask inside the frame's scan, size x size, 1 on the object and 0 elsewhere.

    Raises ModelError where the mask is of another size than the frame or shows nothing inside the scan.
    """
    if mask.shape != frame.shape:
        raise ModelError(f"A support mask of {mask.shape} does not fit its image of {frame.shape}; choose another.")
    inside = mask.to_array()[scan_box(frame).slices]
    if not inside.any():
        raise ModelError("The mask of a support image shows nothing inside its scan; choose another image.")
    share = resized(inside.astype(np.float32), size, smooth=False)
    # Half a pixel's share is the outline; an object thinner than that is wherever there is anything of it.
    return np.asarray(share >= min(0.5, float(share.max())), dtype=np.float32)


def support_token(frame: Frame, mask: Mask) -> bytes:
    """Return a short hash of a case: the same picture with the same mask is encoded once."""
    digest = hashlib.blake2b(frame.token, digest_size=16)
    digest.update(repr((mask.shape, mask.origin, mask.crop.shape)).encode())
    digest.update(mask.crop.tobytes())
    return digest.digest()
