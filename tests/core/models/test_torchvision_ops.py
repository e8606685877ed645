import subprocess
import sys


def test_open_clip_and_timm_import_after_prepare_in_a_fresh_process() -> None:
    code = (
        "from usassist.core.models.torchvision_ops import prepare; prepare(); prepare(); "
        "import timm, open_clip, torchvision, torch; print(hasattr(torch.ops.torchvision, 'nms'))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert out.stdout.strip() == "True", out.stderr


def test_importing_usassist_declares_nothing() -> None:
    code = "import sys, usassist, usassist.core.models, usassist.core.proposers; print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
