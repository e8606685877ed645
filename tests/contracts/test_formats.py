"""What every mask format keeps, whoever adds it: one file in core/exchange is enough to be tested here."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.extra import numpy as hnp

from usassist.core import exchange
from usassist.core.domain import Frame, FrameRef, Mask
from usassist.core.errors import ExchangeError
from usassist.core.exchange.format import FormatSpec

SPECS = exchange.specs()
every_format = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
SHAPE = (23, 37)


def rings() -> Mask:
    """Return a mask with a hole, a second component and a pixel in a corner."""
    pixels = np.zeros(SHAPE, dtype=np.bool_)
    pixels[3:15, 4:20] = True
    pixels[6:9, 8:12] = False
    pixels[18:20, 25:30] = True
    pixels[-1, -1] = True
    return Mask.from_array(pixels)


def test_the_formats_of_the_contract_are_there() -> None:
    assert {"png_mask", "nifti"} <= SPECS.keys()
    assert list(SPECS) == sorted(SPECS)


@every_format
def test_names_and_suffixes(spec: FormatSpec) -> None:
    assert SPECS[spec.name] is spec
    assert spec.suffix.startswith(".")
    assert len({other.suffix for other in SPECS.values()}) == len(SPECS)


@every_format
@given(array=hnp.arrays(np.bool_, SHAPE))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_read_after_write_is_identity(spec: FormatSpec, tmp_path: Path, array: np.ndarray) -> None:
    path = tmp_path / f"a{spec.suffix}"
    spec.write(path, Mask.from_array(array))
    assert np.array_equal(spec.read(path, SHAPE).to_array(), array)


@every_format
@pytest.mark.parametrize("mask", [Mask.empty(SHAPE), rings(), Mask.from_array(np.ones(SHAPE, np.bool_))])
@pytest.mark.parametrize("shape", [SHAPE, (1, 1), (1, 50), (50, 1)])
def test_every_shape_with_and_without_a_frame(
    spec: FormatSpec, tmp_path: Path, mask: Mask, shape: tuple[int, int]
) -> None:
    cut = Mask.from_array(np.resize(mask.to_array(), shape))
    frame = Frame(FrameRef("a-00000000", 0), np.zeros(shape, np.uint8), spacing_mm=(0.1, 0.2))
    for given_frame in (None, frame):
        path = tmp_path / "folder" / f"ü 李{spec.suffix}"
        spec.write(path, cut, frame=given_frame)
        assert spec.read(path, shape) == cut
        assert [found.name for found in path.parent.iterdir()] == [path.name]


@every_format
def test_another_size_names_both_sizes(spec: FormatSpec, tmp_path: Path) -> None:
    path = tmp_path / f"a{spec.suffix}"
    spec.write(path, rings())
    with pytest.raises(ExchangeError, match=r"23 x 37.*37 x 23"):
        spec.read(path, (37, 23))


@every_format
def test_a_damaged_file_is_an_error(spec: FormatSpec, tmp_path: Path) -> None:
    path = tmp_path / f"a{spec.suffix}"
    spec.write(path, rings())
    whole = path.read_bytes()
    for data in (b"", b"no mask", whole[: len(whole) // 2], whole[:10]):
        path.write_bytes(data)
        with pytest.raises(ExchangeError):
            spec.read(path, SHAPE)
    path.unlink()
    with pytest.raises(ExchangeError):
        spec.read(path, SHAPE)


@every_format
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_keeps_the_old_file(
    spec: FormatSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / f"a{spec.suffix}"
    spec.write(path, rings())
    before = path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(ExchangeError, match="The disk is full"):
            spec.write(path, Mask.empty(SHAPE))
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == [path.name]
