"""Batches of images without masks draw classes as often as asked, begin small, and see pictures without marks."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from usassist.core.data import marks
from usassist.core.data.augment import AugmentConfig
from usassist.core.data.dataset import load
from usassist.core.errors import TrainingError
from usassist.core.training import classification, contrastive, images
from usassist.core.training.config import TrainConfig, read_recipe
from usassist.core.training.distributed import Shard
from usassist.core.training.images import ImageBatches, Picture, read_pictures


def _config(recipe: Path, quick: list[str], *more: str) -> TrainConfig:
    return read_recipe(recipe, overrides=[*quick, *more])


def _train_pictures(discs: Path) -> list[Picture]:
    return [picture for picture in read_pictures(load(discs), size=64)[0] if picture.example.split == "train"]


def test_classes_are_drawn_as_often_as_the_recipe_says(recipe, quick, discs) -> None:
    pictures = _train_pictures(discs)
    names = [picture.example.class_name for picture in pictures]
    assert names.count("normal") == 3 and names.count("benign") == 9
    config = _config(recipe, quick, "batch_size=3", "balance.class_draws={ normal = 2.0, benign = 0.34 }")
    batches = ImageBatches(pictures, config, shard=Shard())
    assert len(batches) == 3
    drawn = [names[index] for _, indices in batches.epoch(0) for index in indices]
    assert drawn.count("normal") == 6 and drawn.count("benign") == 3


def test_the_first_epochs_see_small_images(recipe, quick, discs) -> None:
    config = _config(recipe, quick, "early_size=32", "early_share=0.5")
    batches = ImageBatches(_train_pictures(discs), config, shard=Shard())
    assert [next(iter(batches.epoch(epoch)))[0].shape[-1] for epoch in (0, 1)] == [32, 64]


def test_training_images_come_without_their_marks_as_often_as_asked(recipe, quick, discs, monkeypatch) -> None:
    monkeypatch.setattr(images, "without_marks", np.zeros_like)
    assert marks.without_marks is not np.zeros_like
    off = [f"augment.{field.name}=0.0" for field in dataclasses.fields(AugmentConfig)]
    pictures, _ = read_pictures(load(discs), size=64, unmark=True)
    assert {picture.example.split for picture in pictures if picture.clean is not None} == {"train"}
    train = [picture for picture in pictures if picture.example.split == "train"]
    assert train[0].nbytes == 2 * train[0].grey.nbytes + train[0].view.nbytes
    for share, expected in ((0.0, 0), (1.0, 4)):
        config = _config(recipe, quick, *off, f"augment.unmark={share}")
        batch, _ = next(iter(ImageBatches(train, config, shard=Shard()).epoch(0)))
        assert sum(image.max() == image.min() for image in batch) == expected


def test_a_picture_without_marks_is_kept_once(discs) -> None:
    pictures, _ = read_pictures(load(discs), size=64)
    assert all(picture.clean is None for picture in pictures)


@pytest.mark.parametrize("task", [classification, contrastive], ids=["classify", "contrast"])
def test_what_only_a_mask_tells_is_refused_before_an_image_is_read(tiny_recipe, tiny_towers, task, monkeypatch) -> None:
    from usassist.core.models.build import build_model
    from usassist.core.models.weights import find_model

    info = find_model(str(tiny_towers))
    config = read_recipe(tiny_recipe, overrides=["augment.elsewhere=0.2"])
    model = build_model(info.config, folder=info.folder)
    monkeypatch.setattr(classification, "Classifier", type(model))
    for module in (classification, contrastive):
        monkeypatch.setattr(module, "read_pictures", lambda *_, **__: pytest.fail("images were read"))
    with pytest.raises(TrainingError, match=r"augment\.elsewhere = 0\.2 .* set it to 0"):
        task.build(config, model, [], shard=Shard())
