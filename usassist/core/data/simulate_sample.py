"""Write the shipped sample: a calibrated cine and a still with their truth, all simulated, the same bytes each time.

Run `python -m usassist.core.data.simulate_sample --out resources/sample`.
"""

import argparse
import logging
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from usassist.core import log
from usassist.core.data.simulate import (
    Anatomy,
    Lesion,
    Motion,
    Scene,
    Screen,
    convex_probe,
    linear_probe,
    simulate,
    simulate_still,
)
from usassist.core.geometry.cv import cv2

CINE_FRAMES = 60
FRAME_TIME_MS = 50.0
_NAMESPACE = uuid.UUID("6f6e9a0e-6f0f-5d6b-9a53-0d5b3c1f7a11")
_log = logging.getLogger(__name__)


def cine_scene() -> Scene:
    """Return the cine's scene: an irregular mass with a shadow under a convex probe, breathing and pressed."""
    return Scene(
        convex_probe(),
        Screen(rows=320, cols=424, spacing_mm=0.225, top=36),
        lesions=(Lesion("spiculated", -5.0, 19.5, 7.5, 6.0, tilt_deg=-8.0, seed=12),),
        motion=Motion(slide_mm=2.0, breathing_mm=0.8, compression=0.03, period_s=CINE_FRAMES * FRAME_TIME_MS / 1000),
        seed=7,
    )


def linear_scene() -> Scene:
    """Return the still's scene: six lesions, one of each kind, under a linear probe."""
    return Scene(
        linear_probe(width_mm=54.0),
        Screen(rows=404, cols=540, spacing_mm=0.1, top=4),
        anatomy=Anatomy(gland_mm=10.0, gland_end_mm=29.0, muscle_mm=32.0, pleura_mm=45.0),
        lesions=(
            Lesion("cyst", -20.0, 16.5, 4.4, 3.1, seed=1),
            Lesion("fibroadenoma", -8.5, 20.0, 5.4, 3.3, tilt_deg=-6.0, seed=2),
            Lesion("isoechoic", -7.0, 7.0, 3.6, 2.1, seed=4),
            Lesion("spiculated", 5.0, 17.5, 4.2, 4.4, seed=12),
            Lesion("hyperechoic", 16.5, 6.3, 4.2, 1.9, seed=5),
            Lesion("calcifications", 19.0, 19.5, 4.6, 3.8, seed=6),
        ),
        seed=5,
    )


def cine_dataset(pixels: npt.NDArray[np.uint8], scene: Scene) -> Any:
    """Return the multi-frame Ultrasound data set (pydicom Dataset) of TxHxW frames, JPEG-LS lossless.

    The patient is invented and says so; every UID follows from a fixed name, so the same frames give the same bytes.
    """
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless, UltrasoundMultiFrameImageStorage

    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = UltrasoundMultiFrameImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = _uid("instance")
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.ImplementationClassUID = _uid("implementation")
    ds.file_meta.ImplementationVersionName = "USASSIST_SIM_1"
    _describe(ds)
    ds.Rows, ds.Columns = pixels.shape[1:]
    ds.NumberOfFrames = len(pixels)
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit = 7
    ds.FrameTime = f"{FRAME_TIME_MS:g}"
    ds.FrameIncrementPointer = 0x00181063
    ds.CineRate = ds.RecommendedDisplayFrameRate = round(1000 / FRAME_TIME_MS)
    ds.LossyImageCompression = "00"
    ds.BurnedInAnnotation = "NO"
    ds.SequenceOfUltrasoundRegions = [_scan_region(scene)]
    ds.PixelData = pixels.tobytes()
    ds.compress(JPEGLSLossless, encoding_plugin="pyjpegls", generate_instance_uid=False)
    return ds


def _describe(ds: Any) -> None:
    """Fill in who, when and with what: all invented, and marked as simulated wherever a viewer may look."""
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.ImageType = ["DERIVED", "PRIMARY", "", "0001"]
    ds.PatientName, ds.PatientID = "SAMPLE^SIMULATED", "SIMULATED-0001"
    ds.PatientBirthDate, ds.PatientSex = "", "O"
    ds.PatientIdentityRemoved, ds.DeidentificationMethod = "YES", "Simulated: there is no patient"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = _uid("study"), _uid("series")
    ds.StudyDate = ds.SeriesDate = ds.ContentDate = "20250101"
    ds.StudyTime = ds.SeriesTime = ds.ContentTime = "120000"
    ds.StudyID, ds.SeriesNumber, ds.InstanceNumber, ds.AccessionNumber = "SIM1", 1, 1, ""
    ds.ReferringPhysicianName = ""
    ds.Modality, ds.Manufacturer, ds.ManufacturerModelName = "US", "usassist", "B-mode simulator"
    ds.StudyDescription, ds.SeriesDescription = "SIMULATED breast ultrasound", "SIMULATED cine, convex probe"
    ds.BodyPartExamined, ds.PatientOrientation = "BREAST", ""


def _scan_region(scene: Scene) -> Any:
    """Return the item of SequenceOfUltrasoundRegions (0018,6011) for the scan's bounding box, in cm."""
    from pydicom.dataset import Dataset

    rows, cols = np.nonzero(scene.screen.footprint(scene.probe))
    region = Dataset()
    region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 0  # 2D, tissue, opaque
    region.RegionLocationMinX0, region.RegionLocationMaxX1 = int(cols.min()), int(cols.max())
    region.RegionLocationMinY0, region.RegionLocationMaxY1 = int(rows.min()), int(rows.max())
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3  # cm
    region.PhysicalDeltaX = region.PhysicalDeltaY = scene.screen.spacing_mm / 10
    region.ReferencePixelX0 = round(0.5 * (scene.screen.cols - 1)) - int(cols.min())
    region.ReferencePixelY0 = scene.screen.top - int(rows.min())
    region.ReferencePixelPhysicalValueX = region.ReferencePixelPhysicalValueY = 0.0
    region.TransducerFrequency = int(scene.probe.frequency_mhz * 1000)  # kHz
    return region


def _uid(name: str) -> str:
    """Return a UID under the UUID root (DICOM PS3.5 B.2) that is the same for the same name."""
    return f"2.25.{uuid.uuid5(_NAMESPACE, name).int}"


def mark(pixels: npt.NDArray[np.uint8], scene: Scene) -> npt.NDArray[np.uint8]:
    """Return the picture with the word SIMULATED and a depth scale, a tick each cm, drawn outside the scan."""
    out = pixels.copy()
    cv2.putText(out, "SIMULATED", (6, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.36, 150, 1, cv2.LINE_AA)
    step = 10.0 / scene.screen.spacing_mm
    for tick in range(int(scene.probe.depth_mm // 10) + 1):
        row = round(scene.screen.top + tick * step)
        length = 7 if tick % 5 == 0 else 4
        out[row, scene.screen.cols - 4 - length : scene.screen.cols - 4] = 150
    return out


def write_cine(out: Path, *, frames: int = CINE_FRAMES) -> None:
    """Write `images/breast_cine.dcm` and `masks/breast_cine_0000.png` and so on (8-bit, 0 or 255) into a folder."""
    scene = cine_scene()
    images, masks = _folders(out)
    stack = []
    for index, picture in enumerate(simulate(scene, frames=frames, frame_time_s=FRAME_TIME_MS / 1000)):
        stack.append(mark(picture.pixels, scene))
        _write_png(masks / f"breast_cine_{index:04d}.png", picture.mask.astype(np.uint8) * 255)
    cine_dataset(np.stack(stack), scene).save_as(images / "breast_cine.dcm", enforce_file_format=True)


def write_linear(out: Path) -> None:
    """Write `linear_lesions.png` into images/ and masks/ (0 or 255), and its class map (indices) into class_masks/."""
    images, masks = _folders(out)
    picture = simulate_still(linear_scene())
    _write_png(images / "linear_lesions.png", picture.pixels)
    _write_png(masks / "linear_lesions.png", picture.mask.astype(np.uint8) * 255)
    # Not beside images/: a class map in the list of files would look like a picture that nobody can see.
    (out / "class_masks").mkdir(exist_ok=True)
    _write_png(out / "class_masks" / "linear_lesions.png", picture.classes)


def _folders(out: Path) -> tuple[Path, Path]:
    """Make and return images/ and masks/: the sample is a dataset folder like any other."""
    images, masks = out / "images", out / "masks"
    images.mkdir(parents=True, exist_ok=True)
    masks.mkdir(exist_ok=True)
    return images, masks


def _write_png(path: Path, pixels: npt.NDArray[np.uint8]) -> None:
    """Write an 8-bit grey PNG; through memory, because OpenCV cannot open every path on Windows."""
    _, encoded = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    path.write_bytes(encoded.tobytes())


def main(argv: Sequence[str] | None = None) -> int:
    """Write the whole sample; returns the exit status."""
    parser = argparse.ArgumentParser(description="Write the simulated sample that ships with usassist.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    options = parser.parse_args(argv)
    log.configure(verbosity=1)
    write_cine(options.out)
    write_linear(options.out)
    files = [path for path in sorted(options.out.rglob("*")) if path.is_file()]
    _log.info("%d files, %d bytes in %s", len(files), sum(path.stat().st_size for path in files), options.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
