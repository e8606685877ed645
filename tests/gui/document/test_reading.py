"""What is read of a frame: the reports' own arithmetic, texts embedded once a model, honest about what is not read."""

from typing import Any

import numpy as np
import pytest

from usassist.core.domain import Frame, FrameRef
from usassist.core.errors import ModelError
from usassist.core.evaluation.zero_shot import PromptSet, class_logits, class_probabilities
from usassist.gui.document.reading import TextMemory, read_classes

PROMPTS = PromptSet.of({"benign": ("oval mass", "smooth mass"), "malignant": ("spiculated mass",), "normal": ("fat",)})


def frame(grey: int = 100) -> Frame:
    return Frame(FrameRef("f", 0), np.full((20, 30), grey, dtype=np.uint8))


def test_N11_the_probabilities_are_those_of_the_reports(engine: Any) -> None:
    reading = read_classes(engine, frame(), prompts=PROMPTS, memory=TextMemory())
    cosines = engine.embed_texts(PROMPTS.texts).astype(float) @ engine.embed(frame()).astype(float)
    logits = class_logits(cosines, PROMPTS, method="similarity", scale=10.0)
    assert list(reading.probabilities) == ["benign", "malignant", "normal"]
    assert list(reading.probabilities.values()) == pytest.approx(class_probabilities(logits).tolist())
    assert reading.similarities["malignant", "spiculated mass"] == pytest.approx(float(cosines[2]))
    assert not reading.trained
    assert reading.weights_hash == engine.weights_hash


@pytest.mark.parametrize("scale", [0.0, 1.0, 100.0, 1e4])
def test_N11_a_softmax_over_the_classes_adds_up_to_one(engine: Any, scale: float) -> None:
    engine.logit_scale = scale
    reading = read_classes(engine, frame(), prompts=PROMPTS, memory=TextMemory())
    assert sum(reading.probabilities.values()) == pytest.approx(1.0)


def test_N11_a_text_is_embedded_once_for_each_model(engine: Any) -> None:
    memory = TextMemory()
    for grey in (10, 20, 30):
        read_classes(engine, frame(grey), prompts=PROMPTS, memory=memory)
    assert sorted(engine.embedded) == sorted(PROMPTS.texts)
    engine.weights_hash = "e" * 64
    read_classes(engine, frame(), prompts=PROMPTS, memory=memory)
    assert len(engine.embedded) == 2 * len(PROMPTS.texts)


def test_N11_prompts_that_mean_the_same_are_told(engine: Any) -> None:
    alike = PromptSet.of({"benign": ("ab",), "malignant": ("ba",)})
    assert "mean nearly the same" in read_classes(engine, frame(), prompts=alike, memory=TextMemory()).warnings[0]


def test_N2_what_the_model_does_not_read_of_a_prompt_is_told(engine: Any) -> None:
    long = PromptSet.of({"benign": ("one two three four five six seven eight nine ten",), "normal": ("fat",)})
    assert list(read_classes(engine, frame(), prompts=long, memory=TextMemory()).cut.values()) == ["nine ten"]


def test_N11_a_classifier_answers_with_its_own_classes(engine: Any) -> None:
    engine.task, engine.classes = "classify", (("benign", 0.25), ("malignant", 0.75))
    reading = read_classes(engine, frame(), prompts=PROMPTS, memory=TextMemory())
    assert reading.trained
    assert dict(reading.probabilities) == {"benign": 0.25, "malignant": 0.75}
    assert engine.embedded == []


def test_without_prompts_nothing_is_read(engine: Any) -> None:
    assert read_classes(engine, frame(), prompts=None, memory=TextMemory()) is None


def test_embeddings_that_are_no_numbers_are_a_sentence(engine: Any) -> None:
    engine.embed = lambda _frame: np.array([np.nan, 0.0], dtype=np.float32)
    with pytest.raises(ModelError, match="not finite"):
        read_classes(engine, frame(), prompts=PROMPTS, memory=TextMemory())
