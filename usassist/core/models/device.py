"""Where tensors live."""

from typing import Any

from usassist.core.errors import ModelError


def resolve(name: str) -> Any:
    """Return the torch.device for auto, cpu or cuda (optionally cuda:N). Raises ModelError where there is none."""
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ModelError("The device cuda was asked for, but torch sees no CUDA device here; use --device cpu or auto.")
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise ModelError(f"{name!r} is no device; use auto, cpu or cuda.") from error
