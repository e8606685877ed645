import os
import platform
import subprocess
import sys

import pytest

from usassist.core.models import memory

_STEPS = """
import resource, sys
import torch
from usassist.core.models.memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
torch.set_num_threads(1)
for step in range(12):
    if step == 2:  # the first steps take what the later ones find again
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    tensors = [torch.ones(2**20) for _ in range(8)]
    del tensors
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told")
def test_steps_that_allocate_the_same_again_cause_few_page_faults() -> None:
    def faults(mode: str) -> int:
        command = [sys.executable, "-c", _STEPS, mode]
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
