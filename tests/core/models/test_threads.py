import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from usassist.core.models import threads
from usassist.core.models.threads import answers_side_by_side, fit_threads, shared_threads


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


@pytest.mark.parametrize(
    ("said", "expected"), [("1", 1), ("2", 2), ("3,2", 3), ("64", 4), ("many", 2), ("", 2), ("0", 2)]
)
def test_answers_are_worth_computing_side_by_side_on_a_few_cores(said: str, expected: int, monkeypatch) -> None:
    """What cannot be read says nothing, as for OpenMP itself."""
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    monkeypatch.setattr(threads, "_cores", lambda: 2)
    assert answers_side_by_side("cpu") == expected
    assert answers_side_by_side("cuda") == 1


def test_a_small_tower_has_one_thread_and_a_large_one_all_that_are_allowed(monkeypatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    before = torch.get_num_threads()
    try:
        fit_threads(3_400_000)
        assert torch.get_num_threads() == 1
        fit_threads(86_000_000)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
