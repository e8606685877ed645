import dataclasses

import numpy as np
import pytest
import torch

from usassist.core.captions.vocabulary import load_vocabulary
from usassist.core.data.dataset import load
from usassist.core.errors import TrainingError
from usassist.core.geometry.cv import cv2
from usassist.core.training import images
from usassist.core.training.batches import TrainBatches, eval_batches
from usassist.core.training.config import read_recipe
from usassist.core.training.distributed import Shard
from usassist.core.training.loading import load_all


@pytest.fixture
def items(discs):
    return load_all(load(discs, split="train"), size=64)[0]


def _config(recipe, quick, *more: str):
    return read_recipe(recipe, overrides=[*quick, *more])


def test_batches_depend_on_seed_and_epoch_alone(items, recipe, quick) -> None:
    config = _config(recipe, quick)
    one, two = (list(TrainBatches(items, config, load_vocabulary()).epoch(3)) for _ in range(2))
    assert all(torch.equal(a.images, b.images) and a.prompts == b.prompts for a, b in zip(one, two, strict=True))
    other = next(TrainBatches(items, config, load_vocabulary()).epoch(4))
    assert not torch.equal(one[0].images, other.images)


def test_a_wrong_prompt_asks_for_an_empty_mask(items, recipe, quick) -> None:
    config = _config(recipe, quick, "prompts.without=0", "prompts.wrong=1")
    for batch in TrainBatches(items, config, load_vocabulary()).epoch(0):
        assert not batch.truth.any()
        assert not set(batch.prompts) & set(load_vocabulary().targets["breast_lesion"].prompts)


def test_every_example_is_seen_once_an_epoch(items, recipe, quick) -> None:
    config = _config(recipe, quick, "prompts.without=1", "prompts.wrong=0")
    found = list(TrainBatches(items, config, load_vocabulary()).epoch(0))
    assert sum(len(batch.prompts) for batch in found) == 12
    assert sum(int((batch.classes >= 0).sum()) for batch in found) == 12


def test_evaluation_is_not_augmented(items, recipe, quick) -> None:
    config = _config(recipe, quick)
    one, two = (list(eval_batches(items, config)) for _ in range(2))
    assert all(torch.equal(a[0], b[0]) for a, b in zip(one, two, strict=True))
    assert np.isclose(one[0][1].max(), 1)


def test_one_image_is_too_few(items, recipe, quick) -> None:
    with pytest.raises(TrainingError, match="at least 2"):
        TrainBatches(items[:1], _config(recipe, quick), load_vocabulary())


def test_what_does_not_fit_into_memory_is_a_sentence(discs, monkeypatch) -> None:
    monkeypatch.setattr(images, "BUDGET_BYTES", 3 * 2 * (80 * 96 + 64 * 64))
    with pytest.raises(TrainingError, match="The first 4 of 12 images take"):
        load_all(load(discs, split="train"), size=64)


def test_a_line_of_pixels_is_an_image_too(discs) -> None:
    for kind in ("images", "masks"):
        cv2.imwrite(str(discs / kind / "i00.png"), np.zeros((1, 3000), dtype=np.uint8))
    loaded, failed = load_all(load(discs, split="train"), size=64)
    assert not failed
    assert loaded[0].grey.shape == (1, 640)


def test_P_N13_no_worker_is_one_worker(items, recipe, quick) -> None:
    one, none = (
        next(TrainBatches(items, _config(recipe, quick, f"workers={count}"), load_vocabulary()).epoch(0))
        for count in (1, 0)
    )
    assert torch.equal(one.images, none.images)


def test_each_process_prepares_its_part_of_the_same_batch(items, recipe, quick) -> None:
    config = _config(recipe, quick)
    whole = list(TrainBatches(items, config, load_vocabulary()).epoch(2))
    parts = [list(TrainBatches(items, config, load_vocabulary(), shard=Shard(rank, 2)).epoch(2)) for rank in (0, 1)]
    for batch, one, two in zip(whole, *parts, strict=True):
        assert torch.equal(batch.images, torch.cat([one.images, two.images]))
        assert torch.equal(batch.truth, torch.cat([one.truth, two.truth]))
        assert batch.prompts == one.prompts + two.prompts


def test_an_image_drawn_twice_is_augmented_differently(items, recipe, quick) -> None:
    config = _config(recipe, quick, "balance.size_power=4", "balance.class_draws={}", "batch_size=12")
    (batch,) = TrainBatches(items, config, load_vocabulary(), prompted=False).epoch(0)
    flat = batch.images.flatten(1)
    assert len({tuple(row.tolist()) for row in flat}) == len(flat)


def test_the_truth_of_one_object_is_where_anything_is(discs) -> None:
    (item, *_), failed = load_all(load(discs, split="train")[1:], size=64)
    assert not failed
    assert item.truth.dtype == np.uint8 and set(np.unique(item.truth)) == {0, 1}


def test_reading_images_tells_how_far_it_is(discs) -> None:
    told: list[tuple[str, int, int]] = []
    load_all(load(discs, split="train"), size=64, on_progress=lambda *what: told.append(what))
    assert told[0] == ("reading images", 1, 12) and told[-1] == ("reading images", 12, 12)


def test_what_an_image_shows_is_kept_whatever_was_asked(items, recipe, quick) -> None:
    config = _config(recipe, quick, "prompts.without=0", "prompts.wrong=1")
    plain = _config(recipe, quick, "prompts.without=1", "prompts.wrong=0")
    pairs = zip(*(TrainBatches(items, c, load_vocabulary()).epoch(0) for c in (config, plain)), strict=True)
    for wrong, right in pairs:
        assert not wrong.truth.any()
        assert torch.equal(wrong.shown > 0, right.truth > 0)


def test_every_batch_has_a_caption_of_every_class_there_is(items, recipe, quick) -> None:
    vocabulary = load_vocabulary()
    names = list(vocabulary.captions)
    for batch in TrainBatches(items, _config(recipe, quick), vocabulary).epoch(0):
        known = [names[index] for index in batch.anchor_classes.tolist()]
        assert known == ["benign", "normal"]
        assert all(text in vocabulary.captions[name] for name, text in zip(known, batch.anchors, strict=True))


def test_half_of_the_captions_are_the_images_own_without_what_no_image_shows(items, recipe, quick) -> None:
    own = "irregular, spiculated"
    told = [
        dataclasses.replace(item, example=dataclasses.replace(item.example, caption=f"{own} Verification: biopsy."))
        for item in items
    ]
    batches = TrainBatches(told, _config(recipe, quick), load_vocabulary())
    captions = [caption for epoch in range(12) for batch in batches.epoch(epoch) for caption in batch.captions]
    assert 0.3 < captions.count(own) / len(captions) < 0.7
    assert not any("Verification" in caption for caption in captions)


def test_early_epochs_may_see_smaller_images(items, recipe, quick) -> None:
    config = _config(recipe, quick, "early_size=32", "early_share=0.5", "epochs=4")
    sides = [next(TrainBatches(items, config, load_vocabulary()).epoch(epoch)).images.shape[-1] for epoch in range(4)]
    assert sides == [32, 32, 64, 64]
