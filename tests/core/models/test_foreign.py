import subprocess
import sys
from collections import OrderedDict

from usassist.core.models.foreign import seen


def test_classes_of_imported_modules_are_found_and_of_others_there_is_no_object() -> None:
    assert seen("collections.OrderedDict", "no_such_package.Thing", "collections.no_such_class") == (OrderedDict,)
    assert not isinstance(OrderedDict(), seen("no_such_package.Thing"))


def test_asking_imports_nothing() -> None:
    code = (
        "import sys; from usassist.core.models.foreign import seen\n"
        "print(seen('wave.Wave_read'), 'wave' in sys.modules, end=' ')\n"
        "import wave; print(seen('wave.Wave_read') == (wave.Wave_read,))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "() False True"
