"""What a chat endpoint answers, read with suspicion: a draft, or why there is none."""

import json
import re
from collections.abc import Callable
from typing import Any

from usassist.core.captions.refine import Draft

_THINKING = re.compile(r"<think>.*?</think>", re.DOTALL | re.IGNORECASE)
_LABEL = re.compile(r"^(?:refined|rewritten)?\s*(?:caption|answer|output)\s*:\s*", re.IGNORECASE)
_REFUSAL = re.compile(
    r"\b(?:i(?:'m| am) (?:sorry|unable|not able)|i (?:can't|cannot|can not|won't)|as an ai|"
    r"cannot (?:assist|help|comply))\b",
    re.IGNORECASE,
)
_ROOM = 200


def read_answer(answer: bytes, *, caption: str, count: Callable[[int, int], None]) -> Draft:
    """Return the text of a chat completion as a draft; `count` is told the tokens that it says were used.

    A draft with a problem: what is not JSON of that form, a refusal, an empty answer, one that was cut off, and one
    that is far longer than the caption.
    """
    try:
        raw = json.loads(answer)
        choice = raw["choices"][0]
        message = choice["message"]
        content = str(message.get("content") or "")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return Draft("", "the endpoint answered with something that is no chat completion")
    count(*_used(raw))
    if choice.get("finish_reason") == "content_filter" or message.get("refusal"):
        return Draft("", "the model refused to answer")
    if choice.get("finish_reason") == "length":
        return Draft("", "the answer was cut off; allow it more tokens")
    return _judged(_cleaned(content), caption)


def _judged(text: str, caption: str) -> Draft:
    if not text:
        return Draft("", "the model answered with nothing")
    if _REFUSAL.search(text.replace("’", "'")) and not _REFUSAL.search(caption):
        return Draft("", "the model refused to answer")
    if len(text) > 3 * len(caption) + _ROOM:
        return Draft("", f"the answer has {len(text)} characters for a caption of {len(caption)}")
    return Draft(text)


def _cleaned(content: str) -> str:
    """Return an answer on one line, without a model's thoughts, a label and quotes around the whole."""
    text = " ".join(_THINKING.sub(" ", content).split())
    text = _LABEL.sub("", text)
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`":
        text = text[1:-1]
    return "".join(character for character in text if character.isprintable()).strip()


def _used(raw: dict[str, Any]) -> tuple[int, int]:
    usage = raw.get("usage")
    if not isinstance(usage, dict):
        return 0, 0
    numbers = [usage.get("prompt_tokens"), usage.get("completion_tokens")]
    first, second = (n if isinstance(n, int) and 0 <= n < 10**9 else 0 for n in numbers)
    return first, second
