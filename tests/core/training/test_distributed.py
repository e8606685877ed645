"""Two processes on one machine give what one gives: the same loss curve, the same weights."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.core.training import process
from usassist.core.errors import TrainingError
from usassist.core.models import torchvision_ops
from usassist.core.training import distributed
from usassist.core.training.distributed import Shard, from_first, gather_with_grad, joined_processes, mean_over_all
from usassist.core.training.norms import SyncedBatchNorm, synchronise_norms

ROOT = Path(__file__).resolve().parents[3]


def torchrun(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in two processes; torchrun's own rendezvous finds a free port."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What two processes found, see process.py."""
    folder = tmp_path_factory.mktemp("two")
    done = torchrun(str(Path(process.__file__)), str(folder / "found.json"), cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads((folder / "found.json").read_text())
    return found


@pytest.fixture
def one(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """What one process finds."""
    monkeypatch.setattr(process.loop.adapt, "select_trainable", process.loop.adapt.select_trainable)
    monkeypatch.setattr(process.loop, "lower", process.loop.lower)
    return lambda name: process.WHAT[name](Shard())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["curve", "accumulated", "uneven", "poisoned", "frozen"])
def test_two_processes_have_the_loss_curve_of_one(name: str, one, two) -> None:
    """Batch normalisation, a mean over some of the examples, a contrastive term, and parts that do not divide."""
    expected, found = one(name), two[name]
    assert np.allclose(found["loss"], expected["loss"], atol=1e-4)
    assert np.allclose(found["score"], expected["score"], atol=1e-4)
    assert found["skipped"] == expected["skipped"] == (4 if name == "poisoned" else 0)
    for part, other in zip(found["parts"], expected["parts"], strict=True):
        assert part.keys() == other.keys()
        assert all(abs(part[key] - other[key]) < 1e-4 for key in part)
    for kind in ("weights", "average"):
        assert list(found[kind]) == list(expected[kind])  # the names in the state dict are the same
        assert all(np.allclose(found[kind][key], expected[kind][key], atol=1e-4) for key in expected[kind])


@pytest.mark.slow
def test_no_thread_of_the_group_outlives_it(two) -> None:
    """One that gives back a tensor while Python ends would abort the process."""
    inside, behind = ([name for name in two[f"threads {where}"] if "gloo" in name] for where in ("inside", "behind"))
    assert inside or not Path("/proc").exists()
    assert behind == []


@pytest.mark.slow
def test_the_statistics_of_what_is_frozen_stay_as_they_were_in_one_process_and_in_two(one, two) -> None:
    """Those of a normalisation without weights of its own too: nothing learns there."""
    for found in (one("frozen"), two["frozen"]):
        for norm in ("encoder.1", "bare"):
            assert found["weights"][f"{norm}.num_batches_tracked"] == [0]
            assert set(found["weights"][f"{norm}.running_mean"]) == {0.0}
        assert found["weights"]["head.bias"] != found["average"]["head.bias"]


@pytest.mark.slow
def test_means_and_gathered_rows_have_the_gradient_of_one_process(one, two) -> None:
    expected, found = one("collectives"), two["collectives"]
    assert found["gathered"] == expected["gathered"]
    assert found["first"] == {"rank": 0}
    for name in ("gather", "mean", "weighted", "none", "sum"):
        assert np.allclose(found[name], expected[name], rtol=1e-5, atol=1e-6), name


@pytest.mark.slow
def test_synchronised_normalisation_is_that_of_the_whole_batch(one, two) -> None:
    expected, found = one("norms"), two["norms"]
    assert found["count"] == expected["count"] == 1
    for name in ("out", "gradient", "weight", "mean", "variance"):
        assert np.allclose(found[name], expected[name], rtol=1e-4, atol=1e-4), name


def test_one_process_needs_no_other() -> None:
    with joined_processes("cpu") as (shard, device):
        assert (shard, device) == (Shard(0, 1), "cpu")
    x = torch.randn(3, 2)
    assert gather_with_grad(x) is x
    assert torch.equal(mean_over_all(x), x.mean())
    assert mean_over_all(x, weights=torch.zeros_like(x)) == 0
    assert mean_over_all(x[:0]) == 0
    assert from_first(5) == 5


def test_a_batch_is_shared_in_its_order_and_completely() -> None:
    indices = np.arange(7)
    parts = [Shard(rank, 3).share(indices) for rank in range(3)]
    assert np.array_equal(np.concatenate(parts), indices)
    assert max(map(len, parts)) - min(map(len, parts)) == 1
    with pytest.raises(TrainingError, match="cannot be shared by 3 processes"):
        Shard(0, 3).share(np.arange(2))


def test_a_process_that_loses_the_others_says_so(monkeypatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("init_process_group", "destroy_process_group"):
        monkeypatch.setattr(distributed.dist, name, lambda *_: None)
    gone = RuntimeError("[../third_party/gloo/transport/tcp/pair.cc:553] Connection closed by peer")
    with pytest.raises(TrainingError, match="has stopped, so this one cannot go on"), joined_processes("cpu"):
        raise gone
    with pytest.raises(RuntimeError, match="shapes"), joined_processes("cpu"):
        raise RuntimeError("shapes do not fit")


def test_processes_that_never_meet_are_a_sentence(monkeypatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(TrainingError, match="start them all with torchrun"), joined_processes("cpu"):
        pass


def test_replaced_norms_keep_names_statistics_and_activations() -> None:
    torchvision_ops.prepare()
    from timm.layers import BatchNormAct2d

    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Sequential(BatchNormAct2d(4), nn.GELU()))
    model.train()
    model(torch.randn(2, 1, 5, 5))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    x = torch.randn(2, 1, 5, 5)
    expected = model(x), model.eval()(x)
    model.load_state_dict(before)
    assert synchronise_norms(model.train()) == 2
    assert sum(isinstance(module, SyncedBatchNorm) for module in model.modules()) == 2
    assert list(model.state_dict()) == list(before)
    assert torch.allclose(model(x), expected[0], atol=1e-5)
    assert torch.allclose(model.eval()(x), expected[1], atol=1e-5)


def test_a_norm_without_weights_or_statistics_is_replaced_too() -> None:
    plain = nn.BatchNorm1d(3, affine=False, track_running_stats=False)
    x = torch.randn(4, 3)
    assert torch.allclose(SyncedBatchNorm(plain)(x), plain(x), atol=1e-5)
    assert torch.allclose(SyncedBatchNorm(plain).eval()(x), plain.eval()(x), atol=1e-5)
