"""The one door to OpenCV."""

import os
import subprocess
import sys

from usassist.core.geometry.cv import cv2


def test_opencv_is_loaded_on_first_use_and_leaves_qt_alone() -> None:
    code = (
        "import os, sys; from usassist.core.geometry.cv import cv2; print('cv2' in sys.modules, cv2.LINE_8,"
        " 'cv2' in sys.modules, [k for k in os.environ if k.startswith('QT_QPA')])"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("QT_QPA")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False 8 True []"


def test_it_is_opencv() -> None:
    import cv2 as itself

    assert cv2.resize is itself.resize
    assert issubclass(cv2.error, Exception)
    assert cv2.utils.logging.LOG_LEVEL_SILENT == 0
    assert not hasattr(cv2, "nothing")
