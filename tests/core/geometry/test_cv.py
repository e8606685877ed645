"""The one door to OpenCV."""

import os
import subprocess
import sys


def test_opencv_leaves_qt_alone() -> None:
    code = (
        "import os; from usassist.core.geometry.cv import cv2; print([k for k in os.environ if k.startswith('QT_QPA')])"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("QT_QPA")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
