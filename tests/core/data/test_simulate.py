"""The simulator is deterministic, moves truth and speckle together, and shows the physics it claims."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from usassist.core import paths
from usassist.core.data import simulate_sample
from usassist.core.data.simulate import (
    LESION_KINDS,
    Anatomy,
    Lesion,
    LesionKind,
    Motion,
    Probe,
    Scene,
    Screen,
    linear_probe,
    random_scene,
    simulate,
    simulate_still,
)
from usassist.core.errors import UsassistError
from usassist.core.geometry.cv import cv2

_SCREEN = Screen(rows=180, cols=240, spacing_mm=0.2, top=3)
_PLAIN = Anatomy(gland_mm=4.0, gland_end_mm=60.0, muscle_mm=70.0, pleura_mm=80.0)


def _scene(kind: LesionKind | None, *, motion: Motion | None = None) -> Scene:
    lesions = () if kind is None else (Lesion(kind, 0.0, 14.0, 6.0, 4.0, seed=1),)
    probe = dataclasses.replace(linear_probe(width_mm=46.0, depth_mm=34.0), beams=160, samples=400, looks=2)
    return Scene(probe, _SCREEN, anatomy=_PLAIN, lesions=lesions, motion=motion or Motion(), seed=3, density=15.0)


def test_the_same_seed_gives_the_same_pixels() -> None:
    first, second = simulate_still(_scene("cyst")), simulate_still(_scene("cyst"))
    assert np.array_equal(first.pixels, second.pixels)
    assert np.array_equal(first.classes, second.classes)
    other = simulate_still(dataclasses.replace(_scene("cyst"), seed=4))
    assert not np.array_equal(first.pixels, other.pixels)


@pytest.mark.parametrize("kind", LESION_KINDS)
def test_every_lesion_kind_is_drawn_and_named_in_the_truth(kind: LesionKind) -> None:
    picture = simulate_still(_scene(kind))
    assert picture.pixels.shape == picture.classes.shape == (_SCREEN.rows, _SCREEN.cols)
    assert set(np.unique(picture.classes)) == {0, LESION_KINDS.index(kind) + 1}
    expected_px = np.pi * 6.0 * 4.0 / 0.2**2
    assert 0.7 * expected_px < picture.mask.sum() < 1.3 * expected_px


def test_no_lesion_has_an_empty_truth() -> None:
    assert not simulate_still(_scene(None)).mask.any()


@pytest.mark.parametrize(("kind", "darker"), [("cyst", True), ("fibroadenoma", True), ("hyperechoic", False)])
def test_echogenicity_is_what_the_kind_says(kind: LesionKind, darker: bool) -> None:
    with_lesion, without = simulate_still(_scene(kind)), simulate_still(_scene(None))
    inside = cv2.erode(with_lesion.mask.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    change = float(with_lesion.pixels[inside].mean()) - float(without.pixels[inside].mean())
    assert change < -25 if darker else change > 15


@pytest.mark.parametrize(("kind", "sign"), [("cyst", 1), ("spiculated", -1)])
def test_a_cyst_enhances_and_a_dense_mass_shadows(kind: LesionKind, sign: int) -> None:
    with_lesion, without = simulate_still(_scene(kind)), simulate_still(_scene(None))
    behind = np.zeros((_SCREEN.rows, _SCREEN.cols), dtype=bool)
    behind[105:140, 110:130] = True
    change = float(with_lesion.pixels[behind].mean()) - float(without.pixels[behind].mean())
    assert sign * change > 8


def test_speckle_and_truth_move_with_the_tissue() -> None:
    motion = Motion(slide_mm=4.0, period_s=4.0)
    start, later = simulate(_scene("fibroadenoma", motion=motion), frames=2, frame_time_s=1.0)
    shift = round(4.0 / 0.2)  # a quarter of the period is the full amplitude
    moved = np.roll(start.classes, shift, axis=1)
    assert np.mean(moved[:, shift:] != later.classes[:, shift:]) < 0.01
    window = np.s_[30:150, 60:180]
    same = np.corrcoef(np.roll(start.pixels, shift, axis=1)[window].ravel(), later.pixels[window].ravel())[0, 1]
    unmoved = np.corrcoef(start.pixels[window].ravel(), later.pixels[window].ravel())[0, 1]
    assert same > 0.85
    assert same > unmoved + 0.2


def test_the_motions_inverse_undoes_it() -> None:
    motion = Motion(slide_mm=2.0, breathing_mm=1.0, compression=0.05)
    x, z = np.meshgrid(np.linspace(-20, 20, 9, dtype=np.float32), np.linspace(0, 40, 9, dtype=np.float32))
    for time_s in (0.0, 0.4, 1.7):
        dx, dz = motion.displacement(x, z, time_s=time_s)
        back_x, back_z = motion.rest_of(x + dx, z + dz, time_s=time_s)
        assert np.allclose(back_x, x, atol=1e-3)
        assert np.allclose(back_z, z, atol=1e-3)


def test_nothing_is_drawn_outside_a_sector() -> None:
    probe = Probe("convex", 60.0, 30.0, face_radius_mm=40.0, beams=96, samples=256, looks=1)
    scene = Scene(probe, Screen(rows=160, cols=240, spacing_mm=0.3, top=20), lesions=(), density=8.0)
    picture, footprint = simulate_still(scene), scene.screen.footprint(probe)
    assert not picture.pixels[~footprint].any()
    assert picture.pixels[footprint].mean() > 30
    assert not footprint[0, 0]


def test_an_impossible_probe_is_refused_in_a_sentence() -> None:
    with pytest.raises(UsassistError, match="opening angle"):
        Probe("convex", 200.0, 40.0, face_radius_mm=40.0)


def test_random_scenes_are_reproducible() -> None:
    assert random_scene(5, kind="cyst") == random_scene(5, kind="cyst")
    assert random_scene(5, kind=None).lesions == ()


def test_the_sample_is_written_with_the_same_bytes_twice(tmp_path: Path) -> None:
    for name in ("first", "second"):
        simulate_sample.write_cine(tmp_path / name, frames=2)
    first, second = (sorted((tmp_path / name).rglob("*.*")) for name in ("first", "second"))
    assert [path.name for path in first] == ["breast_cine.dcm", "breast_cine_0000.png", "breast_cine_0001.png"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_the_shipped_cine_is_a_calibrated_lossless_ultrasound_cine() -> None:
    import pydicom

    folder = paths.resources() / "sample"
    ds = pydicom.dcmread(folder / "images" / "breast_cine.dcm")
    scene = simulate_sample.cine_scene()
    assert ds.SOPClassUID.name == "Ultrasound Multi-frame Image Storage"
    assert ds.file_meta.TransferSyntaxUID.name == "JPEG-LS Lossless Image Compression"
    assert str(ds.PatientName) == "SAMPLE^SIMULATED"
    assert (ds.NumberOfFrames, float(ds.FrameTime), ds.LossyImageCompression) == (60, 50.0, "00")
    region = ds.SequenceOfUltrasoundRegions[0]
    assert (region.PhysicalUnitsXDirection, region.PhysicalDeltaX) == (3, pytest.approx(0.0225))
    frames = ds.pixel_array
    assert frames.shape == (60, scene.screen.rows, scene.screen.cols)
    box = np.s_[
        region.RegionLocationMinY0 : region.RegionLocationMaxY1 + 1,
        region.RegionLocationMinX0 : region.RegionLocationMaxX1 + 1,
    ]
    for index in range(60):
        truth = cv2.imread(str(folder / "masks" / f"breast_cine_{index:04d}.png"), cv2.IMREAD_UNCHANGED)
        assert truth is not None
        assert truth.dtype == np.uint8
        assert truth.shape == frames.shape[1:]
        assert set(np.unique(truth)) == {0, 255}
        assert truth[box].sum() == truth.sum()
        assert frames[index][truth > 0].mean() < frames[index][box].mean() - 20


def test_the_shipped_sample_is_what_the_simulator_makes() -> None:
    """Pixels may differ by a rounding between machines, never by a picture."""
    import pydicom

    folder = paths.resources() / "sample"
    shipped = pydicom.dcmread(folder / "images" / "breast_cine.dcm").pixel_array[0].astype(int)
    scene = simulate_sample.cine_scene()
    fresh = simulate_sample.mark(simulate_still(scene).pixels, scene).astype(int)
    assert np.abs(fresh - shipped).max() <= 2


def test_the_sample_stays_under_two_megabytes() -> None:
    folder = paths.resources() / "sample"
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 2_000_000
