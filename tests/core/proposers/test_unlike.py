"""An engine says when a frame is unlike anything its model was trained on, and is quiet about ordinary frames."""

from collections import OrderedDict

import numpy as np
import pytest
import torch

from tests.core.models.phantoms import tiny_config
from usassist.core.data.dataset import Example
from usassist.core.domain import Frame, FrameRef, Prompt, Source
from usassist.core.geometry.cv import cv2
from usassist.core.io.open_study import find_sources, open_source
from usassist.core.io.scan import scan_grey
from usassist.core.models.build import build_model
from usassist.core.models.config import HeadConfig
from usassist.core.models.embedder import freeze_for_inference
from usassist.core.models.preprocess import resize_grey
from usassist.core.models.weights import find_model, load_model, save_model
from usassist.core.proposers import BuildOptions, build, unlike
from usassist.core.proposers.clip_mona import ClipMonaProposer
from usassist.core.proposers.remote import _answer, _Request
from usassist.core.proposers.unlike import UNLIKE, UNLIKE_IN_COLOUR, Likeness
from usassist.core.training.familiarity import learn_familiarity
from usassist.core.training.images import Picture, read_pictures


def _photograph(shape: tuple[int, int] = (240, 320)) -> np.ndarray:
    """Return what a camera makes of things in a room: flat faces, sharp edges and soft light, grey HxW."""
    light = np.linspace(120, 240, shape[1])[None, :] * np.linspace(1.0, 0.7, shape[0])[:, None]
    picture = light.astype(np.uint8)
    for number, (x, y) in enumerate(((40, 60), (130, 150), (230, 90))):
        cv2.rectangle(picture, (x, y), (x + 60, y + 80), 40 + 70 * number, -1)
        cv2.circle(picture, (x + 70, y + 20), 24, 250 - 90 * number, -1)
    return picture


def _frame(pixels: np.ndarray, name: str = "f") -> Frame:
    return Frame(FrameRef(name, 0), np.ascontiguousarray(pixels))


@pytest.fixture(scope="module")
def b_mode() -> list[Frame]:
    """Return all frames of the shipped, simulated cine."""
    from tests.conftest import ROOT

    (source,) = [s for s in find_sources(ROOT / "resources" / "sample" / "images") if s.relative == "breast_cine.dcm"]
    reader = open_source(source)
    frames = [reader.frame(ref.index) for ref in reader.study.frames]
    reader.close()
    return frames


@pytest.fixture(scope="module")
def folder(tmp_path_factory, b_mode):
    """Return the folder of a tiny model that knows every second frame of the cine, in random views."""
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    config = tiny_config(folder, HeadConfig("film_skip", widths=(8,)))
    model = freeze_for_inference(build_model(config, folder=folder))
    save_model(model, folder, config=config, clip_folder=folder)
    rng, pictures = np.random.default_rng(0), []
    for number in range(80):
        grey = scan_grey(b_mode[2 * number % len(b_mode)])
        top, left = rng.integers(0, 30, size=2)
        grey = np.ascontiguousarray(grey[top:, left:])
        example = Example("cine", "sim", Source(f"s{number}", folder / "gone.png", "gone.png", 0), 0)
        pictures.append(Picture(example, grey, resize_grey(grey, config.preprocess.size)))
    known = learn_familiarity(model, pictures[:60], pictures[60:])
    assert known is not None and known.images == 60
    known.save(folder, weights_hash=find_model(str(folder)).weights_hash)
    return folder


@pytest.fixture(scope="module")
def engine(folder) -> ClipMonaProposer:
    return build("clip_mona", BuildOptions(model=str(folder), device="cpu"))  # type: ignore[return-value]


def test_a_photograph_warns_and_an_ordinary_frame_does_not(engine, b_mode) -> None:
    for ordinary in b_mode[1:8:2]:
        (said,) = engine.propose(ordinary, Prompt("lesion"))
        assert said.strangeness is not None and said.strangeness < 1
        assert said.warning == ""
    for strange in (_photograph(), np.full((200, 300), 255, np.uint8), np.zeros((200, 300), np.uint8)):
        (said,) = engine.propose(_frame(strange), Prompt("lesion"))
        assert said.strangeness is not None and said.strangeness > 1
        assert said.warning == UNLIKE


def test_the_stranger_an_image_the_less_the_models_word_on_presence_counts(folder, engine, b_mode) -> None:
    model, info = load_model(str(folder))
    unwary = ClipMonaProposer(model, model.config, weights_hash=info.weights_hash)
    frames = [*b_mode[1:8:2], _frame(_photograph())]
    for frame, (batched,) in zip(frames, engine.propose_many(frames, Prompt("lesion")), strict=True):
        ((said,), (sure,)) = (each.propose(frame, Prompt("lesion")) for each in (engine, unwary))
        trust = Likeness(said.strangeness).trust
        logit = np.log(sure.presence / (1 - sure.presence))
        assert said.presence == pytest.approx(1 / (1 + np.exp(-trust * logit)), abs=1e-4)
        assert batched.presence == pytest.approx(said.presence, abs=1e-3)
    assert trust == 0.15


def test_trust_is_full_for_familiar_images_and_never_none() -> None:
    assert [Likeness(strangeness).trust for strangeness in (None, 0.0, 0.5)] == [1.0, 1.0, 1.0]
    assert Likeness(0.65).trust == pytest.approx(0.5)
    assert [Likeness(strangeness).trust for strangeness in (0.8, 1.0, 1e9)] == [0.15] * 3


def test_several_frames_at_once_are_judged_each_by_itself(engine, b_mode) -> None:
    frames = [b_mode[1], _frame(_photograph()), b_mode[3]]
    answers = engine.propose_many(frames, Prompt("lesion"))
    assert [bool(answer[0].warning) for answer in answers] == [False, True, False]
    for frame, (said,) in zip(frames, answers, strict=True):
        assert said.strangeness == pytest.approx(engine.propose(frame, Prompt("lesion"))[0].strangeness, rel=1e-3)


def test_colour_that_the_model_cannot_see_warns(engine, b_mode) -> None:
    pixels = np.repeat(np.asarray(scan_grey(b_mode[1]))[..., None], 3, axis=2)
    (said,) = engine.propose(_frame(pixels), Prompt("lesion"))
    assert said.warning == ""
    pixels = pixels.copy()  # a frame's are read-only
    rows, cols = pixels.shape[:2]
    pixels[rows // 3 : rows // 2, cols // 3 : cols // 2, 0] = 220
    (said,) = engine.propose(_frame(pixels), Prompt("lesion"))
    assert said.warning == UNLIKE_IN_COLOUR
    assert said.strangeness is not None and said.strangeness > 1


def test_a_frame_is_judged_once_however_often_it_is_asked_about(engine, monkeypatch) -> None:
    frame = _frame(_photograph((100, 140)))
    engine.propose(frame, Prompt("lesion"))
    monkeypatch.setattr(unlike, "statistics", lambda _features: pytest.fail("judged again"))
    assert engine.propose(frame, Prompt("lesion"))[0].warning == UNLIKE


def test_a_model_that_does_not_know_its_images_never_warns(folder) -> None:
    model, info = load_model(str(folder))
    engine = ClipMonaProposer(model, model.config, weights_hash=info.weights_hash)
    (said,) = engine.propose(_frame(_photograph()), Prompt("lesion"))
    assert (said.strangeness, said.warning) == (None, "")


def test_the_warning_reaches_the_other_process(engine) -> None:
    request = _Request("propose", b"t", _frame(_photograph()), (Prompt("lesion"),))
    ok, answer = _answer(engine, OrderedDict(), "clip_mona", request)
    assert ok and isinstance(answer, tuple)
    assert answer[0].warning == UNLIKE and answer[0].strangeness > 1


@pytest.mark.data
def test_the_shipped_models_features_tell_real_images_from_others(data_root) -> None:
    from usassist.core.data.dataset import load

    model, _ = load_model(None)
    examples = load(data_root / "busi")
    parts = {split: [example for example in examples if example.split == split] for split in ("train", "val")}
    size = model.config.preprocess.size
    train, val = (read_pictures(parts[name][:count], size=size)[0] for name, count in (("train", 60), ("val", 50)))
    known = learn_familiarity(model, train, val[:30])
    assert known is not None

    def warned(views: list[np.ndarray]) -> float:
        from usassist.core.models.familiarity import statistics
        from usassist.core.models.preprocess import to_tensor

        with torch.inference_mode():
            features = model.encode(to_tensor([resize_grey(view, size) for view in views], model.config.preprocess))
        return float((known.distances(statistics(features)) > known.limit).mean())

    noise = np.random.default_rng(0).integers(0, 256, (200, 300), dtype=np.uint8)
    assert warned([item.view for item in val[30:]]) <= 0.05
    assert warned([_photograph(), noise, np.zeros_like(noise), 255 - _photograph()]) == 1.0
