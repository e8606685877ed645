"""What a question asks a model for: one vector from its text and its support images."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from usassist.core.domain import Frame, Mask, Prompt
from usassist.core.errors import ModelError
from usassist.core.models.config import ModelConfig
from usassist.core.proposers.remembered import Remembered
from usassist.core.proposers.support import support_mask, support_token

if TYPE_CHECKING:
    from torch import Tensor

    from usassist.core.models.segmenter import Segmenter

_REMEMBERED = 64


class Conditions:
    """Turns the texts and support images of questions into conditions; the last 64 of each are encoded once."""

    def __init__(self, config: ModelConfig) -> None:
        self._config = config
        self._texts: Remembered[str, Tensor] = Remembered(_REMEMBERED)
        self._supports: Remembered[bytes, Tensor] = Remembered(_REMEMBERED)

    def of(self, prompt: Prompt, model: "Segmenter", *, image: "Callable[[Frame], Tensor]") -> "Tensor | None":
        """Return the condition (1, D) that a prompt means, the mean of text and support images; None for none.

        `image` makes a frame the model's input (1, 3, size, size). Raises ModelError for support images where the model
        takes none, and for a mask that shows nothing or does not fit its image.
        """
        import torch

        text = (prompt.text or "").strip()
        asked = []
        if text and self._config.follows_text:
            asked.append(self._texts.get(text, lambda: model.embed_texts([text])))
        if prompt.support:
            asked.append(self._support(model, prompt.support, image))
        return torch.stack(asked).mean(0) if len(asked) > 1 else next(iter(asked), None)

    def clear(self) -> None:
        """Forget everything."""
        self._texts.clear()
        self._supports.clear()

    def _support(
        self, model: "Segmenter", cases: tuple[tuple[Frame, Mask], ...], image: "Callable[[Frame], Tensor]"
    ) -> "Tensor":
        import torch

        if not self._config.follows_text:
            raise ModelError(
                f"The model {self._config.name} takes no support images: it was trained for what it looks for. Choose "
                f"a model of one object with the head promptable, film_skip or clipseg."
            )

        def embed(frame: Frame, mask: Mask) -> "Tensor":
            pixels, shown = image(frame), torch.from_numpy(support_mask(frame, mask, size=self._config.preprocess.size))
            return model.embed_support(pixels, shown[None, None].to(pixels.device))

        embedded = [
            self._supports.get(support_token(frame, mask), partial(embed, frame, mask)) for frame, mask in cases
        ]
        return torch.cat(embedded).mean(0, keepdim=True)
