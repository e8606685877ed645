"""What a model card says about the parts of a model."""

import dataclasses

from tests.core.evaluation import cards
from usassist.core.evaluation.card_architecture import architecture
from usassist.core.models.config import PreprocessConfig


def test_the_input_says_what_is_blurred() -> None:
    facts = cards.facts()
    calm = dataclasses.replace(facts.config, preprocess=PreprocessConfig(256, sharpest=0.11))
    assert dict(architecture(facts))["input"].endswith("squashed to 256 x 256")
    said = dict(architecture(dataclasses.replace(facts, config=calm)))["input"]
    assert said.endswith("squashed to 256 x 256; blurred where sharper than 0.11")
