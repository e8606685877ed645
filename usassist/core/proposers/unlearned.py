"""Whether a question asks in words for what a model never learned, before it is asked and in its answer."""

from usassist.core.captions.known_texts import Doubt, doubt_about
from usassist.core.domain import Prompt
from usassist.core.models.config import ModelConfig
from usassist.core.proposers.spatial import SPATIAL


def doubt_of_text(config: ModelConfig | None, text: str) -> Doubt | None:
    """Return why a model's masks for a text mean nothing, None where they mean something or where that is not known.

    It is not known of a model whose description does not say what it learned; one that follows no text is not misled.
    """
    return doubt_about(text, config.learned_targets) if config is not None and config.follows_text else None


def text_warning(config: ModelConfig, prompt: Prompt) -> str:
    """Return the sentence about a question whose text was never learned, "" for nothing.

    What a person points at is what it is, whatever it is called: then nothing is said.
    """
    doubt = None if prompt.kinds & SPATIAL else doubt_of_text(config, prompt.text or "")
    return "" if doubt is None else doubt.sentence
