"""What a training says that its model learned to find."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from usassist.core.data.example import Example
from usassist.core.domain import Source
from usassist.core.geometry.cv import cv2
from usassist.core.models.config import EncoderConfig, HeadConfig, ModelConfig
from usassist.core.models.weights import ModelInfo
from usassist.core.training.learned import learned_targets, shown_by
from usassist.core.training.start import Start

CONFIG = ModelConfig("m", "M", EncoderConfig("x", (0, 1)), head=HeadConfig("promptable"))


@pytest.fixture(autouse=True)
def _image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("frame.png", np.zeros((4, 6), np.uint8))


def _example(class_name: str, *, split: str = "train", shows: str = "", pixels: int = 3) -> Example:
    source = Source("k", Path("frame.png"), "frame.png", 0)
    more = {"split": split, "shows": shows, "truth": lambda shape: np.arange(math.prod(shape)).reshape(shape) < pixels}
    return Example("k", "set", source, 0, class_name=class_name, **more)  # type: ignore[arg-type]


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


def test_what_no_training_mask_shows_is_not_learned() -> None:
    empty = [_example(name, pixels=0) for name in ("normal", "kidney", "fetal_head")]
    shown = [_example("benign"), _example("kidney", split="val"), replace(_example("liver"), truth=None)]
    assert learned_targets(CONFIG, [*empty, *shown], start=Start(), target="breast_lesion") == ("breast_lesion",)
    knew = learned_targets(CONFIG, empty, start=_start("fetal_head"), target="breast_lesion")
    assert knew == ("fetal_head",), "that was learned once"
    gone = replace(_example("benign"), source=Source("k", Path("gone.png"), "gone.png", 0))
    assert learned_targets(CONFIG, [gone], start=Start(), target="carotid") == ()


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
