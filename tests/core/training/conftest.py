"""A dataset of bright discs on speckle, small enough to train on in seconds."""

from pathlib import Path

import numpy as np
import pytest

from usassist.core import paths
from usassist.core.geometry.cv import cv2

_QUICK = [
    "epochs=2",
    "batch_size=4",
    "preprocess.size=64",
    "encoder.imagenet_start=false",
    "threads=1",
    "head.widths=[16, 16, 8, 8]",
]


@pytest.fixture
def recipe() -> Path:
    return paths.resources() / "recipes" / "usassist-us.toml"


@pytest.fixture
def discs(tmp_path) -> Path:
    rng = np.random.default_rng(1)
    folder = tmp_path / "discs"
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    rows = ["file,class,split"]
    for index in range(16):
        image = rng.gamma(2.0, 30.0, (80, 96)).clip(0, 255).astype(np.uint8)
        mask = np.zeros((80, 96), dtype=np.uint8)
        if index % 4:
            cv2.circle(mask, (int(rng.integers(25, 70)), int(rng.integers(25, 55))), 14, 255, -1)
            image[mask > 0] //= 6
        cv2.imwrite(str(folder / "images" / f"i{index:02d}.png"), image)
        cv2.imwrite(str(folder / "masks" / f"i{index:02d}.png"), mask)
        rows.append(f"i{index:02d}.png,{'benign' if index % 4 else 'normal'},{'val' if index >= 12 else 'train'}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture
def quick() -> list[str]:
    return list(_QUICK)
