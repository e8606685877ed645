"""Whether a recipe suits its model and its data: said in a sentence before the first step."""

from collections.abc import Sequence

import torch

from usassist.core.captions.vocabulary import load_vocabulary
from usassist.core.data.dataset import Example
from usassist.core.errors import TrainingError
from usassist.core.models import vit
from usassist.core.models.build import Model
from usassist.core.training.config import TrainConfig


def require_drawn_classes(config: TrainConfig, examples: Sequence[Example]) -> None:
    """Raise TrainingError where `balance.class_draws` names what is neither in the data nor in the vocabulary.

    A class of the vocabulary may be missing from the data: one recipe serves several sets of data.
    """
    there = {example.class_name for example in examples if example.class_name}
    known = there | load_vocabulary().captions.keys()
    unknown = [name for name in config.balance.class_draws if name not in known]
    if unknown:
        raise TrainingError(
            f"balance.class_draws names {', '.join(unknown)}, which is a class neither of the data nor of the "
            f"vocabulary; the data have {', '.join(sorted(there)) or 'none'}. Correct the name, or leave it out."
        )


def require_early_size(config: TrainConfig, model: Model) -> None:
    """Raise TrainingError where the first epochs' size, another one than `preprocess.size`, does not suit the model."""
    size = config.size_at(0)
    if size == config.preprocess.size:
        return
    found = f"early_size = {size} does not suit the model: "
    remedy = "Set early_size = 0, or choose an encoder and a head that take any size (usassist-lite0, promptable)."
    if model.config.head.kind == "pyramid":
        raise TrainingError(f"{found}its head pyramid is built for images of {config.preprocess.size} alone. {remedy}")
    visual = model.encoder.clip.visual
    patch = vit.patch_size(visual)
    if size % patch:
        raise TrainingError(f"{found}patches of {patch} x {patch} pixels do not divide it. {remedy}")
    if not _takes(model, size):
        raise TrainingError(f"{found}its image tower takes images of {config.preprocess.size} alone. {remedy}")


@torch.inference_mode()
def _takes(model: Model, size: int) -> bool:
    """Return whether a model encodes a black image of another side; its statistics stay as they are."""
    was_training = model.training
    device = next(model.parameters()).device
    try:
        model.eval().encode(torch.zeros(1, 3, size, size, device=device))
    except (AssertionError, RuntimeError, ValueError):  # by tables of positions for one size: open_clip's and timm's
        return False
    finally:
        model.train(was_training)
    return True
