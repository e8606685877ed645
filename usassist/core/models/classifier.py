"""Encoder and a head for classes as one model."""

from torch import Tensor

from usassist.core.models.clip import ClipEncoder
from usassist.core.models.config import ModelConfig
from usassist.core.models.embedder import ClipModel
from usassist.core.models.pooled import PooledHead


class Classifier(ClipModel):
    """Names the class of an image; the classes are `config.classes`, in the order of the logits."""

    def __init__(self, encoder: ClipEncoder, head: PooledHead, config: ModelConfig) -> None:
        super().__init__(encoder, config)
        self.head = head

    def classify(self, images: Tensor) -> Tensor:
        """Return class logits (B, K) of preprocessed images (B, 3, size, size); the classes exclude each other."""
        out: Tensor = self.head(self.encode(images))
        return out

    def forward(self, images: Tensor) -> Tensor:
        """Return what `classify` does."""
        return self.classify(images)
