"""Encoder and head as one model."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from usassist.core.models.clip import ClipEncoder, ImageFeatures
from usassist.core.models.config import ModelConfig
from usassist.core.models.decoder import FilmSkipDecoder, Segmentation


class Segmenter(nn.Module):
    """A CLIP-Mona segmenter: look at an image once with `encode`, answer prompts about it with `decode`."""

    def __init__(self, encoder: ClipEncoder, head: FilmSkipDecoder, config: ModelConfig) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head
        self.config = config

    def encode(self, images: Tensor) -> ImageFeatures:
        """Encode preprocessed images (B, 3, size, size)."""
        return self.encoder.image(images)

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Return the text tower's embeddings (B, D) of some texts, not normalised."""
        return self.encoder.text(self.encoder.tokenizer(texts).to(self.encoder.device))

    def decode(
        self, features: ImageFeatures, text: Tensor | None = None, *, given: Tensor | None = None
    ) -> Segmentation:
        """Segment what `text` (B, D) asks for; where `given` (B,) is false, or without a text, the default target."""
        condition = self.head.condition(text, given, batch=features.embedding.shape[0])
        out: Segmentation = self.head(features, condition)
        return out

    def forward(self, images: Tensor, ids: Tensor, given: Tensor) -> tuple[Segmentation, ImageFeatures, Tensor]:
        """Return the segmentation, the image features and the text embeddings of a training batch."""
        features = self.encode(images)
        text = self.encoder.text(ids)
        return self.decode(features, text, given=given), features, text

    def parameter_count(self) -> int:
        """Return the number of parameters."""
        return sum(p.numel() for p in self.parameters())


def freeze_for_inference(model: Segmenter) -> Segmenter:
    """Put a model into evaluation mode, without gradients, in the memory layout convolutions like on a CPU."""
    model.eval().requires_grad_(requires_grad=False)
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
