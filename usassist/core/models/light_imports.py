"""Import timm and open_clip without what they import and usassist does not use: a third of the time is left.

Both import torch's compiler for decorators that do nothing until something is compiled, and open_clip imports the
transformers package, where it is installed, for text towers that are built here by `bert_text`.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_COMPILER = "torch._dynamo"


@contextmanager
def light() -> Iterator[None]:
    """Hide the compiler and transformers inside the block; afterwards both can be imported as ever.

    What is imported already is left alone, and a stand-in that is asked for anything it does not know gives way to the
    real compiler. A function that timm marks as not to be compiled loses that mark, which only its NaFlexViT has.
    """
    hidden: dict[str, ModuleType | None] = {}
    if _COMPILER not in sys.modules:
        hidden |= _stand_ins()
    if "transformers" not in sys.modules:
        hidden["transformers"] = None  # an import of it then fails as if it were not installed
    modules: dict[str, Any] = sys.modules  # None is allowed there, though typed otherwise
    modules.update(hidden)
    try:
        yield
    finally:
        _uncover(hidden)


def _uncover(hidden: dict[str, ModuleType | None]) -> None:
    for name, module in hidden.items():
        if name in sys.modules and sys.modules[name] is module:
            del sys.modules[name]


def _stand_ins() -> dict[str, ModuleType | None]:
    """Return modules in the compiler's place that know the two names which timm and torchvision import."""
    compiler, utils = ModuleType(_COMPILER), ModuleType(f"{_COMPILER}.utils")
    stand_ins: dict[str, ModuleType | None] = {_COMPILER: compiler, utils.__name__: utils}

    def real(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        _uncover(stand_ins)
        import torch._dynamo as found

        return getattr(found, name)

    vars(compiler).update(utils=utils, disable=_disable, __getattr__=real, __path__=[])
    vars(utils).update(is_compile_supported=_is_compile_supported)
    return stand_ins


def _disable(function: Callable[..., Any] | None = None, *_: object, **__: object) -> Any:
    """Return the function, or a decorator that does."""
    return function if function is not None else lambda decorated: decorated


def _is_compile_supported(device: str) -> bool:
    """Ask the real compiler; torchvision does when its region pooling is called, not when it is imported."""
    from torch._dynamo.utils import is_compile_supported

    return bool(is_compile_supported(device))
