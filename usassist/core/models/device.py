"""Where tensors live."""

import re
from typing import Any

from usassist.core.errors import ModelError


def resolve(name: str) -> Any:
    """Return the torch.device for auto, cpu or cuda (optionally cuda:N). Raises ModelError where there is none."""
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:\d{1,3})?", name):
        raise ModelError(f"{name!r} is no device; use auto, cpu or cuda.")
    if name == "cpu":
        return torch.device("cpu")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count == 0:
        raise ModelError("The device cuda was asked for, but torch sees no CUDA device here; use --device cpu or auto.")
    if int(name.partition(":")[2] or 0) >= count:
        raise ModelError(f"The device {name} was asked for, but torch sees {count}, counted from cuda:0.")
    return torch.device(name)
