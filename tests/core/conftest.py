"""A pair of towers that is trained and asked in moments, for every room that needs one."""

import json
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_towers(tmp_path_factory) -> Path:
    """Return a model of two towers so small that an epoch takes a tenth of a second: ViT, width 64, 32 x 32 pixels."""
    import torch

    from usassist.core.models.build import build_model
    from usassist.core.models.config import AdapterConfig, EncoderConfig, HeadConfig, ModelConfig, PreprocessConfig
    from usassist.core.models.tokens import HASH_BUCKETS, collect_vocabulary
    from usassist.core.models.weights import save_model

    folder = tmp_path_factory.mktemp("towers") / "tiny"
    folder.mkdir()
    vocabulary = collect_vocabulary(["a dark bright round oval square long mass at the left right top bottom"])
    settings = {
        "embed_dim": 32,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 16, "patch_size": 8},
        "text_cfg": {
            "context_length": 16,
            "vocab_size": len(vocabulary) + HASH_BUCKETS + 3,
            "width": 64,
            "heads": 4,
            "layers": 2,
        },
    }
    (folder / "tiny-towers.json").write_text(json.dumps(settings))
    config = ModelConfig(
        "tiny",
        "Tiny",
        EncoderConfig("tiny-towers", (0, 1), vocabulary),
        task="embed",
        adapter=AdapterConfig(kind="none"),
        head=HeadConfig(kind="none"),
        preprocess=PreprocessConfig(size=32),
    )
    torch.manual_seed(0)
    save_model(build_model(config, folder=folder), folder, config=config, clip_folder=folder)
    return folder
