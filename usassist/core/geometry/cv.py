"""The one door to OpenCV: its wheel points Qt at plug-ins and fonts of its own, which breaks PySide6 in one process.

OpenCV is loaded when it is first used: the window is painted before, and an empty one needs none of its memory.
"""

import importlib
import os
from types import ModuleType
from typing import TYPE_CHECKING

__all__ = ["cv2"]


class _OnFirstUse(ModuleType):
    """A module that is imported when it is first asked for something; what was found once is kept here."""

    def __getattr__(self, name: str) -> object:
        module = importlib.import_module(self.__name__)
        for variable in ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR"):
            os.environ.pop(variable, None)
        value: object = getattr(module, name)
        setattr(self, name, value)
        return value


if TYPE_CHECKING:
    import cv2
else:
    cv2 = _OnFirstUse("cv2")
