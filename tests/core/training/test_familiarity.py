"""Learning what is ordinary: from enough images, the same each time, with the limits chosen on others."""

import logging

import numpy as np
import pytest

from usassist.core.data.dataset import load
from usassist.core.geometry.cv import cv2
from usassist.core.io.colour import COLOUR_LIMIT
from usassist.core.models.clip import ImageFeatures
from usassist.core.training import familiarity
from usassist.core.training.familiarity import LEAST_TRAIN, LEAST_VAL, learn_familiarity
from usassist.core.training.images import Picture, read_pictures


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
