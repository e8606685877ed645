"""BiomedCLIP's text tower: a BERT from the transformers package, its class token projected into the shared space."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from usassist.core.errors import ModelError
from usassist.core.models.clip_settings import BERT_BASE

PAD_ID = 0


class BertText(nn.Module):
    """BERT and a projection, with the tensors' names and the answers of open_clip's HFTextEncoder.

    Built from sizes alone: transformers is asked for no name, so it never looks for a file or a network. Padding (id 0)
    is masked; the last layer's class token (the first) is projected, by two linear layers with GELU ("mlp") or one.
    """

    def __init__(self, settings: Mapping[str, Any], *, embedding: int) -> None:
        """Build the tower of `text_cfg` with random weights. Raises ModelError where transformers is missing."""
        super().__init__()
        transformers = _transformers()
        sizes = BERT_BASE | dict(settings.get("bert") or {})
        unknown = sorted(sizes.keys() - BERT_BASE.keys())
        if unknown:
            raise ModelError(f"The bert section of the encoder's settings has the unknown keys {', '.join(unknown)}.")
        pooler = settings.get("hf_pooler_type", "cls_last_hidden_state_pooler")
        if pooler != "cls_last_hidden_state_pooler":
            raise ModelError(f"The text tower pools by {pooler!r}; only 'cls_last_hidden_state_pooler' can be built.")
        config = transformers.BertConfig(**sizes, pad_token_id=PAD_ID)
        self.transformer: nn.Module = transformers.BertModel(config, add_pooling_layer=False)
        width, hidden = sizes["hidden_size"], (sizes["hidden_size"] + embedding) // 2
        self.proj: nn.Module = nn.Linear(width, embedding, bias=False)
        if settings.get("hf_proj_type", "mlp") == "mlp":
            self.proj = nn.Sequential(
                nn.Linear(width, hidden, bias=False), nn.GELU(), nn.Linear(hidden, embedding, bias=False)
            )
        self.vocab_size = sizes["vocab_size"]
        self.context_length = int(settings.get("context_length", 256))

    def forward(self, ids: Tensor) -> Tensor:
        """Encode token ids (B, L) int64 to (B, D), not normalised."""
        out = self.transformer(input_ids=ids, attention_mask=(ids != PAD_ID).long())
        projected: Tensor = self.proj(out.last_hidden_state[:, 0])
        return projected


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise ModelError(
            "This model's text tower is a BERT, for which the package transformers is missing; install it with "
            "`pip install usassist[biomedclip]`, or choose a model with a text tower of open_clip, such as ViT-B-16."
        ) from error
    return transformers


def is_available() -> bool:
    """Return whether transformers is installed, without importing it."""
    import importlib.util

    return importlib.util.find_spec("transformers") is not None
