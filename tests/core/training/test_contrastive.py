"""Contrastive training: pairs find each other, resumes exactly, keeps the best, and says what it compares."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.core.training.test_distributed import torchrun
from usassist.core.errors import TrainingError
from usassist.core.geometry.cv import cv2
from usassist.core.models.config import ModelConfig
from usassist.core.models.weights import load_model
from usassist.core.training import contrastive
from usassist.core.training.config import read_recipe
from usassist.core.training.distributed import Shard
from usassist.core.training.run import resume, train

SHAPES = ("round", "oval", "square", "long")
PLACES = {"left": (9, 16), "right": (22, 16), "top": (16, 9), "bottom": (16, 22)}
TONES = {"dark": 5, "bright": 240}


def draw(shape: str, place: str, tone: str, rng: np.random.Generator) -> np.ndarray:
    image = rng.gamma(9.0, 12.0, (32, 32)).clip(40, 180).astype(np.uint8)
    (x, y), value = PLACES[place], TONES[tone]
    match shape:
        case "round":
            cv2.circle(image, (x, y), 5, value, -1)
        case "oval":
            cv2.ellipse(image, (x, y), (8, 3), 0, 0, 360, value, -1)
        case "square":
            cv2.rectangle(image, (x - 4, y - 4), (x + 4, y + 4), value, -1)
        case "long":
            cv2.rectangle(image, (x - 1, y - 8), (x + 1, y + 8), value, -1)
    return image


def write_pairs(folder: Path, name: str, *, grain: int) -> Path:
    """Write 32 images with 32 different captions, and the list of them; returns the list.

    The lists show the same scenes; what is added to each pixel differs by at most `grain`.
    """
    rng = np.random.default_rng(1)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    lines = []
    for shape in SHAPES:
        for place in PLACES:
            for tone in TONES:
                image = f"{name}-{shape}-{place}-{tone}.png"
                picture = draw(shape, place, tone, rng)
                picture += np.random.default_rng(len(lines)).integers(0, grain + 1, picture.shape, dtype=np.uint8)
                cv2.imwrite(str(folder / "images" / image), picture)
                caption = f"a {tone} {shape} mass at the {place}"
                lines.append(json.dumps({"image": image, "caption": caption, "refined": f"{shape} {tone} {place}"}))
    path = folder / f"us_caption_{name}.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def said(caplog, monkeypatch) -> Iterator[pytest.LogCaptureFixture]:
    """Return what is logged, whatever a command run before did to the project's logger."""
    monkeypatch.setattr(logging.getLogger("usassist"), "propagate", True)
    with caplog.at_level(logging.INFO, logger="usassist"):
        yield caplog


@pytest.fixture
def pairs(tmp_path) -> list[Path]:
    return [write_pairs(tmp_path / "pairs", "train", grain=0), write_pairs(tmp_path / "pairs", "val", grain=8)]


def task_of(recipe: Path, data: list[Path], model: object, *overrides: str) -> contrastive.Contrastive:
    config = read_recipe(recipe, overrides=list(overrides))
    return contrastive.build(config, model, contrastive.read(data, config), shard=Shard())


def test_a_validation_that_is_cut_says_to_how_many_pairs(tiny_recipe, tiny_towers, pairs, said, monkeypatch) -> None:
    monkeypatch.setattr(contrastive, "_MOST_VALIDATED", 5)
    task_of(tiny_recipe, pairs, load_model(str(tiny_towers))[0])
    assert "Validation takes the first 5 of 32 pairs." in said.text


def test_N9_N11_32_pairs_find_each_other_after_seconds_and_before_they_did_not(
    tiny_recipe, tiny_towers, pairs, tmp_path
) -> None:
    overrides = ["contrast.temperature=0.07", "batch_size=16"]
    result = train(tiny_recipe, pairs, tmp_path / "run", task="contrast", overrides=overrides, device="cpu")
    config = ModelConfig.read(result.folder)
    assert (config.task, config.head.kind, config.classes) == ("embed", "none", ())
    model, _ = load_model(str(result.folder))
    task = task_of(tiny_recipe, pairs, model, *overrides)
    assert task.train_scores(model)["r1"] >= 0.9
    assert task.validate(model)["r1"] >= 0.9
    vanilla, _ = load_model(str(tiny_towers))
    assert task_of(tiny_recipe, pairs, vanilla, *overrides).train_scores(vanilla)["r1"] < 0.3
    lines = [json.loads(line) for line in (result.folder / "metrics.jsonl").read_text().splitlines()]
    assert all({"score", "loss", "r1", "n"} <= line["val"].keys() for line in lines)
    assert result.selected_by == "loss"
    assert result.best == min(line["val"]["loss"] for line in lines) == -max(line["val"]["score"] for line in lines)
    assert config.provenance["training"]["pairs"] == {"train": 32, "val": 32}


def test_N9_the_best_validation_is_what_is_kept_and_a_stopped_run_goes_on_bit_for_bit(
    tiny_recipe, pairs, tmp_path
) -> None:
    overrides = ["epochs=4", "contrast.temperature=0.07", "batch_size=8"]
    whole = train(tiny_recipe, pairs, tmp_path / "whole", task="contrast", overrides=overrides, device="cpu")

    def stop_after_two(report) -> None:
        if report.epoch == 2:
            raise KeyboardInterrupt

    part = train(
        tiny_recipe,
        pairs,
        tmp_path / "part",
        task="contrast",
        overrides=overrides,
        device="cpu",
        on_epoch=stop_after_two,
    )
    assert part.interrupted
    assert part.epochs == 2
    load_model(str(part.folder))  # what was best so far is a whole model
    again = resume(part.folder, device="cpu")
    assert again.best == whole.best
    one, two = (load_file(run.folder / "weights.safetensors") for run in (whole, again))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_N9_a_worse_epoch_does_not_replace_a_better_one(tiny_recipe, pairs, tmp_path) -> None:
    # A learning rate that destroys the towers: the first epochs are the best.
    overrides = ["epochs=5", "lr=1.0", "trunk_lr=1.0", "warmup=1.0", "clip_norm=1e6"]
    result = train(tiny_recipe, pairs, tmp_path / "run", task="contrast", overrides=overrides, device="cpu")
    scores = [json.loads(line)["val"]["score"] for line in (result.folder / "metrics.jsonl").read_text().splitlines()]
    assert scores[-1] < max(scores)
    model, _ = load_model(str(result.folder))
    kept = task_of(tiny_recipe, pairs, model).validate(model)["score"]
    assert kept == pytest.approx(max(scores), abs=0.02)  # the file holds half precision


def test_N9_by_default_the_text_tower_does_not_move(tiny_recipe, tiny_towers, pairs, tmp_path) -> None:
    frozen = train(tiny_recipe, pairs, tmp_path / "a", task="contrast", overrides=["epochs=1"], device="cpu")
    both = train(
        tiny_recipe,
        pairs,
        tmp_path / "b",
        task="contrast",
        overrides=["epochs=1", "contrast.train_text=true"],
        device="cpu",
    )
    before, one, two = (
        load_file(folder / "weights.safetensors") for folder in (tiny_towers, frozen.folder, both.folder)
    )
    text = [name for name in before if ".visual." not in name]
    assert any(name.endswith("logit_scale") for name in text)
    assert all(torch.equal(before[name], one[name]) for name in text)
    assert any(not torch.equal(before[name], one[name]) for name in before if ".visual." in name)
    assert any(not torch.equal(before[name], two[name]) for name in text)


def test_N9_a_text_tower_that_is_to_learn_and_is_frozen_is_a_sentence(tiny_recipe, tiny_towers) -> None:
    config = read_recipe(tiny_recipe, overrides=["contrast.train_text=true", "trainable=adapters"])
    model, _ = load_model(str(tiny_towers))
    with pytest.raises(TrainingError, match="lets the text tower learn, but trainable"):
        contrastive.build(config, model, [], shard=Shard())


def test_N9_accumulation_says_what_it_does_to_the_negatives(tiny_recipe, pairs, tmp_path, said) -> None:
    overrides = ["epochs=1", "batch_size=8", "accumulate=4"]
    train(tiny_recipe, pairs, tmp_path / "run", task="contrast", overrides=overrides, device="cpu")
    assert "does not enlarge the set of negatives" in said.text
    assert '"negatives_a_pair": 7' in said.text


def test_M2_a_csv_of_file_names_and_captions_trains_with_every_setting_of_dhn_nce(tiny_recipe, pairs, tmp_path) -> None:
    rows = [json.loads(line) for line in pairs[0].read_text().splitlines()]
    table = pairs[0].with_name("medpix_train.csv")
    table.write_text("filename,Caption\n" + "".join(f'{row["image"]},"{row["caption"]}"\n' for row in rows))
    overrides = [
        "epochs=2",
        "contrast.loss=dhn_nce",
        "contrast.temperature=0.6",
        "contrast.beta_image=0.15",
        "contrast.beta_text=0.3",
        "contrast.train_text=true",
    ]
    result = train(tiny_recipe, [table, pairs[1]], tmp_path / "run", task="contrast", overrides=overrides, device="cpu")
    lines = [json.loads(line) for line in (result.folder / "metrics.jsonl").read_text().splitlines()]
    assert all(np.isfinite(line["loss"]) for line in lines)
    model, _ = load_model(str(result.folder))
    losses = {
        task_of(tiny_recipe, pairs, model, *overrides, change).validate(model)["loss"]
        for change in ("seed=0", "contrast.beta_image=1.0", "contrast.beta_text=1.0", "contrast.temperature=0.3")
    }
    assert len(losses) == 4


def test_N7_bad_lines_are_listed_by_number_and_refined_captions_change_the_text(tiny_recipe, pairs, said) -> None:
    pairs[0].write_text(pairs[0].read_text() + 'not json\n{"image": "gone.png", "caption": "x"}\n')
    config = read_recipe(tiny_recipe)
    failed: list[str] = []
    examples = contrastive.read(pairs, config, failed=failed)
    assert [reason.split(":")[0] for reason in failed] == [f"{pairs[0].name}, line {line}" for line in (33, 34)]
    assert "2 of 34 lines left out" in said.text
    assert "line 33" not in said.text  # the reasons are said once, by whoever trains
    assert [example.split for example in examples].count("train") == 32
    refined = contrastive.read(pairs, read_recipe(tiny_recipe, overrides=["contrast.captions=refined"]))
    assert examples[0].caption == "a dark round mass at the left"
    assert refined[0].caption == "round dark left"


def test_images_of_a_class_take_its_captions_and_are_no_negatives_of_each_other(
    tiny_recipe, tiny_towers, discs
) -> None:
    model, _ = load_model(str(tiny_towers))
    overrides = ("contrast.captions=classes", "contrast.loss=dhn_nce")
    task = task_of(tiny_recipe, [discs], model, *overrides)
    (batch,) = task.batches(0)
    classes = {"benign", "normal"}
    assert len(set(batch.meanings.tolist())) == len(classes)
    assert len(set(batch.texts.tolist())) > len(classes)  # several wordings of one class
    plain = task_of(tiny_recipe, [discs], model, *overrides, "contrast.equal_captions=negatives")
    assert task.validate(model)["loss"] < plain.validate(model)["loss"] - 0.1


def test_one_caption_for_all_is_refused(tiny_recipe, tiny_towers, pairs) -> None:
    rows = [json.loads(line) for line in pairs[0].read_text().splitlines()]
    pairs[0].write_text("".join(json.dumps(row | {"caption": "an ultrasound image"}) + "\n" for row in rows))
    model, _ = load_model(str(tiny_towers))
    with pytest.raises(TrainingError, match="compares captions"):
        task_of(tiny_recipe, pairs[:1], model)


def test_the_same_epoch_gives_the_same_batches(tiny_recipe, tiny_towers, pairs) -> None:
    model, _ = load_model(str(tiny_towers))
    task = task_of(tiny_recipe, pairs, model, "batch_size=8", "augment.speckle=1.0")
    first, second = list(task.batches(3)), list(task.batches(3))
    assert len(first) == task.steps_per_epoch() == 4
    for one, two in zip(first, second, strict=True):
        assert torch.equal(one.images, two.images)
        assert torch.equal(one.texts, two.texts)
    assert not torch.equal(first[0].texts, next(iter(task.batches(4))).texts)


def test_towers_that_diverged_are_never_the_best_and_stop_nothing(tiny_recipe, tiny_towers, pairs) -> None:
    model, _ = load_model(str(tiny_towers))
    task = task_of(tiny_recipe, pairs, model)
    with torch.no_grad():
        next(model.encoder.clip.visual.parameters()).fill_(float("nan"))
    scores = task.validate(model)
    assert np.isnan(scores["score"])
    assert scores["n"] == 32


@pytest.mark.slow
def test_N9_two_processes_compare_with_the_negatives_of_both(tiny_recipe, pairs, tmp_path) -> None:
    """`torchrun -m usassist.core.cli.train contrast`: the loss curve of one process on the same global batch.

    A process that saw its own half only would have half the negatives, and a loss lower by about log 2.
    """
    overrides = ["epochs=3", "batch_size=16", "lr=1e-4", "contrast.train_text=true"]
    one = train(tiny_recipe, pairs, tmp_path / "one", task="contrast", overrides=overrides, device="cpu")
    command = ["contrast", str(tiny_recipe), "--data", *map(str, pairs), "--device", "cpu", "--out", "two"]
    done = torchrun("-m", "usassist.core.cli.train", *command, "--set", *overrides, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    alone, shared = (
        [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        for folder in (one.folder, tmp_path / "two")
    )
    for first, second in zip(alone, shared, strict=True):
        assert first["loss"] == pytest.approx(second["loss"], abs=1e-4)
        assert first["val"]["loss"] == pytest.approx(second["val"]["loss"], abs=1e-3)
