"""What a model is, as a model card tells it: its parts, what it looks for, its thresholds."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from usassist.core.captions.known_texts import titles
from usassist.core.captions.vocabulary import load_vocabulary
from usassist.core.models.config import ModelConfig, PreprocessConfig

if TYPE_CHECKING:
    from usassist.core.evaluation.card import CardFacts


def architecture(facts: "CardFacts") -> list[tuple[str, str]]:
    """Return the rows of the table: the parts of the model, what it looks for, and its thresholds."""
    config, calibration = facts.config, facts.config.calibration
    encoder, adapter, head = config.encoder, config.adapter, config.head
    taps = ", ".join(map(str, encoder.taps))
    base = f"; the towers are those of {encoder.base} ({encoder.base_hash[:12]})" if encoder.base else ""
    parts = ", ".join(f"{name} {count:,}" for name, count in facts.parts.items())
    rows = [
        ("encoder", f"{encoder.open_clip}, taps {taps}{base}"),
        *([("words it knows", _words(len(encoder.vocabulary)))] if encoder.vocabulary else ()),
        ("adapter", adapter.kind + (f", placement {adapter.placement}" if adapter.kind == "mona" else "")),
        ("head", head.kind + (f", for {', '.join(config.classes)}" if config.classes else "")),
        ("parameters", f"{sum(facts.parts.values()):,} in its file: {parts}"),
        ("input", _input(config.preprocess)),
    ]
    if config.task == "segment":
        thresholds = f"pixel {calibration.threshold:.3g}, presence {calibration.presence_threshold:.3g}"
        rows += [
            ("without a prompt", f"looks for: {_looked_for(facts)}"),
            *([("texts it learned", _texts(config))] if config.follows_text else ()),
            ("thresholds, from validation images", thresholds)
            if facts.is_calibrated
            else ("thresholds, not calibrated", thresholds),
            ("warns of images unlike the training's", _warning(facts)),
        ]
    return [*rows, ("weights, SHA-256", f"`{facts.model['weights_hash']}`")]


def _input(preprocess: PreprocessConfig) -> str:
    size, sharpest = preprocess.size, preprocess.sharpest
    said = f"one grey frame, its largest scan region where one is declared, squashed to {size} x {size}"
    return f"{said}; blurred where sharper than {sharpest:g}" if sharpest > 0 else said


def _words(count: int) -> str:
    said = f"{count:,} words and parts of words (tokens) have a place of their own in its table of words"
    return f"{said}; all others share places, so it hardly tells them apart"


def _looked_for(facts: "CardFacts") -> str:
    """Return what a model outlines that is asked for nothing: any of what its training's masks outlined.

    As its description says; else as far as its data are known; else what its recipe calls it.
    """
    config = facts.config
    if config.classes or config.learned_targets:
        return _any_of(config.classes or config.learned_targets)
    known = [facts.terms.data.get(name) for name in facts.learned_from]
    named = dict.fromkeys(terms.target for terms in known if terms is not None and terms.target)
    if not named:
        return _any_of([config.target])
    beside = [name for name in facts.learned_from if name not in facts.terms.data]
    return _any_of([*named]) + (f"; what {' and '.join(beside)} outlined is not known" if beside else "")


def _any_of(names: Sequence[str]) -> str:
    targets = load_vocabulary().targets
    called = [targets[name].title.lower() if name in targets else name.replace("_", " ") for name in names]
    return f"any of {', '.join(called)}" if len(called) > 1 else called[0]


def _texts(config: ModelConfig) -> str:
    if not config.learned_targets:
        return "not known, so it answers every text without a warning"
    return f"about {titles(config.learned_targets)}; it answers any other text too, and warns that it never learned it"


def _warning(facts: "CardFacts") -> str:
    if not facts.model.get("warns_of_unlike_images"):
        return "no: it was not learned what is ordinary"
    looked = f"{facts.ordinary:,} training images" if facts.ordinary else "training images"
    return f"yes, learned from {looked}; the limit was chosen on validation images"
