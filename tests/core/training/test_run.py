import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from usassist.core.errors import TrainingError
from usassist.core.models.config import Calibration, ModelConfig, PreprocessConfig
from usassist.core.models.weights import add_model, find_model
from usassist.core.training import loop, run
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


def test_p_n3_p_n7_adapters_only_leaves_the_backbone_untouched_and_saves_what_learned(
    recipe, discs, quick, tmp_path
) -> None:
    first = train_segment(recipe, [discs], tmp_path / "a", overrides=[*quick, "epochs=1"], device="cpu")
    overrides = [*quick, f'start_from="{first.folder}"', "trainable=adapters", "ema=0.0"]
    second = train_segment(recipe, [discs], tmp_path / "b", overrides=overrides, device="cpu")
    before, after = (load_file(r.folder / "weights.safetensors") for r in (first, second))
    trunk = [k for k in before if "encoder" in k and ".adapter." not in k]
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


def test_p_n10_the_test_split_is_never_opened(recipe, discs, quick, tmp_path) -> None:
    """A test image that cannot even be read does not matter to training."""
    table = discs / "labels.csv"
    table.write_text(table.read_text().replace("i00.png,normal,train", "i00.png,normal,test"))
    (discs / "images" / "i00.png").write_bytes(b"no image")
    result = train_segment(recipe, [discs], tmp_path / "run", overrides=[*quick, "epochs=1"], device="cpu")
    assert not result.failed
    assert ModelConfig.read(result.folder).provenance["n_train"] == 11


def test_p_n4_what_was_trained_is_what_runs_also_from_another_model(recipe, discs, quick, tmp_path) -> None:
    first = train_segment(recipe, [discs], tmp_path / "a", overrides=[*quick, "epochs=1"], device="cpu")
    overrides = [*quick, "epochs=1", f'start_from="{first.folder}"', "preprocess.size=96", "preprocess.mean=0.4"]
    second = train_segment(recipe, [discs], tmp_path / "b", overrides=overrides, device="cpu")
    assert ModelConfig.read(second.folder).preprocess == PreprocessConfig(96, (0.4,), (0.5,))


def test_few_images_keep_the_calibration_of_the_model_they_start_from(recipe, discs, quick, tmp_path) -> None:
    first = train_segment(recipe, [discs], tmp_path / "a", overrides=[*quick, "epochs=1"], device="cpu")
    known = Calibration(0.4, 0.3, 2.0, -1.0, 1.5, 0.5)
    config = dataclasses.replace(ModelConfig.read(first.folder), calibration=known)
    (first.folder / "model.json").write_text(config.to_json())
    overrides = [*quick, "epochs=1", f'start_from="{first.folder}"']
    second = train_segment(recipe, [discs], tmp_path / "b", overrides=overrides, device="cpu")
    assert ModelConfig.read(second.folder).calibration == known  # 3 lesions validate: too few to fit anything


def test_a_run_interrupted_while_it_writes_resumes_to_the_same_end(recipe, discs, quick, tmp_path, monkeypatch) -> None:
    whole = train_segment(recipe, [discs], tmp_path / "whole", overrides=quick, device="cpu")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    def stop_before_the_second_checkpoint(report) -> None:
        monkeypatch.setattr(run, "save_checkpoint", interrupted)

    folder = tmp_path / "part"
    part = train_segment(
        recipe, [discs], folder, overrides=quick, device="cpu", on_epoch=stop_before_the_second_checkpoint
    )
    assert part.interrupted
    monkeypatch.undo()
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 3, "sec')  # what a killed program may leave
    resume_segment(folder, device="cpu")
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2]
    one, two = (load_file(path / "weights.safetensors") for path in (whole.folder, folder))
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_a_resumed_run_refuses_other_data(recipe, discs, quick, tmp_path) -> None:
    result = train_segment(recipe, [discs], tmp_path / "run", overrides=[*quick, "epochs=1"], device="cpu")
    table = discs / "labels.csv"
    table.write_text(table.read_text().replace("i00.png,normal,train", "i00.png,normal,val"))
    with pytest.raises(TrainingError, match=r"data of .* changed"):
        resume_segment(result.folder, device="cpu")


@pytest.mark.parametrize("content", ["", "{}", "[1]"])
def test_a_damaged_list_of_data_is_a_sentence(recipe, tmp_path, content: str) -> None:
    (tmp_path / "config.toml").write_bytes(recipe.read_bytes())
    (tmp_path / "data.json").write_text(content)
    with pytest.raises(TrainingError, match=r"data\.json"):
        resume_segment(tmp_path)


def test_a_model_is_not_overwritten_by_a_run(recipe, discs, tmp_path) -> None:
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(TrainingError, match="holds a model"):
        train_segment(recipe, [discs], tmp_path)


def test_a_run_that_diverges_is_a_sentence(recipe, discs, quick, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(loop, "validate", lambda *_, **__: {"score": float("nan")})
    with pytest.raises(TrainingError, match="finite score"):
        train_segment(recipe, [discs], tmp_path / "run", overrides=[*quick, "epochs=1"], device="cpu")


def test_only_validation_images_are_too_few(recipe, discs, quick, tmp_path) -> None:
    table = discs / "labels.csv"
    table.write_text(table.read_text().replace(",train", ",val"))
    with pytest.raises(TrainingError, match="in the split train, found 0"):
        train_segment(recipe, [discs], tmp_path / "run", overrides=quick, device="cpu")
