"""What a run writes so that it can go on after an interruption."""

import io
from pathlib import Path

from usassist.core.errors import TrainingError
from usassist.core.project.atomic import write_bytes
from usassist.core.training.loop import TrainState

CHECKPOINT_FILE = "checkpoint.pt"
# What a damaged or foreign file makes torch.load and load_state_dict raise.
_BROKEN = (OSError, EOFError, RuntimeError, LookupError, ValueError, TypeError, AttributeError)


def save_checkpoint(state: TrainState, folder: Path) -> None:
    """Write everything a resumed run continues from; whole or not at all."""
    import torch

    buffer = io.BytesIO()
    torch.save(
        {
            "model": state.model.state_dict(),
            "average": state.average.state_dict(),
            "optimiser": state.optimiser.state_dict(),
            "epoch": state.epoch,
            "step": state.step,
            "best": state.best,
        },
        buffer,
    )
    write_bytes(folder / CHECKPOINT_FILE, buffer.getvalue(), error=TrainingError)


def load_checkpoint(state: TrainState, folder: Path) -> None:
    """Fill a fresh state from a run's checkpoint. Raises TrainingError; never unpickles code."""
    import pickle

    import torch

    path = folder / CHECKPOINT_FILE
    if not path.is_file():
        raise TrainingError(f"{folder} holds no {CHECKPOINT_FILE}: no epoch was finished. Start a new run with --out.")
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        state.model.load_state_dict(saved["model"])
        state.average.load_state_dict(saved["average"])
        state.optimiser.load_state_dict(saved["optimiser"])
        state.epoch, state.step, state.best = int(saved["epoch"]), int(saved["step"]), float(saved["best"])
    except (*_BROKEN, pickle.UnpicklingError) as error:
        raise TrainingError(f"{path} cannot be resumed from ({error}); start a new run with --out.") from error
