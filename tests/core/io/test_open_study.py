"""The front door: light to import, quick on large folders."""

import subprocess
import sys


def test_importing_it_imports_no_medical_library() -> None:
    code = (
        "import sys, usassist.core.io.open_study, usassist.core.io.library, usassist.core.io.display;"
        "print(sorted({'pydicom', 'SimpleITK', 'gdcm', 'torch', 'PySide6'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
