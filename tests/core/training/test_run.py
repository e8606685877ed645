import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from usassist.core.errors import TrainingError
from usassist.core.models.config import ModelConfig
from usassist.core.models.weights import add_model, find_model
from usassist.core.training.run import resume_segment, train_segment


def test_a_run_leaves_a_model_that_can_be_added(recipe, discs, quick, tmp_path) -> None:
    result = train_segment(recipe, [discs], tmp_path / "run", overrides=quick, device="cpu")
    assert result.epochs == 2 and not result.failed and not result.interrupted
    lines = [json.loads(line) for line in (result.folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert all(np.isfinite(line["loss"]) for line in lines)
    config = ModelConfig.read(result.folder)
    assert config.provenance["n_train"] == 12 and config.provenance["data"] == ["discs"]
    add_model(result.folder, name="discs")
    assert find_model("discs").config == config


def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(recipe, discs, quick, tmp_path) -> None:
    whole = train_segment(recipe, [discs], tmp_path / "whole", overrides=quick, device="cpu")

    def stop_after_one(report) -> None:
        if report.epoch == 1:
            raise KeyboardInterrupt

    part = train_segment(recipe, [discs], tmp_path / "part", overrides=quick, device="cpu", on_epoch=stop_after_one)
    assert part.interrupted and part.epochs == 1
    assert (part.folder / "weights.safetensors").is_file()
    again = resume_segment(part.folder, device="cpu")
    assert again.epochs == 2
    one, two = (torch.load(r.folder / "checkpoint.pt", weights_only=True)["model"] for r in (whole, again))
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_adapters_only_leaves_the_backbone_untouched(recipe, discs, quick, tmp_path) -> None:
    first = train_segment(recipe, [discs], tmp_path / "a", overrides=[*quick, "epochs=1"], device="cpu")
    overrides = [*quick, f'start_from="{first.folder}"', "trainable=adapters", "ema=0.0"]
    second = train_segment(recipe, [discs], tmp_path / "b", overrides=overrides, device="cpu")
    before, after = (load_file(r.folder / "weights.safetensors") for r in (first, second))
    trunk = [k for k in before if "encoder" in k and ".adapter." not in k and "running_" not in k and "num_b" not in k]
    assert all(torch.equal(before[key], after[key]) for key in trunk)
    assert any(not torch.equal(before[key], after[key]) for key in before if ".adapter." in key)


def test_a_folder_that_holds_a_run_is_not_overwritten(recipe, discs, quick, tmp_path) -> None:
    train_segment(recipe, [discs], tmp_path / "run", overrides=[*quick, "epochs=1"], device="cpu")
    with pytest.raises(TrainingError, match="holds a run already"):
        train_segment(recipe, [discs], tmp_path / "run", overrides=quick, device="cpu")


def test_an_image_that_cannot_be_read_is_named_and_the_rest_trains(recipe, discs, quick, tmp_path) -> None:
    (discs / "images" / "i03.png").write_bytes(b"")
    result = train_segment(recipe, [discs], tmp_path / "run", overrides=[*quick, "epochs=1"], device="cpu")
    assert len(result.failed) == 1 and "i03" in result.failed[0]


def test_no_data_and_no_run_are_sentences(recipe, tmp_path) -> None:
    with pytest.raises(TrainingError, match="--data"):
        train_segment(recipe, [], tmp_path / "run")
    with pytest.raises(TrainingError, match="not a run"):
        resume_segment(tmp_path)
