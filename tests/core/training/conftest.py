"""A dataset of bright discs on speckle, small enough to train on in seconds, and towers to start from."""

import json
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
    "early_size=0",
    "frozen_stages=0",
    "augment.unmark=0",
    "head.widths=[16, 12, 8]",
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


@pytest.fixture
def tiny_recipe(tmp_path, tiny_towers) -> Path:
    """Return a recipe that goes on from the tiny towers, without augmentation."""
    off = ("flip", "rotate_deg", "scale", "aspect", "shift", "gamma", "contrast", "blur", "speckle", "depth_gain")
    lines = [
        'name = "tiny"',
        'title = "Tiny"',
        f'start_from = "{tiny_towers.as_posix()}"',
        "batch_size = 32",
        "epochs = 30",
        "lr = 3e-3",
        "trunk_lr = 3e-3",
        "ema = 0.0",
        "threads = 1",
        "[encoder]",
        'open_clip = "tiny-towers"',
        "taps = [0, 1]",
        "[preprocess]",
        "size = 32",
        "[head]",
        'kind = "pooled"',
        "width = 32",
        "[augment]",
        *(f"{name} = 0.0" for name in off),
        "shadow = 0.0",
    ]
    path = tmp_path / "tiny.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="session")
def towers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of two tiny towers, a ViT of three blocks among them: for runs in which the encoder does not matter."""
    import torch

    from usassist.core.captions.vocabulary import load_vocabulary
    from usassist.core.models.build import build_model
    from usassist.core.models.config import AdapterConfig, EncoderConfig, HeadConfig, ModelConfig, PreprocessConfig
    from usassist.core.models.tokens import collect_vocabulary
    from usassist.core.models.weights import save_model

    folder = tmp_path_factory.mktemp("towers")
    vision = {"image_size": 32, "layers": 3, "width": 24, "head_width": 12, "patch_size": 4}
    text = {"context_length": 24, "vocab_size": 2048, "width": 16, "heads": 1, "layers": 1}
    settings = {"embed_dim": 16, "vision_cfg": vision, "text_cfg": text}
    (folder / "tiny-vit.json").write_text(json.dumps(settings))
    vocabulary = collect_vocabulary(load_vocabulary().texts())[:1700]
    config = ModelConfig(
        *("towers", "Tiny towers", EncoderConfig("tiny-vit", (0, 1, 2), vocabulary)),
        task="embed",
        adapter=AdapterConfig(bottleneck=8),
        head=HeadConfig(kind="none"),
        preprocess=PreprocessConfig(32),
    )
    torch.manual_seed(0)
    save_model(build_model(config, folder=folder), folder, config=config, clip_folder=folder)
    return folder


@pytest.fixture
def small(quick: list[str], towers: Path) -> list[str]:
    """Settings of a run that goes on from the tiny towers: a second instead of five."""
    own = ["adapter.bottleneck=8", "encoder.taps=[0, 1, 2]", "head.widths=[8, 8]", "preprocess.size=32"]
    return [*quick, f'start_from="{towers}"', *own]
