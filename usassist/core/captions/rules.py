"""The offline refiner: rules that take noise out, write short forms out and order a report as the lexicons do."""

from collections.abc import Iterable, Iterator

from usassist.core.captions.facts import check, facts
from usassist.core.captions.phrases import SLOTS, Phrase, phrases
from usassist.core.captions.refine import Draft
from usassist.core.captions.wording import plain, tidy, without_boilerplate


class RuleRefiner:
    """Refines without a model and without a network; the same caption always gives the same text."""

    name = "rules-1"

    def drafts(self, captions: Iterable[str]) -> Iterator[Draft]:
        """Yield a draft for each caption, in order."""
        for caption in captions:
            yield Draft(refine(caption))


def refine(caption: str) -> str:
    """Return a caption as organ, finding, size, side, descriptors and category, in BI-RADS and TI-RADS terms.

    A caption with several findings, sizes or sides keeps its order, since the order says what belongs to what. Nothing
    is added; where a rule would lose or change a fact, the caption is returned as it was.
    """
    cleared = without_boilerplate(plain(caption))
    candidates = (_structured(cleared), _sentence(cleared), tidy(caption))
    return next((text for text in candidates if text and not check(caption, text)), caption)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _structured(text: str) -> str:
    """Return the ordered form of a text about one thing, "" for any other text."""
    found = facts(text)
    kinds = [fact.kind for fact in found]
    if kinds.count("number") > 1 or kinds.count("side") > 1 or kinds.count("category") > 1:
        return ""
    parts = phrases(text)
    slots = [part.slot for part in parts]
    if slots.count("organ") > 1 or slots.count("finding") > 1 or not {"organ", "finding"} & set(slots):
        return ""
    return _sentence(_joined(sorted(parts, key=lambda part: SLOTS.index(part.slot))))


def _joined(parts: list[Phrase]) -> str:
    first, *rest = [_lowered(part.text) for part in parts]
    if parts[0].slot == "organ" and rest:
        return f"{first}: {', '.join(rest)}"
    return ", ".join((first, *rest))


def _lowered(text: str) -> str:
    """Return a phrase as it stands inside a sentence; BI-RADS and TR5 keep their capitals."""
    return text[:1].lower() + text[1:] if text[1:2].islower() else text
