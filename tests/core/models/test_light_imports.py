"""What is hidden while timm and open_clip are imported costs nothing, and is there as ever when somebody wants it."""

import subprocess
import sys

import pytest

from usassist.core.models.light_imports import light


def _says(code: str) -> str:
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert out.returncode == 0, out.stderr
    return out.stdout.strip()


def test_neither_the_compiler_nor_transformers_is_imported_and_both_can_be_afterwards() -> None:
    code = (
        "from usassist.core.models.torchvision_ops import prepare; prepare(); import sys, torch, timm, open_clip\n"
        "assert not [name for name in ('torch._dynamo', 'transformers', 'sympy') if name in sys.modules]\n"
        "import torch._dynamo.utils as utils\n"
        "assert isinstance(utils.is_compile_supported('cpu'), bool)\n"
        "assert torch._dynamo.is_compiling() is False\n"
        "assert len(vars(torch._dynamo)) > 30\n"
        "assert isinstance(sys.modules['torchvision.ops.roi_align'].is_compile_supported('cpu'), bool)\n"
        "import importlib.util\n"
        "if importlib.util.find_spec('transformers'):\n"
        "    import transformers\n"
        "    assert transformers.__version__\n"
        "print('done')"
    )
    assert _says(code) == "done"


def test_a_stand_in_that_is_asked_for_more_gives_way() -> None:
    code = (
        "import sys, torch\nfrom usassist.core.models.light_imports import light\n"
        "with light():\n"
        "    import torch._dynamo\n"
        "    stand_in = sys.modules['torch._dynamo']\n"
        "    assert not hasattr(stand_in, '__file__')\n"
        "    assert callable(stand_in.is_compiling)\n"
        "    assert sys.modules['torch._dynamo'] is not stand_in\n"
        "print(sys.modules['torch._dynamo'].__file__.endswith('__init__.py'))"
    )
    assert _says(code) == "True"


def test_what_is_imported_already_is_left_alone_and_failures_uncover(monkeypatch) -> None:
    marker = type(sys)("transformers")
    monkeypatch.setitem(sys.modules, "transformers", marker)
    with pytest.raises(KeyError), light():
        assert sys.modules["transformers"] is marker
        raise KeyError
    assert sys.modules["transformers"] is marker
    monkeypatch.delitem(sys.modules, "transformers")
    with pytest.raises(ImportError), light():
        import transformers  # noqa: F401
    assert "transformers" not in sys.modules
