"""One small model with random weights, built once."""

import pytest

from usassist.core.captions.vocabulary import load_vocabulary
from usassist.core.models.config import EncoderConfig, ModelConfig


@pytest.fixture(scope="session")
def small_config() -> ModelConfig:
    from usassist.core.models.tokens import collect_vocabulary

    vocabulary = collect_vocabulary(load_vocabulary().texts())
    return ModelConfig("small", "Small", EncoderConfig("usassist-lite0", (0, 1, 2, 3, 4), vocabulary))


@pytest.fixture(scope="session")
def small_model(small_config: ModelConfig):
    import torch

    from usassist.core.models.build import build_segmenter
    from usassist.core.models.embedder import freeze_for_inference

    torch.manual_seed(0)
    return freeze_for_inference(build_segmenter(small_config))
