import dataclasses
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.core.training.test_distributed import torchrun
from usassist.core.errors import ModelError, TrainingError
from usassist.core.geometry.cv import cv2
from usassist.core.models.adding import add_model
from usassist.core.models.config import Calibration, ModelConfig, PreprocessConfig
from usassist.core.models.familiarity import FAMILIARITY_FILE, load_familiarity
from usassist.core.models.weights import find_model, load_model
from usassist.core.training import familiarity, run, segmentation
from usassist.core.training.config import read_recipe
from usassist.core.training.run import resume, train


def test_a_run_leaves_a_model_that_can_be_added(recipe, discs, quick, tmp_path) -> None:
    result = train(recipe, [discs], tmp_path / "run", overrides=quick, device="cpu", task="segment")
    assert result.epochs == 2 and not result.failed and not result.interrupted
    lines = [json.loads(line) for line in (result.folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert all(np.isfinite(line["loss"]) for line in lines)
    config = ModelConfig.read(result.folder)
    assert config.provenance["n_train"] == 12 and config.provenance["data"] == ["discs"]
    assert config.learned_targets == ("breast_lesion",)
    add_model(result.folder, name="discs")
    assert find_model("discs").config == config


def _interrupted_after(epoch: int):
    def stop(report) -> None:
        if report.epoch == epoch:
            raise KeyboardInterrupt

    return stop


def _same_tensors(one: object, two: object) -> bool:
    """Compare nested containers bit by bit."""
    if isinstance(one, torch.Tensor):
        return isinstance(two, torch.Tensor) and torch.equal(one, two)
    if isinstance(one, dict):
        return isinstance(two, dict) and one.keys() == two.keys() and all(_same_tensors(one[k], two[k]) for k in one)
    if isinstance(one, list):
        return isinstance(two, list) and all(_same_tensors(a, b) for a, b in zip(one, two, strict=True))
    return one == two


def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(recipe, discs, small, tmp_path, monkeypatch) -> None:
    """With dropout, augmentation, the moving average, accumulation, and in the middle of early stopping's count."""
    scores = {1: 0.5, 2: 0.4, 3: 0.3, 4: 0.2, 5: 0.9}
    validate = segmentation.SegmentTask.validate
    monkeypatch.setattr(
        segmentation.SegmentTask,
        "validate",
        lambda task, model: validate(task, model) | {"score": scores[len(seen) + 1]},
    )
    seen: list[int] = []
    overrides = [*small, "epochs=5", "patience=3", "accumulate=2", "adapter.dropout=0.3", "balance.size_power=0.5"]
    overrides += ["prompts.support=0.5", "balance.class_draws={}"]
    options = {"task": "segment", "overrides": overrides, "device": "cpu"}
    whole = train(recipe, [discs], tmp_path / "whole", on_epoch=lambda report: seen.append(report.epoch), **options)
    assert whole.epochs == 4  # the fourth validation is the third without a better score

    seen.clear()

    def note_and_stop(report) -> None:
        seen.append(report.epoch)
        _interrupted_after(3)(report)

    part = train(recipe, [discs], tmp_path / "part", on_epoch=note_and_stop, **options)
    assert part.interrupted and part.epochs == 3
    assert (part.folder / "weights.safetensors").is_file()
    again = resume(part.folder, device="cpu", on_epoch=lambda report: seen.append(report.epoch))
    assert again.epochs == 4
    one, two = (torch.load(r.folder / "checkpoint.pt", weights_only=True) for r in (whole, again))
    assert one.pop("description") != "" and two.pop("description") != ""
    assert _same_tensors(one, two)
    assert one["waited"] == 3 and one["best"] == 0.5
    first, second = (load_file(r.folder / "weights.safetensors") for r in (whole, again))
    assert _same_tensors(first, second)
    reports = [
        [{**json.loads(line), "seconds": 0} for line in (r.folder / "metrics.jsonl").read_text().splitlines()]
        for r in (whole, again)
    ]
    assert reports[0] == reports[1]
    assert ModelConfig.read(whole.folder).calibration == ModelConfig.read(again.folder).calibration
    # A run that early stopping ended stays ended.
    assert resume(again.folder, device="cpu").epochs == 4


def test_P_N3_P_N7_adapters_only_leaves_the_backbone_untouched_and_saves_what_learned(
    recipe, discs, small, tmp_path
) -> None:
    first = train(recipe, [discs], tmp_path / "a", overrides=[*small, "epochs=1"], device="cpu", task="segment")
    overrides = [*small, f'start_from="{first.folder}"', "trainable=adapters", "ema=0.0"]
    second = train(recipe, [discs], tmp_path / "b", overrides=overrides, device="cpu", task="segment")
    before, after = (load_file(r.folder / "weights.safetensors") for r in (first, second))
    trunk = [k for k in before if "encoder" in k and ".adapter." not in k]
    assert all(torch.equal(before[key], after[key]) for key in trunk)
    assert any(not torch.equal(before[key], after[key]) for key in before if ".adapter." in key)


def test_a_folder_that_holds_a_run_is_not_overwritten(recipe, discs, small, tmp_path) -> None:
    train(recipe, [discs], tmp_path / "run", overrides=[*small, "epochs=1"], device="cpu", task="segment")
    with pytest.raises(TrainingError, match="holds a run already"):
        train(recipe, [discs], tmp_path / "run", overrides=small, device="cpu", task="segment")
    with pytest.raises(ModelError, match="nosuch"):  # the recipe is looked at first
        train(recipe, [discs], tmp_path / "run", overrides=[*small, "start_from=nosuch"], device="cpu", task="segment")


def test_images_without_a_split_beside_declared_ones_are_counted(recipe, discs, small, tmp_path, caplog) -> None:
    table = discs / "labels.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines[:3], *(line.replace(",train", ",") for line in lines[3:])]) + "\n")
    train(recipe, [discs], tmp_path / "run", overrides=[*small, "epochs=1"], device="cpu", task="segment")
    assert "images without a split were divided here: " in caplog.text


def test_an_image_that_cannot_be_read_is_named_and_the_rest_trains(recipe, discs, small, tmp_path) -> None:
    (discs / "images" / "i03.png").write_bytes(b"")
    result = train(recipe, [discs], tmp_path / "run", overrides=[*small, "epochs=1"], device="cpu", task="segment")
    assert len(result.failed) == 1 and "i03" in result.failed[0]


def test_no_data_and_no_run_are_sentences(recipe, tmp_path) -> None:
    with pytest.raises(TrainingError, match="--data"):
        train(recipe, [], tmp_path / "run", task="segment")
    with pytest.raises(TrainingError, match="not a run"):
        resume(tmp_path)


def test_P_N10_the_test_split_is_never_opened(recipe, discs, small, tmp_path) -> None:
    """A test image that cannot even be read does not matter to training."""
    table = discs / "labels.csv"
    table.write_text(table.read_text().replace("i00.png,normal,train", "i00.png,normal,test"))
    (discs / "images" / "i00.png").write_bytes(b"no image")
    result = train(recipe, [discs], tmp_path / "run", overrides=[*small, "epochs=1"], device="cpu", task="segment")
    assert not result.failed
    assert ModelConfig.read(result.folder).provenance["n_train"] == 11


def test_P_N10_near_duplicates_across_declared_splits_are_said_stored_and_can_be_left_out(
    recipe, discs, small, tmp_path, caplog
) -> None:
    grey = cv2.imread(str(discs / "images" / "i13.png"), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(discs / "images" / "i02.png"), np.clip(grey * 0.8 + 9, 0, 255).astype(np.uint8))  # val, again
    options = {"device": "cpu", "task": "segment"}
    kept = train(
        recipe, [discs], tmp_path / "kept", overrides=[*small, "epochs=1", "split.near_duplicates=join"], **options
    )
    assert "1 in two of the declared splits" in caplog.text
    provenance = ModelConfig.read(kept.folder).provenance
    assert provenance["n_train"] == 12
    assert provenance["near_duplicates"] == {"setting": "join", "pairs": 1, "joined": 1, "across": 1, "left_out": 0}
    document = json.loads((kept.folder / "leakage.json").read_text())
    assert document["near_duplicates_across"][0]["images"] == ["discs/i02.png", "discs/i13.png"]
    dropped = [*small, "epochs=2", "split.near_duplicates=drop"]
    part = train(recipe, [discs], tmp_path / "part", overrides=dropped, on_epoch=_interrupted_after(1), **options)
    assert ModelConfig.read(part.folder).provenance["n_train"] == 11
    assert resume(part.folder, device="cpu").epochs == 2


def test_P_N10_folds_of_a_training_join_near_duplicates(recipe, discs, small, tmp_path, monkeypatch) -> None:
    for twin in range(0, 12, 2):
        grey = cv2.imread(str(discs / "images" / f"i{twin:02d}.png"), cv2.IMREAD_GRAYSCALE)
        brighter = np.clip(grey * 0.8 + 9, 0, 255).astype(np.uint8)
        cv2.imwrite(str(discs / "images" / f"i{twin + 1:02d}.png"), brighter)
    build, used = segmentation.build, []
    monkeypatch.setattr(
        segmentation,
        "build",
        lambda config, model, examples, **more: used.extend(examples) or build(config, model, examples, **more),
    )
    overrides = [*small, "epochs=1", "fold.k=4"]
    train(recipe, [discs], tmp_path / "run", overrides=overrides, device="cpu", task="segment")
    sides = {example.source.path.stem: example.split for example in used}
    assert all(sides[f"i{n:02d}"] == sides[f"i{n + 1:02d}"] for n in range(0, 12, 2))


def test_P_N4_what_was_trained_is_what_runs_also_from_another_model(recipe, discs, small, tmp_path) -> None:
    first = train(recipe, [discs], tmp_path / "a", overrides=[*small, "epochs=1"], device="cpu", task="segment")
    overrides = [*small, "epochs=1", f'start_from="{first.folder}"', "preprocess.size=96", "preprocess.mean=0.4"]
    second = train(recipe, [discs], tmp_path / "b", overrides=overrides, device="cpu", task="segment")
    sharpest = read_recipe(recipe).preprocess.sharpest
    assert ModelConfig.read(second.folder).preprocess == PreprocessConfig(96, (0.4,), (0.5,), sharpest)


def test_few_images_keep_the_calibration_of_the_model_they_start_from(recipe, discs, small, tmp_path) -> None:
    first = train(recipe, [discs], tmp_path / "a", overrides=[*small, "epochs=1"], device="cpu", task="segment")
    known = Calibration(0.4, 0.3, 2.0, 0.0, -1.0, 1.5, 0.5)
    config = dataclasses.replace(
        ModelConfig.read(first.folder), calibration=known, learned_targets=("carotid", "kidney stone")
    )
    (first.folder / "model.json").write_text(config.to_json())
    overrides = [*small, "epochs=1", f'start_from="{first.folder}"']
    second = train(recipe, [discs], tmp_path / "b", overrides=overrides, device="cpu", task="segment")
    assert ModelConfig.read(second.folder).calibration == known  # 3 lesions validate: too few to fit anything
    assert ModelConfig.read(second.folder).learned_targets == ("carotid", "kidney stone", "breast_lesion")


def test_a_run_interrupted_while_it_writes_resumes_to_the_same_end(recipe, discs, small, tmp_path, monkeypatch) -> None:
    whole = train(recipe, [discs], tmp_path / "whole", overrides=small, device="cpu", task="segment")

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    def stop_before_the_second_checkpoint(report) -> None:
        monkeypatch.setattr(run, "save_checkpoint", interrupted)

    folder = tmp_path / "part"
    part = train(
        recipe,
        [discs],
        folder,
        overrides=small,
        device="cpu",
        on_epoch=stop_before_the_second_checkpoint,
        task="segment",
    )
    assert part.interrupted
    monkeypatch.undo()
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 3, "sec')  # what a killed program may leave
    resume(folder, device="cpu")
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2]
    one, two = (load_file(path / "weights.safetensors") for path in (whole.folder, folder))
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_a_resumed_run_refuses_other_data(recipe, discs, small, tmp_path) -> None:
    result = train(recipe, [discs], tmp_path / "run", overrides=[*small, "epochs=1"], device="cpu", task="segment")
    table = discs / "labels.csv"
    table.write_text(table.read_text().replace("i00.png,normal,train", "i00.png,normal,val"))
    with pytest.raises(TrainingError, match=r"data of .* changed"):
        resume(result.folder, device="cpu")


def test_a_refused_run_keeps_what_was_found_about_its_data(recipe, discs, small, tmp_path) -> None:
    result = train(recipe, [discs], tmp_path / "run", overrides=[*small, "epochs=1"], device="cpu", task="segment")
    before = (result.folder / "leakage.json").read_bytes()
    table = discs / "labels.csv"
    table.write_text(table.read_text().replace("i00.png,normal,train", "i00.png,normal,val"))
    with pytest.raises(TrainingError, match=r"data of .* changed"):
        resume(result.folder, device="cpu")
    assert (result.folder / "leakage.json").read_bytes() == before


def test_a_run_of_an_earlier_version_goes_on_as_it_was_divided(recipe, discs, small, tmp_path) -> None:
    """It looked for no near-duplicates, and its recipe says nothing about them."""
    for twin in range(0, 16, 2):
        grey = cv2.imread(str(discs / "images" / f"i{twin:02d}.png"), cv2.IMREAD_GRAYSCALE)
        brighter = np.clip(grey * 0.8 + 9, 0, 255).astype(np.uint8)
        cv2.imwrite(str(discs / "images" / f"i{twin + 1:02d}.png"), brighter)
    table = discs / "labels.csv"
    table.write_text(re.sub(r",(train|val)$", ",", table.read_text(), flags=re.MULTILINE))
    off = ["split.near_duplicates=off", "epochs=2"]
    options = {"device": "cpu", "task": "segment"}
    run = train(
        *(recipe, [discs], tmp_path / "run"), overrides=[*small, *off], on_epoch=_interrupted_after(1), **options
    )
    kept = run.folder / "config.toml"
    kept.write_text(kept.read_text().replace('[split]\nnear_duplicates = "off"\n', ""))
    assert read_recipe(kept).split.near_duplicates == "join"
    assert resume(run.folder, device="cpu").epochs == 2


def test_a_model_is_not_overwritten_by_a_run(recipe, discs, tmp_path) -> None:
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(TrainingError, match="holds a model"):
        train(recipe, [discs], tmp_path, task="segment")


def test_a_run_that_diverges_is_a_sentence(recipe, discs, small, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(segmentation.SegmentTask, "validate", lambda *_: {"score": float("nan"), "n": 4.0})
    with pytest.raises(TrainingError, match="finite score"):
        train(recipe, [discs], tmp_path / "run", overrides=[*small, "epochs=1"], device="cpu", task="segment")


def test_only_validation_images_are_too_few(recipe, discs, quick, tmp_path) -> None:
    table = discs / "labels.csv"
    table.write_text(table.read_text().replace(",train", ",val"))
    with pytest.raises(TrainingError, match="in the split train, found 0"):
        train(recipe, [discs], tmp_path / "run", overrides=quick, device="cpu", task="segment")


@pytest.mark.slow
def test_two_processes_train_a_segmenter_as_one_does(recipe, discs, quick, tmp_path) -> None:
    """`torchrun -m usassist.core.cli.train`: sharded data, batch normalisation, texts, supports, a contrastive term.

    An image that cannot be read is left out and listed, and nothing that torch has to say reaches the user. Dropout is
    off, as its draws cannot be shared out. The steps are small: Adam divides by the gradient's size, so that
    rounding noise grows with the rate; another number of threads alone moves a run from random weights by 2e-3 at 1e-3.
    """
    (discs / "images" / "i03.png").write_bytes(b"")
    overrides = [*quick, "adapter.dropout=0", "head.dropout=0", "head.presence_dropout=0"]
    overrides += ["loss.boundary=0.1", "prompts.support=0.4", "lr=1e-5", "trunk_lr=1e-5"]
    one = train(recipe, [discs], tmp_path / "one", task="segment", overrides=overrides, device="cpu")
    command = ["segment", str(recipe), "--data", str(discs), "--device", "cpu", "--out", "two", "--set", *overrides]
    done = torchrun("-m", "usassist.core.cli.train", *command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("of what is kept") == 1  # only the first process speaks
    assert done.stderr.count("left out: discs/i03.png") == 1
    assert "Traceback" not in done.stderr and "Warning" not in done.stderr
    curves = [
        [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        for folder in (one.folder, tmp_path / "two")
    ]
    for alone, shared in zip(*curves, strict=True):
        assert alone["parts"].keys() == shared["parts"].keys() >= {"dice", "bce", "presence", "contrast", "boundary"}
        for name, value in alone["parts"].items():  # rounding alone: similarities at a low temperature carry most of it
            assert abs(value - shared["parts"][name]) < (5e-4 if name in ("anchors", "contrast") else 1e-4), name
        assert abs(alone["val"]["mask_dice"] - shared["val"]["mask_dice"]) < 1e-2
    found = [load_file(folder / "weights.safetensors") for folder in (one.folder, tmp_path / "two")]
    assert list(found[0]) == list(found[1])
    assert ModelConfig.read(tmp_path / "two").provenance["processes"] == 2


def test_two_runs_never_write_one_folder(recipe, discs, small, tmp_path) -> None:
    folder = tmp_path / "run"
    complaints: list[str] = []

    def try_again(report) -> None:
        if report.epoch == 1:
            with pytest.raises(TrainingError, match=r"trains in .* already") as stop:
                resume(folder, device="cpu")
            complaints.append(str(stop.value))

    train(recipe, [discs], folder, task="segment", overrides=small, device="cpu", on_epoch=try_again)
    assert complaints
    assert resume(folder, device="cpu").epochs == 2  # the lock is let go of


def test_P_N13_a_run_knows_no_absolute_path_but_its_data_and_resumes_from_anywhere(
    recipe, discs, small, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = train(recipe, [Path("discs")], Path("first"), task="segment", overrides=[*small, "epochs=1"], device="cpu")
    overrides = [*small, "workers=0", f'start_from="{tmp_path / "first"}"']
    run = train(
        recipe,
        [Path("discs")],
        Path("run"),
        task="segment",
        overrides=overrides,
        device="cpu",
        on_epoch=_interrupted_after(1),
    )
    assert run.interrupted
    # Neither the working folder nor the model it started from is needed any more.
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / first.folder)
    assert resume(tmp_path / "run", device="cpu").epochs == 2
    places = json.loads((tmp_path / "run" / "data.json").read_text())
    assert places == {"data": [str(discs)], "start_from": str(tmp_path / "first")}
    for path in (tmp_path / "run").iterdir():
        if path.name != "data.json":
            assert str(tmp_path).encode() not in path.read_bytes(), path.name
    started = ModelConfig.read(tmp_path / "run").provenance["start_from"]
    assert started["name"] == "first" and len(started["weights_hash"]) == 64


def test_N15_a_few_shots_are_counted_in_the_provenance(recipe, discs, small, tmp_path) -> None:
    overrides = [*small, "epochs=1", "batch_size=2", "few_shot.per_class=2"]
    result = train(recipe, [discs], tmp_path / "run", task="segment", overrides=overrides, device="cpu")
    provenance = ModelConfig.read(result.folder).provenance
    assert (provenance["n_train"], provenance["n_val"]) == (4, 4)
    assert provenance["few_shot"] == {"ratio": 0.0, "per_class": 2, "seed": 0, "thin_val": False}


def test_a_recipe_for_another_task_is_refused_and_a_run_knows_its_own(recipe, discs, small, tmp_path) -> None:
    with pytest.raises(TrainingError, match="usassist-train contrast"):
        train(recipe, [discs], tmp_path / "run", task="segment", overrides=[*small, "task=contrast"])
    train(recipe, [discs], tmp_path / "run", task="segment", overrides=[*small, "epochs=1"], device="cpu")
    with pytest.raises(TrainingError, match="usassist-train segment"):
        resume(tmp_path / "run", task="classify")


def test_tensorboard_that_is_not_installed_is_a_sentence(recipe, discs, small, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(TrainingError, match=r"usassist\[tensorboard\]"):
        train(recipe, [discs], tmp_path / "run", task="segment", overrides=[*small, "tensorboard=true"], device="cpu")


def test_P_N7_a_run_on_a_base_holds_what_learned_and_resumes_bit_for_bit(
    recipe, discs, quick, tmp_path, monkeypatch
) -> None:
    """LoRA beside a frozen encoder: the checkpoint and the model hold the adapters and the head only."""
    options = ["adapter.kind=none", "epochs=1"]
    base = train(recipe, [discs], tmp_path / "base", task="segment", overrides=[*quick, *options], device="cpu")
    overrides = [*quick, f'encoder.base="{base.folder}"', "trainable=adapters", "adapter.kind=lora", "adapter.rank=4"]
    whole = train(recipe, [discs], tmp_path / "whole", task="segment", overrides=overrides, device="cpu")
    stop = _interrupted_after(1)
    part = train(recipe, [discs], tmp_path / "part", task="segment", overrides=overrides, device="cpu", on_epoch=stop)
    resume(part.folder, device="cpu")
    one, two = (load_file(run.folder / "weights.safetensors") for run in (whole, part))
    assert _same_tensors(one, two)
    towers = [name for name in one if name.startswith("encoder.")]
    assert towers and all(".parts." in name for name in towers)
    saved = torch.load(whole.folder / "checkpoint.pt", weights_only=True)
    assert saved["model"].keys() == saved["average"].keys() == one.keys()
    before = load_file(base.folder / "weights.safetensors")
    described = (whole.folder / "model.json").read_text()
    assert str(tmp_path) not in described
    assert ModelConfig.read(whole.folder).encoder.base == "../base"
    monkeypatch.chdir(discs)  # where the two lie relative to each other is all that matters
    model, _ = load_model(str(whole.folder))
    assert model.config.encoder.base_hash == find_model(str(base.folder)).weights_hash
    assert not any(name in one for name in before if name.startswith("encoder."))


def test_a_base_whose_towers_would_learn_is_a_sentence(recipe, discs, quick, tmp_path) -> None:
    overrides = [*quick, "encoder.base=usassist-us", "adapter.kind=none"]
    with pytest.raises(TrainingError, match='trainable = "adapters"'):
        train(recipe, [discs], tmp_path / "run", task="segment", overrides=overrides, device="cpu")
    with pytest.raises(TrainingError, match="leave out one"):
        train(recipe, [discs], tmp_path / "run", task="segment", overrides=[*overrides, "start_from=x"], device="cpu")


def test_N17_the_seed_decides_a_run(recipe, discs, small, tmp_path) -> None:
    """Several seeds are several experiments, and each can be repeated."""
    runs = {
        name: train(
            recipe,
            [discs],
            tmp_path / name,
            task="segment",
            overrides=[*small, "epochs=1", f"seed={seed}"],
            device="cpu",
        )
        for name, seed in (("one", 1), ("again", 1), ("two", 2))
    }
    tensors = {name: load_file(run.folder / "weights.safetensors") for name, run in runs.items()}
    assert _same_tensors(tensors["one"], tensors["again"])
    assert not _same_tensors(tensors["one"], tensors["two"])
    assert runs["one"].best == runs["again"].best


def test_towers_of_another_task_are_gone_on_from_under_a_new_head(recipe, discs, small, towers, tmp_path) -> None:
    """Contrastive fine-tuning, then masks: the towers and adapters of the one are the beginning of the other."""
    overrides = [*small, "epochs=1", "lr=0", "trunk_lr=0", "ema=0"]
    run = train(recipe, [discs], tmp_path / "run", task="segment", overrides=overrides, device="cpu")
    before, after = load_file(towers / "weights.safetensors"), load_file(run.folder / "weights.safetensors")
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert any(name.startswith("head.") for name in after)
    config = ModelConfig.read(run.folder)
    assert (config.task, config.adapter.bottleneck, config.encoder.open_clip) == ("segment", 8, "tiny-vit")


def test_what_a_task_says_about_its_data_and_the_adapter_it_has_are_stored(
    recipe, discs, small, tmp_path, caplog
) -> None:
    """A recipe that leaves the adapter to the model it goes on from: said at the start, kept in config.toml."""
    lines = [line for line in recipe.read_text().splitlines() if "bottleneck" not in line and "dropout" not in line]
    bare = tmp_path / "bare.toml"
    bare.write_text("\n".join(lines).replace('[adapter]\nkind = "mona"', ""))
    overrides = [*(setting for setting in small if "adapter" not in setting), "epochs=1"]
    assert read_recipe(bare, overrides=overrides).adapter is None
    caplog.set_level("INFO")
    result = train(bare, [discs], tmp_path / "run", task="segment", overrides=overrides, device="cpu")
    (said,) = [r for r in caplog.records if "no [adapter] section" in r.message]
    assert "and the model it goes on from has mona" in said.message and said.levelname == "INFO"
    kept = read_recipe(result.folder / "config.toml").adapter
    assert kept is not None and kept == ModelConfig.read(result.folder).adapter
    told = ModelConfig.read(result.folder).provenance["training"]
    assert told == {"images": {"train": 12, "val": 4}, "classes": [], "prompted": True}


def test_a_finished_run_knows_what_is_ordinary_and_an_interrupted_one_does_not_wait_for_it(
    recipe, discs, small, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(familiarity, "LEAST_TRAIN", 4)
    monkeypatch.setattr(familiarity, "LEAST_VAL", 2)
    found = train(recipe, [discs], tmp_path / "done", task="segment", overrides=small)
    model, info = load_model(str(found.folder))
    taps = model.encoder.tap_channels
    known = load_familiarity(found.folder, weights_hash=info.weights_hash, tap_channels=taps)
    assert known is not None and known.images == 12

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    stopped = train(recipe, [discs], tmp_path / "stopped", task="segment", overrides=small, on_epoch=interrupt)
    assert stopped.interrupted
    assert not (stopped.folder / FAMILIARITY_FILE).exists()


@pytest.mark.parametrize("killed_at", ["before the end", "while it learns what is ordinary"])
def test_a_finished_run_that_is_resumed_and_killed_keeps_its_calibration_and_what_is_ordinary(
    recipe, discs, small, tmp_path, monkeypatch, *, killed_at: str
) -> None:
    monkeypatch.setattr(familiarity, "LEAST_TRAIN", 4)
    monkeypatch.setattr(familiarity, "LEAST_VAL", 2)
    folder = train(recipe, [discs], tmp_path / "done", task="segment", overrides=[*small, "epochs=1"]).folder
    files = ("model.json", "weights.safetensors", FAMILIARITY_FILE)
    before = [(folder / name).read_bytes() for name in files]

    def kill(*_: object, **__: object) -> None:
        raise RuntimeError("killed")

    module, name = (run, "fill") if killed_at == "before the end" else (segmentation, "learn_familiarity")
    monkeypatch.setattr(module, name, kill)
    with pytest.raises(RuntimeError, match="killed"):
        resume(folder, device="cpu")
    assert [(folder / name).read_bytes() for name in files] == before
    (folder / "weights.safetensors").write_bytes(b"of an earlier epoch")
    with pytest.raises(RuntimeError, match="killed"):
        resume(folder, device="cpu")
    assert (folder / "weights.safetensors").read_bytes() == before[1]
    assert not (folder / FAMILIARITY_FILE).exists()
