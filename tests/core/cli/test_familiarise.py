"""`usassist models familiarise` lets an existing model learn what its training images look like."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.core.models.phantoms import tiny_config
from usassist.core import log, paths
from usassist.core.cli.main import main
from usassist.core.geometry.cv import cv2
from usassist.core.models.adding import add_model, verify_model
from usassist.core.models.build import build_model
from usassist.core.models.config import HeadConfig
from usassist.core.models.familiarity import FAMILIARITY_FILE, load_familiarity
from usassist.core.models.weights import find_model, load_model, save_model


def _dataset(folder: Path, *, train: int, val: int) -> Path:
    rng, lines = np.random.default_rng(0), ["file,split"]
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for number in range(train + val):
        pixels = rng.gamma(2.0, 30.0, (40, 56)).clip(0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / "images" / f"{number:02d}.png"), pixels)
        cv2.imwrite(str(folder / "masks" / f"{number:02d}.png"), np.zeros((40, 56), dtype=np.uint8))
        lines.append(f"{number:02d}.png,{'train' if number < train else 'val'}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Return the folder of an added model that does not know its training images."""
    torch.manual_seed(0)
    run = tmp_path / "run"
    run.mkdir()
    config = tiny_config(run, HeadConfig("film_skip", widths=(8,)))
    save_model(build_model(config, folder=run), run, config=config, clip_folder=run)
    return add_model(run, name="mine").folder


def test_a_model_learns_and_then_warns(mine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = _dataset(tmp_path / "data", train=50, val=20)
    cv2.imwrite(str(tmp_path / "white.png"), np.full((40, 56), 255, dtype=np.uint8))
    inputs = [str(data / "images" / "55.png"), str(tmp_path / "white.png")]

    def proposed(name: str) -> list[tuple[float | None, str]]:
        assert main(["propose", *inputs, "--model", "mine", "--out", str(tmp_path / name)]) == 0
        items = json.loads((tmp_path / name / "proposals.json").read_text(encoding="utf-8"))["items"]
        return [(item["strangeness"], item["warning"]) for item in items]

    assert proposed("before") == [(None, ""), (None, "")]
    capsys.readouterr()
    assert main(["models", "familiarise", "mine", "--data", str(data), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == 50
    assert verify_model("mine").is_sound and FAMILIARITY_FILE in verify_model("mine").unchanged
    (like, quiet), (unlike, warned) = proposed("after")
    assert like is not None and like < 1 and quiet == ""
    assert unlike is not None and unlike > 1 and "Unlike the images" in warned
    assert main(["models", "show", "mine"]) == 0
    assert "warns_of_unlike_images: True" in capsys.readouterr().out


def test_it_shows_how_far_it_is_unless_it_is_to_be_quiet(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(log.PROGRESS_VARIABLE, "lines")
    data = str(_dataset(tmp_path / "data", train=50, val=20))
    for wanted, flags in ((["reading images", "learning what is ordinary"], []), ([], ["-q"])):
        assert main(["models", "familiarise", "mine", "--data", data, *flags]) == 0
        told = [found for line in capsys.readouterr().err.splitlines() if (found := log.read_progress(line))]
        assert list(dict.fromkeys(what for what, _, _ in told)) == wanted
        assert all(done <= total for _, done, total in told)


def test_what_it_knew_of_a_model_that_is_gone_stays(mine: Path, tmp_path: Path) -> None:
    data, info = str(_dataset(tmp_path / "data", train=50, val=20)), find_model("mine")
    assert main(["models", "familiarise", "mine", "--data", data, "-q"]) == 0
    taps = {"weights_hash": info.weights_hash, "tap_channels": load_model("mine")[0].encoder.tap_channels}
    own = load_familiarity(mine, **taps)
    replace(own, before=(replace(own, images=7),)).save(mine, weights_hash=info.weights_hash)
    assert main(["models", "familiarise", "mine", "--data", data, "-q"]) == 0
    assert [known.images for known in load_familiarity(mine, **taps).before] == [7]


def test_too_few_images_and_a_shipped_model_are_refused(
    mine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = str(_dataset(tmp_path / "data", train=10, val=5))
    assert main(["models", "familiarise", "mine", "--data", data]) == 1
    assert "10 images of the split train and 5 of val" in capsys.readouterr().err
    assert not (mine / FAMILIARITY_FILE).exists()
    shipped = paths.resources() / "models" / "usassist-us"
    for name in ("usassist-us", str(shipped), os.path.relpath(shipped), f"{shipped}/../usassist-us"):
        assert main(["models", "familiarise", name, "--data", data]) == 1
        assert "ships with usassist" in capsys.readouterr().err
