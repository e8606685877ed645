"""How long does augmentation take for an image, and which operation takes it?

    python benchmarks/augmentation.py

The view is 256 x 256 pixels from 640 x 480, as in training, on one thread. Libraries that wrap the same operations in
Python images or tensors were measured at 78 to 255 ms for such an image; the target is about 4 ms with everything on.
"""

import dataclasses
import time

import numpy as np
from common import table

from usassist.core.data.augment import AugmentConfig, augment
from usassist.core.geometry.cv import cv2

SIZE = 256
NAMES = [field.name for field in dataclasses.fields(AugmentConfig)]
OFF = AugmentConfig(**dict.fromkeys(NAMES, 0.0))
# Strengths for what is no probability; the rest is done every time.
STRENGTHS = {"rotate_deg": 20.0, "scale": 0.3, "aspect": 0.2, "shift": 0.12, "elastic": 0.01, "gamma": 0.4}
STRENGTHS |= {"contrast": 0.25, "depth_gain": 0.3, "gain": 0.1, "sharpness": 0.25}


def main() -> None:
    """Print the time of each operation beside that of the bare view, and of all together."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    grain = cv2.GaussianBlur(rng.normal(110, 60, (480, 640)).astype(np.float32), (0, 0), 1.5)
    grey = np.clip(grain, 0, 255).astype(np.uint8)
    mask = grey > 130

    def taken(config: AugmentConfig, repeat: int = 200) -> float:
        start = (
            time.process_time()
        )  # the processor's time: a machine that does other work too does not count against it
        for _ in range(repeat):
            augment(grey, mask, size=SIZE, config=config, rng=rng)
        return (time.process_time() - start) / repeat * 1e3

    bare = taken(OFF)
    every = {name: STRENGTHS.get(name, 1.0) for name in NAMES}
    half = {name: STRENGTHS.get(name, 0.5) for name in NAMES}
    rows = [
        ("the view alone", bare),
        ("the defaults", taken(AugmentConfig())),
        ("everything, half of the time each", taken(AugmentConfig(**half))),
        ("everything, every time", taken(AugmentConfig(**every))),
        *((f"  {name}", taken(dataclasses.replace(OFF, **{name: every[name]})) - bare) for name in NAMES),
    ]
    table(f"Augmentation of 640 x 480 to {SIZE} x {SIZE}, one thread, mean", ("what", "ms"), rows)


if __name__ == "__main__":
    main()
