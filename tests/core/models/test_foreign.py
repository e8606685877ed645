import subprocess
import sys
from collections import OrderedDict

import pytest

from usassist.core.models.foreign import imported_classes


def test_classes_of_imported_modules_are_found_and_of_others_there_is_no_object() -> None:
    assert imported_classes("collections.OrderedDict", "no_such_package.Thing") == (OrderedDict,)
    assert not isinstance(OrderedDict(), imported_classes("no_such_package.Thing"))


def test_a_class_that_was_moved_is_no_silent_no() -> None:
    with pytest.raises(AttributeError, match="no_such_class"):
        imported_classes("collections.no_such_class")


def test_asking_imports_nothing() -> None:
    code = (
        "import sys; from usassist.core.models.foreign import imported_classes\n"
        "print(imported_classes('wave.Wave_read'), 'wave' in sys.modules, end=' ')\n"
        "import wave; print(imported_classes('wave.Wave_read') == (wave.Wave_read,))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "() False True"
