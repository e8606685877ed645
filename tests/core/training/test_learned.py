"""What a training says that its model learned to find."""

from dataclasses import replace
from pathlib import Path

import pytest

from usassist.core.data.example import Example
from usassist.core.domain import Source
from usassist.core.models.config import EncoderConfig, HeadConfig, ModelConfig
from usassist.core.models.weights import ModelInfo
from usassist.core.training.learned import learned_targets, shown_by
from usassist.core.training.start import Start

CONFIG = ModelConfig("m", "M", EncoderConfig("x", (0, 1)), head=HeadConfig("promptable"))


def _example(class_name: str, *, split: str = "train", shows: str = "") -> Example:
    source = Source("k", Path("gone.png"), "gone.png", 0)
    return Example("k", "set", source, 0, class_name=class_name, split=split, shows=shows)  # type: ignore[arg-type]


def _start(*learned: str, **more: object) -> Start:
    config = replace(CONFIG, learned_targets=learned, **more)  # type: ignore[arg-type]
    return Start(ModelInfo("before", Path("before"), "B", "user", "ab" * 32, config))


def _learned(*names: str, start: Start = Start(), config: ModelConfig = CONFIG) -> tuple[str, ...]:  # noqa: B008  frozen
    return learned_targets(config, [_example(name) for name in names], start=start, target="breast_lesion")


def test_targets_and_names_of_classes_are_listed_once_in_their_order() -> None:
    assert _learned("normal", "malignant", "fetal_head", "kidney", "benign") == (
        "breast_lesion",
        "fetal_head",
        "kidney",
    )


def test_images_of_no_class_are_what_the_recipe_looks_for() -> None:
    assert _learned("", " ") == ("breast_lesion",)
    assert shown_by(_example("lesion", shows="thyroid_nodule"), target="carotid") == "thyroid_nodule"


def test_only_training_images_teach() -> None:
    examples = [_example("fetal_head"), _example("benign", split="val"), _example("carotid_artery", split="test")]
    assert learned_targets(CONFIG, examples, start=Start(), target="breast_lesion") == ("fetal_head",)


def test_what_a_model_knew_that_the_run_goes_on_from_stays() -> None:
    assert _learned("thyroid_nodule", start=_start("breast_lesion", "fetal_head")) == (
        *("breast_lesion", "fetal_head", "thyroid_nodule"),
    )
    assert _learned("fetal_head", start=_start()) == (), "it knew things that nobody wrote down"
    assert _learned("fetal_head", start=_start(task="embed")) == ("fetal_head",), "it drew no masks"


@pytest.mark.parametrize("names", [("kidney" * 50,), tuple(f"class {n}" for n in range(300)), ("two\nlines",)])
def test_names_that_no_description_can_hold_leave_it_open(names: tuple[str, ...]) -> None:
    assert _learned(*names) == ()


@pytest.mark.parametrize("change", [{"head": HeadConfig("unet")}, {"classes": ("cyst", "nodule")}])
def test_a_model_that_follows_no_text_learns_none(change: dict[str, object]) -> None:
    assert _learned("benign", config=replace(CONFIG, **change)) == ()  # type: ignore[arg-type]
