"""Let timm and open_clip import torchvision beside a CPU-only torch.

torchvision's Linux wheels link against CUDA libraries; where those are absent its compiled part does not load, and
`import torchvision` dies because it registers shape functions for two operators that were never declared. usassist
uses neither operator, so declaring them is enough.
"""

import importlib.util
from ctypes import CDLL
from functools import cache
from pathlib import Path

from usassist.core.models.light_imports import light

_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_kept_alive: list[object] = []


@cache
def prepare() -> None:
    """Declare what is missing and import both, once a process; call it before the first import of either."""
    import torch

    if not _compiled_part_loads():
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name, schema in _SCHEMAS.items():
            if not hasattr(torch.ops.torchvision, name):
                library.define(schema)
        _kept_alive.append(library)  # the declarations vanish when the Library object is collected
    with light():
        import open_clip  # noqa: F401  # imports timm


def _compiled_part_loads() -> bool:
    """Return whether torchvision's `_C` can be loaded into this process, which by then holds torch's libraries."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        return False
    folder = Path(next(iter(spec.submodule_search_locations)))
    candidates = sorted([*folder.glob("_C*.so"), *folder.glob("_C*.pyd"), *folder.glob("_C*.dylib")])
    if not candidates:
        return False
    try:
        CDLL(str(candidates[0]))
    except OSError:
        return False
    return True
