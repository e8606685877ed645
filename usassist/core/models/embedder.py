"""The two towers alone: images and texts in one space."""

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from usassist.core.models.clip import ClipEncoder, ImageFeatures
from usassist.core.models.config import ModelConfig, Precision


class ClipModel(nn.Module):
    """What every model here can do, whatever its head: embed images and texts.

    `precision` is what its image blocks multiply in at work: below "fp32" only where some of them really do.
    """

    precision: Precision = "fp32"

    def __init__(self, encoder: ClipEncoder, config: ModelConfig) -> None:
        super().__init__()
        self.encoder = encoder
        self.config = config

    def encode(self, images: Tensor) -> ImageFeatures:
        """Encode preprocessed images (B, 3, size, size)."""
        return self.encoder.image(images)

    def embed_images(self, images: Tensor) -> Tensor:
        """Return the image tower's embeddings (B, D) of preprocessed images, not normalised."""
        return self.encode(images).embedding

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Return the text tower's embeddings (B, D) of some texts, not normalised."""
        return self.encoder.text(self.encoder.tokenizer(texts).to(self.encoder.device))

    @property
    def logit_scale(self) -> Tensor:
        """Return the learned factor on cosines before the softmax, a positive scalar (about 100 for OpenAI's CLIP)."""
        scale: Tensor = self.encoder.clip.logit_scale.exp()  # type: ignore[operator]
        return scale

    def parameter_count(self) -> int:
        """Return the number of parameters."""
        return sum(p.numel() for p in self.parameters())


class Embedder(ClipModel):
    """A pair of towers without a head: for contrastive training, zero-shot classes, retrieval, and as a base."""

    def forward(self, images: Tensor, texts: Sequence[str]) -> tuple[Tensor, Tensor, Tensor]:
        """Return the embeddings (B, D) of images and (N, D) of texts, not normalised, and the factor on cosines."""
        return self.embed_images(images), self.embed_texts(texts), self.logit_scale


_Model = TypeVar("_Model", bound=nn.Module)


def freeze_for_inference(model: _Model) -> _Model:
    """Put a model into evaluation mode, without gradients, in the memory layout convolutions like on a CPU."""
    model.eval().requires_grad_(requires_grad=False)
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
