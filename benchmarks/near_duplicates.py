"""How fast are near-duplicates found among 10,000 images, reading apart?

    python benchmarks/near_duplicates.py [IMAGES]

The images are crops of the sample's pictures with other grain, a hundredth of them twice, cropped once more.
"""

import sys
import time

import numpy as np
from common import ROOT, table

from usassist.core.data.dataset import load
from usassist.core.data.near_duplicates import fingerprint, near_pairs
from usassist.core.geometry.cv import cv2


def main() -> None:
    """Print images per second of the hash, and the seconds that the search takes."""
    cv2.setNumThreads(1)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    rng = np.random.default_rng(0)
    frames = [example.read_grey() for example in load(ROOT / "resources" / "sample")[::12]]
    prints, hashing = [], 0.0
    for number in range(count):
        original = number // 2 if number < count // 50 else number
        picture = _picture(frames[original % len(frames)], np.random.default_rng(original))
        cut = int(rng.integers(1, 9))
        start = time.perf_counter()
        prints.append(fingerprint(np.ascontiguousarray(picture[cut:, cut:])))
        hashing += time.perf_counter() - start
    start = time.perf_counter()
    pairs = near_pairs(prints)
    seconds = time.perf_counter() - start
    rows = [
        ("hashing, images a second", count / hashing),
        (f"searching {count:,} images, s", seconds),
        ("pairs found", len(pairs)),
        ("pairs planted", count // 100),
    ]
    table("Near-duplicates", ("what", "value"), rows)


def _picture(frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return half of a frame, taken anywhere, under grain of its own."""
    rows, cols = (side // 2 for side in frame.shape)
    top, left = (int(rng.integers(side - side // 2)) for side in frame.shape)
    grain = cv2.GaussianBlur(rng.standard_normal((rows, cols), dtype=np.float32), (0, 0), 2.0)
    part = frame[top : top + rows, left : left + cols].astype(np.float32)
    return np.clip(part * (0.8 + 0.8 * grain / grain.std() * 0.5) + 20 + 60 * grain, 0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
