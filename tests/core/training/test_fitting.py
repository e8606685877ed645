"""What does not suit the model or the data is a sentence before the first step."""

from pathlib import Path

import pytest
import torch

from tests.core.models.phantoms import tiny_config
from usassist.core.data.dataset import load
from usassist.core.errors import TrainingError
from usassist.core.models.build import build_model
from usassist.core.models.config import EncoderConfig, HeadConfig, ModelConfig, PreprocessConfig
from usassist.core.training.config import read_recipe
from usassist.core.training.fitting import require_drawn_classes, require_early_size
from usassist.core.training.run import train

FILM = HeadConfig("film_skip", widths=(8,))


def test_a_class_that_nobody_knows_is_not_drawn(recipe, discs, small) -> None:
    examples = load(discs)
    for name in ("benign", "fetal_head"):  # of the data; of the vocabulary alone
        require_drawn_classes(read_recipe(recipe, overrides=[*small, f"balance.class_draws.{name}=2.0"]), examples)
    config = read_recipe(recipe, overrides=[*small, "balance.class_draws={ bening = 2.0, benign = 1.0 }"])
    with pytest.raises(TrainingError, match=r"names bening, .* the data have benign, normal\."):
        require_drawn_classes(config, examples)


def _refused(recipe: Path, config: ModelConfig, folder: Path | None, early: int, *, words: str) -> None:
    size = config.preprocess.size
    overrides = [f"preprocess.size={size}", f"early_size={early}", "early_share=0.5", "epochs=2"]
    model = build_model(config, folder=folder).train()
    with pytest.raises(TrainingError, match=f"early_size = {early} .*{words}.*Set early_size = 0"):
        require_early_size(read_recipe(recipe, overrides=overrides), model)
    assert model.training


def test_a_size_that_the_encoder_or_the_head_does_not_take_is_refused(recipe, tmp_path) -> None:
    config = tiny_config(tmp_path, FILM)
    _refused(recipe, config, tmp_path, 36, words="patches of 8 x 8 pixels do not divide it")
    _refused(recipe, config, tmp_path, 32, words="image tower takes images of 64 alone")
    pyramid = tiny_config(tmp_path, HeadConfig("pyramid", width=8))
    _refused(recipe, pyramid, tmp_path, 32, words="head pyramid is built for images of 64 alone")


def test_a_convolutional_tower_takes_a_smaller_size_and_keeps_its_statistics(recipe) -> None:
    head = HeadConfig("promptable", widths=(8, 8))
    encoder, preprocess = EncoderConfig("usassist-lite0", (1, 2, 4), (320,)), PreprocessConfig(64)
    model = build_model(ModelConfig("m", "M", encoder, head=head, preprocess=preprocess)).train()
    before = {name: tensor.clone() for name, tensor in model.named_buffers()}
    overrides = ["preprocess.size=64", "early_size=32", "early_share=0.5", "epochs=2"]
    require_early_size(read_recipe(recipe, overrides=overrides), model)
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.named_buffers())


def test_a_size_that_no_epoch_has_does_not_matter(recipe, tmp_path) -> None:
    model = build_model(tiny_config(tmp_path, FILM), folder=tmp_path)
    for late in ("early_share=0.0", "early_size=64"):
        overrides = ["preprocess.size=64", "early_size=36", "early_share=0.5", late]
        require_early_size(read_recipe(recipe, overrides=overrides), model)


@pytest.mark.parametrize(
    ("wrong", "words"), [("balance.class_draws.bening=2.0", "bening"), ("early_size=34", "patches of 4 x 4")]
)
def test_a_run_says_so_before_it_learns(recipe, discs, small, wrong: str, words: str) -> None:
    overrides = [*small, "early_share=0.5", wrong]
    out = discs.with_name("run")
    with pytest.raises(TrainingError, match=words):
        train(recipe, [discs], out, overrides=overrides, device="cpu", task="segment")
    assert not (out / "metrics.jsonl").exists()
