"""One way from a file to a vector: every kind of file, and the window, the command line and training alike."""

import cv2
import numpy as np
import pytest
import torch

from usassist.core.data.example import Example
from usassist.core.domain import FrameRef
from usassist.core.errors import ReadError
from usassist.core.io.find import find_sources
from usassist.core.io.library import Library
from usassist.core.io.open_study import open_source
from usassist.core.models.build import build_model
from usassist.core.models.config import AdapterConfig, EncoderConfig, HeadConfig, ModelConfig, PreprocessConfig
from usassist.core.models.embedder import freeze_for_inference
from usassist.core.models.families import OPENAI_MEAN, OPENAI_STD
from usassist.core.models.preprocess import resize_grey, to_tensor
from usassist.core.proposers.clip_mona import ClipMonaProposer


@pytest.fixture(scope="module")
def engine() -> ClipMonaProposer:
    torch.manual_seed(0)
    config = ModelConfig(
        "e",
        "E",
        EncoderConfig("usassist-lite0", (0, 4), (320, 518)),
        task="embed",
        adapter=AdapterConfig("none"),
        head=HeadConfig("none"),
        preprocess=PreprocessConfig(64, OPENAI_MEAN, OPENAI_STD),
    )
    return ClipMonaProposer(freeze_for_inference(build_model(config)), config, weights_hash="")


@pytest.fixture(scope="module")
def grey() -> np.ndarray:
    """Return a picture that is not square: speckle, darker at one side."""
    rng = np.random.default_rng(0)
    return (rng.rayleigh(60, (120, 300)) * np.linspace(1, 0.3, 300)).clip(0, 255).astype(np.uint8)


def _frame(path):
    (source,) = find_sources(path)
    reader = open_source(source)
    try:
        return reader.frame(0)
    finally:
        reader.close()


def _write(folder, grey) -> list:
    """Write one picture as grey, RGB, 16-bit and as TIFF: the same values in each."""
    files = {
        "grey.png": grey,
        "rgb.png": np.stack([grey] * 3, axis=-1),
        "deep.png": grey.astype(np.uint16) * 257,
        "grey.tif": grey,
        "deep.tif": grey.astype(np.uint16) * 257,
    }
    for name, pixels in files.items():
        assert cv2.imwrite(str(folder / name), pixels)
    return [folder / name for name in files]


def test_N1_grey_rgb_16_bit_and_not_square_files_all_give_the_same_unit_vector(tmp_path, engine, grey) -> None:
    vectors = np.stack([engine.embed(_frame(path)) for path in _write(tmp_path, grey)])
    assert vectors.shape == (5, engine.embed_texts(["lesion"]).shape[1])
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert all(np.array_equal(vector, vectors[0]) for vector in vectors)
    other = grey[:, ::-1].copy()
    cv2.imwrite(str(tmp_path / "other.png"), other)
    assert not np.allclose(engine.embed(_frame(tmp_path / "other.png")), vectors[0], atol=1e-3)


def test_N1_a_file_and_the_windows_library_give_the_identical_vector(tmp_path, engine, grey) -> None:
    _write(tmp_path, grey)
    sources = find_sources(tmp_path)
    with Library(sources) as library:
        for source in sources:
            shown = library.frame(FrameRef(source.key, 0))
            fresh = ClipMonaProposer(engine._model, engine._config, weights_hash="")  # nothing remembered
            assert np.array_equal(fresh.embed(_frame(source.path)), engine.embed(shown))


def test_P_N4_training_and_the_engine_make_the_same_input(tmp_path, engine, grey) -> None:
    """P-N4: the publication cropped, squashed or took images as they were, by the stage, and never normalised."""
    path = _write(tmp_path, grey)[2]
    preprocess = engine._config.preprocess
    (source,) = find_sources(path)
    trained_on = to_tensor([resize_grey(Example("x", "d", source, 0).read_grey(), preprocess.size)], preprocess)
    assert torch.equal(trained_on, engine._image(_frame(path)))
    levels = trained_on * torch.tensor(OPENAI_STD)[:, None, None] + torch.tensor(OPENAI_MEAN)[:, None, None]
    assert torch.allclose(levels[0, 0], levels[0, 2], atol=1e-6)  # one grey value, normalised as its channel
    assert float(levels.min()) >= -1e-6
    assert float(levels.max()) <= 1 + 1e-6


@pytest.mark.parametrize("size", [48, 64, 96])
def test_P_N4_no_image_size_fails(engine, size: int) -> None:
    """P-N4: in the publication's zero-shot path an image of any size but 224 failed."""
    image = to_tensor([resize_grey(np.full((31, 777), 90, np.uint8), size)], engine._config.preprocess)
    with torch.inference_mode():
        assert engine._model.embed_images(image).shape[0] == 1


def test_N1_a_wrong_file_is_a_readable_error(tmp_path) -> None:
    (tmp_path / "notes.png").write_text("this is no picture")
    with pytest.raises(ReadError, match=r"notes\.png"):
        _frame(tmp_path / "notes.png")


@pytest.mark.data
def test_N1_real_ultrasound_of_every_kind_gives_unit_vectors(data_root, engine) -> None:
    files = [
        *sorted((data_root / "dicom").glob("*.dcm"))[:4],
        *(next((data_root / name / "images").iterdir()) for name in ("busi", "breast", "hc18", "carotid_mini")),
    ]
    for path in files:
        vector = engine.embed(_frame(path))
        assert abs(float(np.linalg.norm(vector)) - 1) < 1e-5, path.name
