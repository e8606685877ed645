"""Learning what is ordinary: from enough images, the same each time, with the limits chosen on others."""

import dataclasses
import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from usassist.core.data.dataset import load
from usassist.core.geometry.cv import cv2
from usassist.core.io.colour import COLOUR_LIMIT
from usassist.core.models.adding import file_hash
from usassist.core.models.build import Model, build_model
from usassist.core.models.clip import ImageFeatures
from usassist.core.models.config import (
    WEIGHTS_FILE,
    AdapterConfig,
    EncoderConfig,
    HeadConfig,
    ModelConfig,
    PreprocessConfig,
)
from usassist.core.models.familiarity import FAMILIARITY_FILE, Familiarity, count_statistics, load_familiarity
from usassist.core.models.weights import ModelInfo, fill, find_model, save_model
from usassist.core.training import familiarity
from usassist.core.training.config import TrainConfig, read_recipe
from usassist.core.training.familiarity import LEAST_TRAIN, LEAST_VAL, kept_familiarity, learn_familiarity
from usassist.core.training.images import Picture, read_pictures
from usassist.core.training.run import train


@pytest.fixture
def dataset(tmp_path):
    """Write 50 speckled images to train on and 20 to validate on."""
    rng, lines = np.random.default_rng(0), ["file,split"]
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    for number in range(LEAST_TRAIN + LEAST_VAL):
        name = f"{number:02d}.png"
        pixels = rng.gamma(2.0, 30.0, (40, 56)).clip(0, 255).astype(np.uint8)
        cv2.imwrite(str(tmp_path / "images" / name), pixels)
        cv2.imwrite(str(tmp_path / "masks" / name), np.zeros((40, 56), dtype=np.uint8))
        lines.append(f"{name},{'train' if number < LEAST_TRAIN else 'val'}")
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


class _Model:
    """Has the mean of a grey image's quarters for features."""

    class config:  # noqa: N801  stands for an attribute
        class preprocess:  # noqa: N801
            size, mean, std = 32, (0.5,), (0.5,)

    class encoder:  # noqa: N801
        device = "cpu"

    def eval(self) -> None:
        """Do nothing."""

    def encode(self, images):
        import torch

        maps = torch.cat([image.unfold(1, 8, 8).unfold(2, 8, 8).flatten(3)[:1] for image in images]).permute(0, 3, 1, 2)
        return ImageFeatures(maps.mean((2, 3)), (maps[:, :24],))


def _parts(dataset) -> tuple[list[Picture], list[Picture]]:
    pictures, failed = read_pictures(load(dataset), size=32)
    assert not failed
    return ([p for p in pictures if p.example.split == "train"], [p for p in pictures if p.example.split == "val"])


def test_it_is_learned_from_training_images_and_limited_by_validation_images(dataset) -> None:
    train, val = _parts(dataset)
    told: list[tuple[str, int, int]] = []
    found = learn_familiarity(_Model(), train, val, on_progress=lambda *step: told.append(step))  # type: ignore[arg-type]
    assert found is not None
    assert found.images == LEAST_TRAIN and found.colour_limit == COLOUR_LIMIT
    assert told[-1][1:] == (2 * LEAST_TRAIN + LEAST_VAL,) * 2
    own = found.distances(familiarity._statistics(_Model(), [item.view for item in val]))  # type: ignore[arg-type]
    assert found.limit == pytest.approx(familiarity.MARGIN * np.quantile(own, 0.99))
    again = learn_familiarity(_Model(), train, val)  # type: ignore[arg-type]
    assert again is not None and again.limit == found.limit and (again.basis == found.basis).all()


def test_from_too_few_nothing_is_learned_and_that_is_said(dataset, caplog) -> None:
    train, val = _parts(dataset)
    with caplog.at_level(logging.WARNING):
        assert learn_familiarity(_Model(), train[1:], val) is None  # type: ignore[arg-type]
    assert "will not be recognised" in caplog.text and "found 49 and 20" in caplog.text


def test_where_validation_images_show_colour_it_is_ordinary(dataset) -> None:
    for number in range(LEAST_TRAIN, LEAST_TRAIN + LEAST_VAL):
        path = str(dataset / "images" / f"{number:02d}.png")
        pixels = cv2.imread(path)
        pixels[10:30, 10:40] = (0, 0, 255)
        cv2.imwrite(path, pixels)
    found = learn_familiarity(_Model(), *_parts(dataset))  # type: ignore[arg-type]
    assert found is not None and found.colour_limit > 0.2


@pytest.fixture
def begun(recipe, tmp_path) -> tuple[TrainConfig, ModelConfig, Familiarity]:
    """Save a model that knows what is ordinary; return a recipe that goes on from it, the new model, what is known."""
    config = ModelConfig(
        *("first", "First", EncoderConfig("usassist-lite0", (1, 2, 3, 4), (320,)), AdapterConfig(bottleneck=8)),
        head=HeadConfig("promptable", widths=(8, 8, 8)),
        preprocess=PreprocessConfig(64),
    )
    folder = tmp_path / "first"
    torch.manual_seed(0)
    model = build_model(config)
    save_model(model, folder, config=config)
    seen = np.random.default_rng(0).normal(size=(60, count_statistics(model.encoder.tap_channels)))
    known = dataclasses.replace(Familiarity.fit(seen.astype(np.float32)), limit=3.0)
    weights_hash = file_hash(folder / WEIGHTS_FILE)
    known.save(folder, weights_hash=weights_hash)
    goes_on = read_recipe(recipe, overrides=[f'start_from="{folder}"', "trainable=adapters", "preprocess.size=64"])
    provenance = {"start_from": {"name": "first", "weights_hash": weights_hash}}
    return goes_on, dataclasses.replace(config, provenance=provenance), known


def _gone_on(config: TrainConfig, description: ModelConfig, *parts: str) -> Model:
    """Return the model that a run went on from with other weights in the modules whose names have one of the parts."""
    model = build_model(description)
    fill(model, Path(config.start_from) / WEIGHTS_FILE)
    for name, parameter in model.named_parameters():
        if any(part in name for part in parts):
            torch.nn.init.normal_(parameter, std=0.05)
    return model


def test_behind_the_taps_that_are_looked_at_what_learns_leaves_what_is_ordinary(begun) -> None:
    config, description, known = begun
    kept = kept_familiarity(_gone_on(config, description, ".adapter.", "head."), config, description)
    assert kept is not None and kept.limit == known.limit and np.array_equal(kept.mean, known.mean)


def test_where_a_tap_that_is_looked_at_changed_nothing_is_kept(begun) -> None:
    config, description, _ = begun
    assert kept_familiarity(_gone_on(config, description, "stages.blocks.1"), config, description) is None
    stages = dataclasses.replace(description, adapter=AdapterConfig(placement="stages", bottleneck=8))
    wrapped = build_model(stages)
    assert kept_familiarity(wrapped, config, stages) is None


def test_of_other_settings_other_weights_and_other_runs_nothing_is_kept(begun, caplog) -> None:
    config, description, _ = begun
    model = _gone_on(config, description)
    other = {"provenance": {"start_from": {"name": "first", "weights_hash": "0"}}}
    for wrong in ({"provenance": {}}, other, {"preprocess": PreprocessConfig(64, mean=(0.4,))}):
        assert kept_familiarity(model, config, dataclasses.replace(description, **wrong)) is None
    for wrong in ({"trainable": "all"}, {"start_from": ""}):
        assert kept_familiarity(model, dataclasses.replace(config, **wrong), description) is None
    assert kept_familiarity(model, config, description) is not None
    assert not [record for record in caplog.records if record.levelno > logging.INFO]
    (Path(config.start_from) / FAMILIARITY_FILE).write_bytes(b"damaged")
    assert kept_familiarity(model, config, description) is None
    assert "is not known any more" in caplog.text
    (Path(config.start_from) / FAMILIARITY_FILE).unlink()
    assert kept_familiarity(model, config, description) is None


def _adapted(config: TrainConfig, recipe: Path, data: Path, out: Path) -> ModelInfo:
    overrides = [
        *(f'start_from="{config.start_from}"', "trainable=adapters", "preprocess.size=64", "preprocess.sharpest=0"),
        *("epochs=1", "batch_size=4", "threads=1", "adapter.bottleneck=8", "head.kind=promptable"),
        *("head.widths=[8, 8, 8]", "loss.contrast=0"),
    ]
    result = train(recipe, [data], out, overrides=overrides, device="cpu", task="segment")
    return find_model(str(result.folder))


def test_a_model_adapted_on_few_images_still_warns_of_others(begun, discs, recipe, tmp_path) -> None:
    config, _, known = begun
    info = _adapted(config, recipe, discs, tmp_path / "run")
    assert info.weights_hash != file_hash(Path(config.start_from) / WEIGHTS_FILE)
    channels = build_model(info.config).encoder.tap_channels
    kept = load_familiarity(info.folder, weights_hash=info.weights_hash, tap_channels=channels)
    assert kept is not None and np.array_equal(kept.basis, known.basis)


def test_a_model_adapted_on_many_images_still_takes_those_of_its_start_for_ordinary(
    begun, discs, recipe, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(familiarity, "LEAST_TRAIN", 4)
    monkeypatch.setattr(familiarity, "LEAST_VAL", 2)
    config, _, known = begun
    info = _adapted(config, recipe, discs, tmp_path / "run")
    channels = build_model(info.config).encoder.tap_channels
    found = load_familiarity(info.folder, weights_hash=info.weights_hash, tap_channels=channels)
    assert found is not None and found.images == 12
    (before,) = found.before
    assert np.array_equal(before.basis, known.basis) and before.limit == known.limit
