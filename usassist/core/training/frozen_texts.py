"""Texts embedded by a tower that does not learn: each of them once."""

from collections.abc import Sequence

import torch
from torch import Tensor

from usassist.core.models.segmenter import Segmenter


class FrozenTexts:
    """Embeddings of texts by a tower that does not learn, each computed once."""

    def __init__(self) -> None:
        self._known: dict[str, Tensor] = {}

    def embed(self, model: Segmenter, texts: Sequence[str]) -> Tensor:
        """Return the embeddings (N, D) of N >= 1 texts."""
        for text in texts:
            if text not in self._known:
                # One at a time: in a batch its last digits would depend on the others, and a resumed run meets others.
                with torch.no_grad():
                    self._known[text] = model.embed_texts([text])[0].float()
        return torch.stack([self._known[text] for text in texts])


def text_is_frozen(model: Segmenter) -> bool:
    """Return whether nothing but the image tower may learn in the towers of a model."""
    named = model.encoder.clip.named_parameters()
    return not any(p.requires_grad for name, p in named if not name.startswith("visual."))
