"""Encoder and a head for masks as one model."""

import torch
from torch import Tensor

from usassist.core.errors import ModelError
from usassist.core.models.clip import ClipEncoder, ImageFeatures
from usassist.core.models.config import ModelConfig
from usassist.core.models.embedder import ClipModel
from usassist.core.models.mask_head import MaskHead, Segmentation
from usassist.core.models.promptable import Begun, PromptableDecoder
from usassist.core.models.visual_prompt import highlight


class Segmenter(ClipModel):
    """A CLIP-Mona segmenter: look at an image once with `encode`, answer prompts about it with `decode`."""

    def __init__(self, encoder: ClipEncoder, head: MaskHead, config: ModelConfig) -> None:
        super().__init__(encoder, config)
        self.head = head

    def embed_support(self, images: Tensor, masks: Tensor) -> Tensor:
        """Return the visual prompts (B, D) of support images: a condition for `decode`, like a text's embedding.

        `images` (B, 3, S, S) are preprocessed, `masks` (B, 1, S, S) are 1 on the object. The image tower sees the
        object highlighted (CLIPSeg, Luddecke and Ecker 2022). Raises ModelError where a mask is empty.
        """
        preprocess = self.config.preprocess
        mean, std = (torch.tensor(values, device=images.device) for values in (preprocess.mean, preprocess.std))
        return self.embed_images(highlight(images, masks, black=(-mean / std).expand(3)))

    def decode(
        self,
        features: ImageFeatures,
        asked: Tensor | None = None,
        *,
        given: Tensor | None = None,
        maps: Tensor | None = None,
    ) -> Segmentation:
        """Segment what is asked for in `asked` (B, D), embeddings of texts or of support images.

        Where `given` (B,) is false, or without anything asked, the target that the model was trained on. `maps` are
        spatial prompts (`prompt_maps`); a head that does not take them raises ModelError.
        """
        condition = self.head.condition(asked, given, batch=features.batch)
        if maps is not None:
            return self._promptable()(features, condition, maps)
        out: Segmentation = self.head(features, condition)
        return out

    def begin(self, features: ImageFeatures, asked: Tensor | None = None) -> Begun:
        """Return a question up to where clicks come in, for `answer`. Raises ModelError where none are followed."""
        return self._promptable().begin(features, self.head.condition(asked, None, batch=features.batch))

    def answer(self, begun: Begun, maps: Tensor | None = None) -> Segmentation:
        """Return what `decode` would for the same features, question and spatial prompts."""
        return self._promptable().finish(begun, maps)

    def _promptable(self) -> PromptableDecoder:
        if not (isinstance(self.head, PromptableDecoder) and self.head.takes_maps):
            raise ModelError(
                f"The model {self.config.name} follows no clicks, boxes or previous masks; choose one with the head "
                f"promptable."
            )
        return self.head
