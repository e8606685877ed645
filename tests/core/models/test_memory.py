import os
import platform
import subprocess
import sys

import pytest

from usassist.core.models import memory

_STEPS = """
import resource, sys, threading
import torch
from usassist.core.models.memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
torch.set_num_threads(1)
def work():
    for step in range(24):
        if step == 12:  # the first steps take what the later ones find again
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        tensors = [torch.ones(int(sys.argv[3])) for _ in range(3 * 2**23 // int(sys.argv[3]))]
        del tensors
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
thread = threading.Thread(target=work)
thread.start() if sys.argv[2] == "thread" else work()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told")
@pytest.mark.parametrize(("where", "floats"), [("main", 2**20), ("thread", 3 * 2**23)])
def test_steps_that_allocate_the_same_again_cause_few_page_faults(where: str, floats: int) -> None:
    def faults(mode: str) -> int:
        command = [sys.executable, "-c", _STEPS, mode, where, str(floats)]
        # Left alone, glibc learns to keep blocks, on some runs sooner than on others; a threshold that is given stays.
        environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "131072"}
        run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120, env=environment)
        return int(run.stdout)

    assert faults("keep") * 3 < faults("leave")


def test_other_systems_are_left_alone(monkeypatch) -> None:
    monkeypatch.setattr(memory.platform, "system", lambda: "Darwin")
    assert not memory.keep_freed_memory()


def test_a_library_without_such_an_option_is_no_error(monkeypatch) -> None:
    monkeypatch.setattr(memory.platform, "system", lambda: "Linux")
    monkeypatch.setattr(memory.platform, "libc_ver", lambda: ("glibc", "2.0"))
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: object())
    assert not memory.keep_freed_memory()
