"""The one door to OpenCV: its wheel points Qt at plug-ins and fonts of its own, which breaks PySide6 in one process."""

import os

import cv2

for _name in ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR"):
    os.environ.pop(_name, None)

__all__ = ["cv2"]
