"""What holds for every format: masks come back as they were, and none is ever fitted to another frame."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from usassist.core.domain import Mask
from usassist.core.errors import ExchangeError
from usassist.core.exchange import specs
from usassist.core.exchange.format import FormatSpec, check_size, read_bytes
from usassist.core.project import atomic

FORMATS = pytest.mark.parametrize("spec", specs().values(), ids=specs())


def masks() -> Iterator[Mask]:
    """Yield masks that lose something where rows and columns change places, edges are cut or "all" means "nothing"."""
    rng = np.random.default_rng(3)
    for rows, columns in ((1, 1), (1, 9), (9, 1), (17, 30)):
        yield Mask.empty((rows, columns))
        yield Mask.from_array(np.ones((rows, columns), dtype=np.bool_))
        yield Mask.from_array(rng.random((rows, columns)) < 0.4)
    corner = np.zeros((20, 33), dtype=np.bool_)
    corner[-1, 0] = True
    yield Mask.from_array(corner)


def test_every_file_of_the_room_is_a_format() -> None:
    assert list(specs()) == ["nifti", "png_mask"]
    assert all(name == spec.name for name, spec in specs().items())


@FORMATS
def test_writing_and_reading_are_inverse(spec: FormatSpec, tmp_path: Path) -> None:
    for number, mask in enumerate(masks()):
        path = tmp_path / "a folder" / f"{number}{spec.suffix}"
        spec.write(path, mask)
        found = spec.read(path, mask.shape)
        assert found == mask
        assert found.shape == mask.shape


@FORMATS
@pytest.mark.parametrize("shape", [(30, 17), (17, 31), (34, 60), (510, 1)])
def test_a_mask_is_never_fitted_to_another_frame(spec: FormatSpec, tmp_path: Path, shape: tuple[int, int]) -> None:
    path = tmp_path / f"a{spec.suffix}"
    spec.write(path, Mask.from_array(np.eye(17, 30, dtype=np.bool_)))
    with pytest.raises(ExchangeError, match=rf"17 x 30 pixels .* has {shape[0]} x {shape[1]}\."):
        spec.read(path, shape)


@FORMATS
def test_a_write_that_fails_leaves_the_mask_that_was_there(
    spec: FormatSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, old = tmp_path / f"a{spec.suffix}", Mask.from_array(np.eye(5, 8, dtype=np.bool_))
    spec.write(path, old)

    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(atomic.os, "fsync", full)
        with pytest.raises(ExchangeError, match="The disk is full"):
            spec.write(path, Mask.from_array(np.ones((5, 8), dtype=np.bool_)))
    assert spec.read(path, old.shape) == old
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


@FORMATS
def test_a_mask_without_pixels_is_refused(spec: FormatSpec, tmp_path: Path) -> None:
    path = tmp_path / f"a{spec.suffix}"
    with pytest.raises(ExchangeError, match="A mask of 0 x 4 pixels"):
        spec.write(path, Mask.empty((0, 4)))
    assert not path.exists()


@FORMATS
def test_what_is_no_file_or_no_mask_is_a_sentence(spec: FormatSpec, tmp_path: Path) -> None:
    path = tmp_path / f"a{spec.suffix}"
    for prepare in (lambda: None, lambda: path.write_bytes(b""), lambda: path.write_bytes(b"no mask at all")):
        prepare()
        with pytest.raises(ExchangeError, match=str(path.name)):
            spec.read(path, (4, 4))


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(10))
    assert read_bytes(path, most=10) == bytes(10)
    with pytest.raises(ExchangeError, match="larger than 9 bytes"):
        read_bytes(path, most=9)


def test_a_size_that_nobody_asked_about_is_right() -> None:
    check_size(Path("a.png"), (3, 4), None)
    check_size(Path("a.png"), (3, 4), (3, 4))
    with pytest.raises(ExchangeError, match="never rescaled"):
        check_size(Path("a.png"), (4, 3), (3, 4))
