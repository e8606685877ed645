import os
import subprocess
import sys


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
