import dataclasses

import pytest
import torch

from usassist.core.captions.vocabulary import load_vocabulary
from usassist.core.data.dataset import load
from usassist.core.errors import TrainingError
from usassist.core.training.batches import TrainBatches
from usassist.core.training.config import read_recipe
from usassist.core.training.distributed import Shard
from usassist.core.training.loading import load_all

ASK = ["prompts.support=1", "prompts.without=0", "prompts.wrong=0", "batch_size=6"]


@pytest.fixture
def items(discs):
    return load_all(load(discs, split="train"), size=64)[0]


def _batches(items, recipe, quick, *more: str, shard: Shard = Shard()):  # noqa: B008  frozen
    config = read_recipe(recipe, overrides=[*quick, *ASK, *more])
    return list(TrainBatches(items, config, load_vocabulary(), shard=shard).epoch(1))


def test_P2_a_support_is_another_image_of_the_class_that_shows_something(items, recipe, quick) -> None:
    plain = ("prompts.support=0", "prompts.without=1")
    of_class = load_vocabulary().captions
    benign = list(of_class).index("benign")
    empties = 0
    for batch, without in zip(_batches(items, recipe, quick), _batches(items, recipe, quick, *plain), strict=True):
        assert without.supports is None and batch.supports is not None
        assert torch.equal(batch.images, without.images) and torch.equal(batch.truth, without.truth)
        for place, support in enumerate(batch.supports.of_image.tolist()):
            assert support >= 0 and batch.prompts[place] == ""
            same = [int(torch.equal(batch.supports.images[support], image)) for image in batch.images]
            (source,) = [at for at, is_same in enumerate(same) if is_same]
            assert source != place and batch.classes[source] == benign  # normal images show nothing to point at
            empties += int(not batch.truth[place].any())
            assert torch.equal(batch.supports.masks[support, 0] > 0, batch.truth[source] > 0)
            assert batch.supports.masks[support].any()
    assert empties, "a support alone must not say that something is there"


def test_P2_what_shows_something_takes_no_support_of_another_class(items, recipe, quick) -> None:
    """Every image is of a class of its own: only those that show nothing find one."""
    apart = [
        dataclasses.replace(item, example=dataclasses.replace(item.example, class_name=f"c{number}"))
        for number, item in enumerate(items)
    ]
    found = set()
    for batch in _batches(apart, recipe, quick):
        of_image = [-1] * len(batch.prompts) if batch.supports is None else batch.supports.of_image.tolist()
        found |= {(bool(truth.any()), support >= 0) for truth, support in zip(batch.truth, of_image, strict=True)}
    assert found == {(True, False), (False, True)}


def test_the_share_is_that_of_the_recipe(items, recipe, quick) -> None:
    # One class, everything shows: nobody is without a partner.
    alike = [dataclasses.replace(item, example=dataclasses.replace(item.example, class_name="x")) for item in items]
    alike = [item for item in alike if item.truth.any()] * 20
    asked = [
        support >= 0
        for batch in _batches(alike, recipe, quick, "prompts.support=0.3")
        for support in ([-1] * 6 if batch.supports is None else batch.supports.of_image.tolist())
    ]
    assert 0.2 < sum(asked) / len(asked) < 0.4


def test_supports_are_chosen_from_the_batch_of_all_processes(items, recipe, quick) -> None:
    whole = _batches(items, recipe, quick)
    parts = [_batches(items, recipe, quick, shard=Shard(rank, 2)) for rank in (0, 1)]
    for batch, *shares in zip(whole, *parts, strict=True):
        assert batch.supports is not None
        seen = [
            share.supports.images[support]
            for share in shares
            for support in (share.supports.of_image.tolist() if share.supports is not None else [])
            if support >= 0
        ]
        expected = [batch.supports.images[support] for support in batch.supports.of_image.tolist() if support >= 0]
        assert len(seen) == len(expected)
        assert all(torch.equal(one, other) for one, other in zip(seen, expected, strict=True))
        assert batch.prompts == [prompt for share in shares for prompt in share.prompts]


def test_a_share_above_1_is_a_sentence(recipe) -> None:
    with pytest.raises(TrainingError, match=r"prompts\.support"):
        read_recipe(recipe, overrides=["prompts.support=1.5"])
