"""Where a model comes from, as its description tells: program, data, and the models it started with."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

import usassist
from usassist import __version__
from usassist.core.data.dataset import Example
from usassist.core.errors import TrainingError
from usassist.core.models.config import ModelConfig
from usassist.core.training.division import learned_fingerprint, learned_from


def provenance(examples: Sequence[Example], data: Sequence[Path], *, task: str, **more: Any) -> dict[str, Any]:
    """Return what a run depends on besides its recipe; names only, no absolute paths. JSON values."""
    used = learned_from(examples)
    return {
        "command": f"usassist-train {task}",
        "usassist": __version__,
        "torch": torch.__version__,
        "python": sys.version.split()[0],
        **_revision(),
        "data": [path.name for path in data],
        "n_train": sum(e.split == "train" for e in used),
        "n_val": sum(e.split == "val" for e in used),
        "data_fingerprint": learned_fingerprint(examples),
        **more,
    }


def require_same_data(run: Path, before: ModelConfig, now: dict[str, Any]) -> None:
    """Refuse to go on with other images: neither the schedule nor what was measured would mean anything.

    Raises TrainingError.
    """
    if before.provenance.get("data_fingerprint") not in (None, now["data_fingerprint"]):
        raise TrainingError(
            f"The data of {run} changed since it was started; start a new run, from its weights if you like: "
            f"--set start_from={run}."
        )


def _revision() -> dict[str, str]:
    """Return the commit of the checkout that trains, marked where it was changed; nothing for an installed wheel."""
    root, git = Path(usassist.__file__).resolve().parent.parent, shutil.which("git")
    if git is None or not (root / ".git").exists():
        return {}
    command = [git, "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return {"git": said.stdout.strip()} if said.returncode == 0 else {}
