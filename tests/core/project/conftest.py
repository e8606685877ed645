"""A project with one reader, and annotations made from any pattern."""

from pathlib import Path

import numpy as np
import pytest

from usassist.core.domain import Annotation, Mask, Project, Reader, Region
from usassist.core.project import store


@pytest.fixture
def project(tmp_path: Path) -> Project:
    images = tmp_path / "images"
    images.mkdir()
    made = store.create_project(tmp_path / "project", images_root=images)
    return store.add_reader(made, Reader("ann", "Ann"))


@pytest.fixture
def annotation() -> Annotation:
    """Return a lesion with a hole and a second component, and an edited proposal that overlaps it."""
    pixels = np.zeros((40, 60), dtype=np.bool_)
    pixels[5:20, 10:30] = True
    pixels[9:12, 15:20] = False
    pixels[30, 50] = True
    other = np.zeros((40, 60), dtype=np.bool_)
    other[0:10, 0:12] = True
    return Annotation(
        "scan-00000001_00000",
        "ann",
        (40, 60),
        (
            Region("r1", "lesion", Mask.from_array(pixels), attributes=(("birads", "4a"), ("größe", "überall"))),
            Region("r2", "structure", Mask.from_array(other), "engine", edited=True),
        ),
        "accepted",
        flagged=True,
        tags=("second look",),
        note="Schatten dorsal – 回声",
    )
