"""What a run writes so that it can go on after an interruption."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from usassist.core.errors import ModelError, TrainingError
from usassist.core.models.adapt import owned_names
from usassist.core.models.config import ModelConfig
from usassist.core.project.atomic import write_bytes
from usassist.core.training.loop import TrainState

CHECKPOINT_FILE = "checkpoint.pt"
_COUNTERS = ("epoch", "step", "best", "waited", "skipped", "best_epoch")
_NEWER_COUNTERS = {"best_epoch": 0}  # what files of earlier versions do not hold
# What a damaged or foreign file makes torch.load and load_state_dict raise.
_BROKEN = (OSError, EOFError, RuntimeError, LookupError, ValueError, TypeError, AttributeError, ModelError)


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as read from `path`: the description of its model, and everything else."""

    path: Path
    config: ModelConfig
    saved: dict[str, Any]


def save_checkpoint(state: TrainState[Any], folder: Path, *, config: ModelConfig) -> None:
    """Write everything a resumed run continues from, of a model on a base its own tensors only; whole or not at all."""
    buffer = io.BytesIO()
    tensors = {
        "model": _owned(state.model, config),
        "average": _owned(state.average, config),
        "optimiser": state.optimiser.state_dict(),
    }
    counters = {name: getattr(state, name) for name in _COUNTERS}
    torch.save({"description": config.to_json(), **tensors, **counters}, buffer)
    write_bytes(folder / CHECKPOINT_FILE, buffer.getvalue(), error=TrainingError)


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read a run's checkpoint. Raises TrainingError; never unpickles code."""
    import pickle

    path = folder / CHECKPOINT_FILE
    if not path.is_file():
        raise TrainingError(f"{folder} holds no {CHECKPOINT_FILE}: no epoch was finished. Start a new run with --out.")
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        return Checkpoint(path, ModelConfig.from_json(saved["description"], where=str(path)), saved)
    except (*_BROKEN, pickle.UnpicklingError) as error:
        raise _refusal(path, error) from error


def restore(state: TrainState[Any], checkpoint: Checkpoint) -> None:
    """Bring a fresh state to where the checkpoint was written. Raises TrainingError."""
    saved = checkpoint.saved
    try:
        for model, tensors in ((state.model, saved["model"]), (state.average, saved["average"])):
            if owned_names(model, checkpoint.config) != tensors.keys():
                raise ValueError("it holds the tensors of another model")
            model.load_state_dict(tensors, strict=False)
        state.optimiser.load_state_dict(saved["optimiser"])
        counters = _NEWER_COUNTERS | saved
        for name in _COUNTERS:
            setattr(state, name, type(getattr(state, name))(counters[name]))
    except _BROKEN as error:
        raise _refusal(checkpoint.path, error) from error


def _owned(model: nn.Module, config: ModelConfig) -> dict[str, Tensor]:
    own = owned_names(model, config)
    return {name: tensor for name, tensor in model.state_dict().items() if name in own}


def _refusal(path: Path, error: Exception) -> TrainingError:
    return TrainingError(f"{path} cannot be resumed from ({error}); start a new run with --out.")
