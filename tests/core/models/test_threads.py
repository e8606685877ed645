import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from usassist.core.models.threads import answers_side_by_side, one_thread, shared_threads


def _run(spare: int, **environment: str) -> str:
    code = (
        f"from usassist.core.models.threads import limit_threads; limit_threads(spare={spare}); import os, torch; "
        "print(torch.get_num_threads(), os.environ['OMP_WAIT_POLICY'])"
    )
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**clean, **environment}
    )
    return out.stdout.strip()


def test_at_least_one_thread_is_left_and_idle_ones_sleep() -> None:
    assert _run(1000) == "1 PASSIVE"


def test_what_the_user_set_wins() -> None:
    assert _run(0, OMP_NUM_THREADS="1", OMP_WAIT_POLICY="ACTIVE") == "1 ACTIVE"


def test_threads_that_begin_in_the_block_share_what_there_is(monkeypatch) -> None:
    def seen() -> int:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(torch.get_num_threads).result()

    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        with shared_threads(2):
            assert seen() == 2
        with shared_threads(1):
            assert seen() == 4
        with pytest.raises(ValueError, match="no"), shared_threads(8):
            assert seen() == 1
            raise ValueError("no")
        assert seen() == torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(before)


def test_answers_are_worth_computing_side_by_side_on_a_few_cores(monkeypatch) -> None:
    for threads, expected in ((1, 1), (2, 2), (64, 4)):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        assert answers_side_by_side("cpu") == expected
    assert answers_side_by_side("cuda") == 1


def test_one_thread_for_the_block_and_for_the_thread_that_asks_alone() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with ThreadPoolExecutor(1) as other:
            assert other.submit(torch.get_num_threads).result() == 3
            with pytest.raises(ValueError, match="no"), one_thread():
                assert torch.get_num_threads() == 1
                assert other.submit(torch.get_num_threads).result() == 3
                raise ValueError("no")
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
