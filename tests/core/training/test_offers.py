"""Which recipes can be run here."""

from pathlib import Path

import pytest

from usassist.core import paths
from usassist.core.training import offers
from usassist.core.training.offers import segmentation_recipes


def _write(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.toml").write_text(f'name = "{name}"\ntitle = "T"\n{text}')


def test_only_what_needs_nothing_that_is_missing_is_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path, "a-scratch", "")
    _write(tmp_path, "b-imagenet", "[encoder]\nimagenet_start = true\n")
    _write(tmp_path, "c-based", '[encoder]\nbase = "no-such-model"\n')
    _write(tmp_path, "d-other", 'task = "classify"\n')
    _write(tmp_path, "e-broken", "nonsense = 3\n")
    _write(tmp_path, "f-on", 'start_from = "usassist-us"\n')
    _write(tmp_path, "g-second", "frozen_stages = 2\n[encoder]\nimagenet_start = false\n")
    _write(tmp_path, "h-second", 'trainable = "adapters"\n')
    found = segmentation_recipes([tmp_path, tmp_path / "missing"])
    assert [offer.path.stem for offer in found] == ["f-on", "a-scratch", "b-imagenet"]
    assert found[0].start == "goes on from usassist-us"
    monkeypatch.setattr(offers, "IMAGENET_PACKAGE", "no_such_package_of_ours")
    assert "b-imagenet" not in [offer.path.stem for offer in segmentation_recipes([tmp_path])]


def test_N15_the_shipped_model_can_be_adapted(usassist_home: Path) -> None:
    _write(usassist_home / "recipes", "mine", "")
    found = segmentation_recipes()
    assert found[0].path == paths.resources() / "recipes" / "usassist-adapt.toml"
    assert (found[0].config.start_from, found[0].config.trainable) == ("usassist-us", "adapters")
    assert "mine" in [offer.path.stem for offer in found]
    assert "usassist-us-refine" not in [
        offer.path.stem for offer in found
    ]  # a second step: what it starts from is given
    assert "nextgen-uia-segment" not in [offer.path.stem for offer in found]  # its base is the user's to add
