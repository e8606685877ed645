"""P-N4: what training validates and calibrates on is what the engine is given at work, to the last bit."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.core.io.conftest import dicom_dataset, write_dicom
from usassist.core.data.dataset import Example
from usassist.core.domain import Box, Frame
from usassist.core.geometry.cv import cv2
from usassist.core.geometry.sharpness import blur_to, blurred, sharpness
from usassist.core.io.find import find_sources
from usassist.core.io.open_study import open_source
from usassist.core.models.build import build_model
from usassist.core.models.config import EncoderConfig, ModelConfig
from usassist.core.models.segmenter import Segmenter
from usassist.core.proposers.clip_mona import ClipMonaProposer
from usassist.core.training import segmentation
from usassist.core.training.config import TrainConfig, read_recipe
from usassist.core.training.distributed import Shard
from usassist.core.training.images import eval_images, read_pictures
from usassist.core.training.loading import load_all

SCAN = Box(100, 40, 700, 900)


@pytest.fixture(params=[0.0, 0.05], ids=["as_they_are", "blurred"])
def config(request, recipe, quick) -> TrainConfig:
    return read_recipe(recipe, overrides=[*quick, f"preprocess.sharpest={request.param}"])


@pytest.fixture
def model(config) -> Segmenter:
    torch.manual_seed(0)
    encoder = EncoderConfig("usassist-lite0", config.encoder.taps, (320, 518))
    made = build_model(
        ModelConfig("m", "M", encoder, adapter=config.adapter, head=config.head, preprocess=config.preprocess)
    )
    assert isinstance(made, Segmenter)
    return made


@pytest.fixture
def files(tmp_path) -> list[Path]:
    """Return a picture of 1024 x 768 and a DICOM file of that size whose scan is a part of it, beside a bright bar."""
    pixels = np.random.default_rng(0).gamma(2.0, 30.0, (768, 1024)).clip(0, 255).astype(np.uint8)
    assert cv2.imwrite(str(tmp_path / "large.png"), pixels)
    pixels[:, SCAN.right :] = 255
    region = Dataset()
    region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 0
    region.RegionLocationMinX0, region.RegionLocationMinY0 = SCAN.left, SCAN.top
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = SCAN.right - 1, SCAN.bottom - 1
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX = region.PhysicalDeltaY = 0.01
    dataset = dicom_dataset([pixels])
    dataset.SequenceOfUltrasoundRegions = Sequence([region])
    write_dicom(dataset, tmp_path / "scan.dcm")
    return [tmp_path / "large.png", tmp_path / "scan.dcm"]


def _truth(shape: tuple[int, int]) -> np.ndarray:
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    return (rows - 0.4 * shape[0]) ** 2 + (cols - 0.5 * shape[1]) ** 2 < (0.2 * shape[0]) ** 2


def _examples(path: Path) -> list[Example]:
    (source,) = find_sources(path)
    return [Example(f"{path.name} {split}", "d", source, 0, _truth, split=split) for split in ("train", "train", "val")]


def _frame(path: Path) -> Frame:
    reader = open_source(find_sources(path)[0])
    try:
        return reader.frame(0)
    finally:
        reader.close()


def _validated(
    path: Path, config: TrainConfig, model: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> Iterator[torch.Tensor]:
    """Yield the input of a segment task's validation, and of its calibration."""
    task = segmentation.build(config, model, _examples(path), shard=Shard())
    seen: list[torch.Tensor] = []
    encode = model.encode
    monkeypatch.setattr(model, "encode", lambda images: seen.append(images) or encode(images))
    task.validate(model)
    task.finished(model, model.config)
    assert seen
    yield from seen


def _check(path: Path, config: TrainConfig, model: Segmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    at_work = ClipMonaProposer(model, model.config, weights_hash="")._image(_frame(path))
    assert all(torch.equal(images, at_work) for images in _validated(path, config, model, monkeypatch))
    pictures, failed = read_pictures(
        _examples(path)[2:], size=config.preprocess.size, sharpest=config.preprocess.sharpest
    )
    assert not failed
    assert torch.equal(next(eval_images(pictures, config)), at_work)  # contrast and classify


@pytest.mark.parametrize("which", [0, 1], ids=["larger_than_the_bound", "with_a_scan_region"])
def test_P_N4_validation_sees_what_the_engine_sees(which: int, files, config, model, monkeypatch) -> None:
    _check(files[which], config, model, monkeypatch)


@pytest.mark.data
@pytest.mark.parametrize("name", ["pydicom-data_OBXXXX1A.dcm", "pydicom-data_gdcm-US-ALOKA-16.dcm"])
def test_P_N4_validation_sees_what_the_engine_sees_of_real_scans(
    name: str, data_root, config, model, monkeypatch
) -> None:
    _check(data_root / "dicom" / name, config, model, monkeypatch)


def test_P_N4_training_learns_from_the_scan_and_its_truth_alone(files) -> None:
    (item, *_), failed = load_all(_examples(files[1]), size=64)
    assert not failed
    whole = _truth((768, 1024)).astype(np.uint8)
    inside = np.ascontiguousarray(whole[SCAN.slices])
    assert np.array_equal(item.view_truth, cv2.resize(inside, (64, 64), interpolation=cv2.INTER_NEAREST))
    assert item.grey.shape == item.truth.shape == (round(600 * 640 / 860), 640)
    assert item.grey[:, -20:].mean() < 128  # the bright bar beside the scan is out of sight
    assert item.truth.mean() == pytest.approx(inside.mean(), abs=0.01)


def test_what_is_augmented_is_blurred_as_much_as_what_the_engine_sees(files) -> None:
    (sharp, *_), _ = load_all(_examples(files[0]), size=64)
    (calm, *_), _ = load_all(_examples(files[0]), size=64, sharpest=0.05)
    assert sharpness(sharp.view) > 0.1
    assert sharpness(calm.view) <= 0.05
    sigma = blur_to(sharp.view, 0.05)
    assert np.array_equal(calm.view, blurred(sharp.view, sigma))
    assert np.array_equal(calm.grey, blurred(sharp.grey, sigma * 640 / 64, sigma * 480 / 64))
    assert np.array_equal(calm.truth, sharp.truth)


def test_P_N4_augmentation_has_twice_the_models_size_to_cut_from(files) -> None:
    (small, *_), _ = load_all(_examples(files[0]), size=64)
    (large, *_), _ = load_all(_examples(files[0]), size=448)
    assert small.grey.shape == small.truth.shape == (480, 640)
    assert large.grey.shape == large.truth.shape == (672, 896)
