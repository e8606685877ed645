import dataclasses

import numpy as np
import pytest
import torch

from tests.core.models.phantoms import tiny_config
from usassist.core.domain import Box, Frame, FrameRef, Mask, Prompt, PromptPoint, ScanRegion
from usassist.core.errors import ModelError
from usassist.core.io.open_study import find_sources, open_source
from usassist.core.models import work
from usassist.core.models.build import build_model
from usassist.core.models.config import Calibration, HeadConfig
from usassist.core.models.embedder import freeze_for_inference
from usassist.core.models.film import Film
from usassist.core.proposers import BuildOptions, build
from usassist.core.proposers.clip_mona import ClipMonaProposer

FILM = HeadConfig("film_skip", widths=(8,))
CLASSES = ("nerve", "artery", "vein")


def _engine(tmp_path, head: HeadConfig = FILM, **options) -> ClipMonaProposer:
    """Return an engine around a tiny model whose random FiLM follows what is asked; nothing is judged absent."""
    torch.manual_seed(0)
    config = tiny_config(tmp_path, head, calibration=Calibration(presence_threshold=0.0, threshold=0.4), **options)
    model = freeze_for_inference(build_model(config, folder=tmp_path))
    for film in (module for module in model.modules() if isinstance(module, Film)):
        torch.nn.init.normal_(film.scale.weight, std=0.3)
    return ClipMonaProposer(model, model.config, weights_hash="ab")


def _speckle(seed: int = 0, shape: tuple[int, int] = (90, 120)) -> Frame:
    pixels = np.random.default_rng(seed).gamma(2.0, 30.0, shape).clip(0, 255).astype(np.uint8)
    return Frame(FrameRef("s", seed), pixels)


def _disc(frame: Frame, *, row: int, col: int, radius: int = 12) -> Mask:
    rows, cols = np.mgrid[: frame.shape[0], : frame.shape[1]]
    return Mask.from_array((rows - row) ** 2 + (cols - col) ** 2 < radius**2)


def test_the_shipped_model_says_what_it_said_when_it_was_shipped(sample_dir) -> None:
    """Numbers of the sample's still, written down when the weights came."""
    (source,) = [s for s in find_sources(sample_dir / "images") if s.relative == "linear_lesions.png"]
    reader, engine = open_source(source), build("clip_mona", BuildOptions(device="cpu"))
    frame = reader.frame(0)
    reader.close()
    (free,), (asked,), (head,), (artery,) = (
        engine.propose(frame, Prompt("lesion", text=text))
        for text in (None, "breast lesion", "fetal head", "common carotid artery")
    )
    # A simulated picture is so strange that the model's word on presence counts little, and it says so.
    assert free.presence == pytest.approx(0.61218880, abs=1e-4) and free.quality == pytest.approx(0.75338589, abs=1e-4)
    assert asked.quality == pytest.approx(0.79234246, abs=1e-4)
    assert all(other.mask.is_empty and other.presence < 0.37 for other in (head, artery))
    assert free.strangeness == pytest.approx(1.02763289, abs=1e-3) and free.warning.startswith("Unlike")
    assert not free.mask.is_empty and free.label_id == "lesion"


def test_the_engine_says_what_it_computes_on(tmp_path) -> None:
    assert _engine(tmp_path).device == "cpu"


def test_P2_support_images_change_the_answer_and_are_encoded_once(tmp_path, monkeypatch) -> None:
    engine, query, support = _engine(tmp_path), _speckle(1), _speckle(2)
    cases = tuple((support, _disc(support, row=row, col=col)) for row, col in ((30, 30), (60, 90)))
    one, two = (engine.propose(query, Prompt("x", support=(case,)))[0].probability for case in cases)
    free = engine.propose(query, Prompt("x"))[0].probability
    assert not np.allclose(one, two, atol=1e-4) and not np.allclose(one, free, atol=1e-4)
    both = engine.propose(query, Prompt("x", support=cases))[0].probability
    assert not np.allclose(both, one, atol=1e-4)
    monkeypatch.setattr(engine._model, "embed_support", lambda *_: pytest.fail("encoded again"))
    again = engine.propose(query, Prompt("x", support=cases))[0].probability
    assert np.array_equal(both, again)


def test_P2_a_text_and_support_images_together_are_the_mean_of_both(tmp_path) -> None:
    engine, query, support = _engine(tmp_path), _speckle(1), _speckle(2)
    shown = ((support, _disc(support, row=30, col=30)),)
    prompts = Prompt("x", text="a cyst", support=shown), Prompt("x", text="a cyst"), Prompt("x", support=shown)
    both, text, case = (engine._conditions.of(prompt, engine._segmenter(), image=engine._image) for prompt in prompts)
    assert torch.allclose(both, (text + case) / 2, atol=1e-6)
    assert engine.propose(query, prompts[0])


def test_P2_support_that_shows_nothing_or_does_not_fit_is_a_sentence(tmp_path) -> None:
    engine, query, support = _engine(tmp_path), _speckle(1), _speckle(2)
    outside = Frame(support.ref, support.pixels, (ScanRegion(Box(0, 0, 90, 60), "b_mode"),))
    for case, words in (
        ((support, Mask.empty(support.shape)), "shows nothing inside its scan"),
        ((outside, _disc(support, row=30, col=100)), "shows nothing inside its scan"),
        ((support, Mask.empty((5, 5))), "does not fit its image"),
    ):
        with pytest.raises(ModelError, match=words):
            engine.propose(query, Prompt("x", support=(case,)))


def test_P2_an_object_thinner_than_a_pixel_of_the_model_still_counts(tmp_path) -> None:
    engine, support = _engine(tmp_path), _speckle(2, shape=(400, 400))
    line = np.zeros(support.shape, dtype=np.bool_)
    line[200, 50:300] = True
    assert engine.propose(_speckle(1), Prompt("x", support=((support, Mask.from_array(line)),)))


@pytest.mark.parametrize(
    ("head", "options"),
    [(HeadConfig("pyramid", width=16), {}), (FILM, {"classes": CLASSES})],
    ids=["a head without a condition", "several classes"],
)
def test_P2_a_model_that_takes_no_support_says_so(tmp_path, head, options) -> None:
    engine, support = _engine(tmp_path, head, **options), _speckle(2)
    with pytest.raises(ModelError, match=r"takes no support images.*promptable, film_skip or clipseg"):
        engine.propose(_speckle(1), Prompt("x", support=((support, _disc(support, row=30, col=30)),)))
    assert engine.propose(_speckle(1), Prompt("x", text="a cyst"))  # a text it does not follow does no harm


@pytest.mark.parametrize("head", [FILM, HeadConfig("pyramid", width=16), HeadConfig("clipseg", width=16)])
def test_several_classes_get_a_proposal_each_and_share_no_pixel(tmp_path, head) -> None:
    engine, frame = _engine(tmp_path, head, classes=CLASSES), _speckle()
    # Below a third, all three could claim a pixel.
    engine._answers = dataclasses.replace(engine._answers, threshold=0.2)
    proposals = engine.propose(frame, Prompt("ignored"))
    assert tuple(p.label_id for p in proposals) == CLASSES
    claimed = sum(p.mask.to_array().astype(int) for p in proposals)
    assert claimed.max() == 1
    total = sum(p.probability for p in proposals)
    assert total.max() < 1
    assert len({p.quality for p in proposals}) > 1  # each is judged by itself


def test_a_class_named_in_the_prompt_is_answered_alone(tmp_path) -> None:
    engine, frame = _engine(tmp_path, classes=CLASSES), _speckle()
    all_of_them = engine.propose(frame, Prompt("ignored"))
    (one,) = engine.propose(frame, Prompt("ignored", text=" Artery "))
    assert one.label_id == "artery" and one.mask == all_of_them[1].mask
    assert len(engine.propose(frame, Prompt("ignored", text="something else"))) == 3


def test_frames_and_texts_get_unit_vectors_of_one_space(tmp_path) -> None:
    engine, frame = _engine(tmp_path), _speckle()
    image, texts = engine.embed(frame), engine.embed_texts([f"text {index}" for index in range(70)])  # two chunks
    assert image.shape == (32,) and texts.shape == (70, 32)
    assert image.dtype == texts.dtype == np.float32
    assert np.allclose(np.linalg.norm(image), 1, atol=1e-5)
    assert np.allclose(np.linalg.norm(texts, axis=1), 1, atol=1e-5)
    assert np.allclose(texts[3], engine.embed_texts(["text 3"])[0], atol=1e-5)
    assert engine.logit_scale == pytest.approx(1 / 0.07, rel=1e-4)
    with pytest.raises(ModelError, match="no text"):
        engine.embed_texts([])


def test_a_frame_is_encoded_once_for_all_questions(tmp_path, monkeypatch) -> None:
    engine, frame = _engine(tmp_path), _speckle()
    engine.warm(frame)
    monkeypatch.setattr(engine._model, "encode", lambda *_: pytest.fail("encoded again"))
    engine.embed(frame)
    engine.propose(frame, Prompt("x"))


def test_N12_a_classifier_gives_each_class_its_probability(tmp_path) -> None:
    head = HeadConfig("pooled", width=16)
    engine, frame = _engine(tmp_path, head, task="classify", classes=CLASSES), _speckle()
    found = engine.classify(frame)
    assert tuple(name for name, _ in found) == CLASSES
    assert sum(p for _, p in found) == pytest.approx(1.0)
    sharper = dataclasses.replace(engine._config, calibration=Calibration(temperature=0.1))
    second = ClipMonaProposer(engine._model, sharper, weights_hash="")
    assert max(p for _, p in second.classify(frame)) > max(p for _, p in found)
    with pytest.raises(ModelError, match="draws no masks"):
        engine.propose(frame, Prompt("x"))


def test_models_of_another_task_say_what_they_are(tmp_path) -> None:
    engine = _engine(tmp_path, HeadConfig("none"), task="embed")
    assert engine.embed(_speckle()).shape == (32,)
    with pytest.raises(ModelError, match="draws no masks"):
        engine.propose(_speckle(), Prompt("x"))
    with pytest.raises(ModelError, match="names no classes"):
        engine.classify(_speckle())
    with pytest.raises(ModelError, match="names no classes"):
        _engine(tmp_path).classify(_speckle())


CLICKS = HeadConfig("promptable", widths=(8,))


@pytest.mark.parametrize(("short", "expected"), [(True, [1, 1, 3]), (False, [3, 3, 3])])
def test_one_frame_is_answered_on_one_thread_where_steps_are_short(short, expected, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(work, "has_short_steps", lambda model: short)
    engine, seen = _engine(tmp_path), []
    encode = engine._model.encode
    monkeypatch.setattr(engine._model, "encode", lambda x: seen.append(torch.get_num_threads()) or encode(x))
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        engine.warm(_speckle(0))
        engine.propose(_speckle(1), Prompt("lesion"))
        engine.propose_many([_speckle(2), _speckle(3)], Prompt("lesion"))
        assert seen == expected and torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def _clicked(tmp_path, **options) -> ClipMonaProposer:
    """Return an engine around a tiny model whose random encoder of prompts follows what is pointed at."""
    engine = _engine(tmp_path, CLICKS, **options)
    for layer in engine._model.head.prompts.add:
        torch.nn.init.normal_(layer.weight, std=3.0)
    return engine


def test_clicks_a_box_and_a_mask_change_the_answer_and_the_image_is_encoded_once(tmp_path, monkeypatch) -> None:
    engine, frame = _clicked(tmp_path), _speckle(1)
    free = engine.propose(frame, Prompt("x"))[0].probability
    monkeypatch.setattr(type(engine._model), "encode", lambda *_: pytest.fail("encoded again"))
    seen = [free]
    for prompt in (
        Prompt("x", points=(PromptPoint(30, 40),)),
        Prompt("x", points=(PromptPoint(30, 40, False),)),
        Prompt("x", points=(PromptPoint(90, 40),)),
        Prompt("x", box=Box(20, 20, 60, 80)),
        Prompt("x", mask=_disc(frame, row=40, col=30)),
    ):
        seen.append(engine.propose(frame, prompt)[0].probability)
        assert all(not np.allclose(seen[-1], other, atol=1e-4) for other in seen[:-1])
        assert np.array_equal(seen[-1], engine.propose(frame, prompt)[0].probability)


def test_a_click_in_the_scan_is_the_click_in_its_crop(tmp_path) -> None:
    engine, frame, box = _clicked(tmp_path), _speckle(1, (90, 120)), Box(10, 30, 74, 110)
    region = dataclasses.replace(frame, regions=(ScanRegion(box, "b_mode", None),))
    crop = Frame(FrameRef("crop", 0), np.ascontiguousarray(frame.pixels[box.slices]))
    inside = engine.propose(region, Prompt("x", points=(PromptPoint(50, 40),)))[0]
    alone = engine.propose(crop, Prompt("x", points=(PromptPoint(20, 30),)))[0]
    assert np.allclose(inside.probability[box.slices], alone.probability, atol=1e-6)
    with pytest.raises(ModelError, match="outside the part of the picture"):
        engine.propose(region, Prompt("x", points=(PromptPoint(5, 5),)))


def test_what_a_person_points_at_is_there(tmp_path) -> None:
    gate = Calibration(presence_threshold=1.0, presence_bias=-9.0, threshold=0.0)
    engine, frame = _clicked(tmp_path), _speckle(1)
    engine = ClipMonaProposer(engine._model, dataclasses.replace(engine._config, calibration=gate), weights_hash="ab")
    away, here = PromptPoint(30, 40, False), PromptPoint(60, 40)
    for prompt in (Prompt("x"), Prompt("x", points=(away,))):
        (absent,) = engine.propose(frame, prompt)
        assert absent.mask.is_empty and absent.presence < 1
    for prompt in (
        Prompt("x", points=(away, here)),
        Prompt("x", box=Box(20, 20, 60, 80)),
        Prompt("x", mask=_disc(frame, row=40, col=30)),
        Prompt("x", points=(away, here), mask=_disc(frame, row=40, col=30)),
    ):
        (present,) = engine.propose(frame, prompt)
        assert not present.mask.is_empty and present.presence == 1.0


def test_who_takes_away_from_a_mask_keeps_the_rest_and_says_nothing_about_presence(tmp_path) -> None:
    gate = Calibration(presence_threshold=1.0, presence_bias=-9.0, threshold=0.0)
    engine, frame = _clicked(tmp_path), _speckle(1)
    trim = Prompt("x", points=(PromptPoint(30, 40, False),), mask=_disc(frame, row=40, col=30, radius=36))
    for threshold, is_empty in ((0.0, False), (1.0, True)):
        own = dataclasses.replace(engine._config, calibration=dataclasses.replace(gate, threshold=threshold))
        (found,) = ClipMonaProposer(engine._model, own, weights_hash="ab").propose(frame, trim)
        assert found.presence < 1
        assert found.mask.is_empty == is_empty, "what the decoder says, whatever the presence"


def test_a_model_that_follows_no_clicks_says_so_and_answers_none(tmp_path) -> None:
    engine, frame = _engine(tmp_path), _speckle(1)
    assert engine.spec.prompts == {"text", "support"}
    for prompt in (Prompt("x", points=(PromptPoint(30, 9),)), Prompt("x", box=Box(1, 1, 9, 9))):
        with pytest.raises(ModelError, match="follows no clicks and no box; choose another model"):
            engine.propose(frame, prompt)
        with pytest.raises(ModelError, match="follows no clicks"):
            engine.propose_many([frame], prompt)


def test_a_model_that_follows_clicks_says_so(tmp_path) -> None:
    assert {"points", "box", "mask"} <= _clicked(tmp_path).spec.prompts


@pytest.mark.parametrize(
    ("head", "options"),
    [(HeadConfig("film_skip", widths=(8,)), {}), (HeadConfig("pyramid", width=8), {"classes": ("a", "b")})],
)
@pytest.mark.parametrize("text", [None, "a cyst"])
def test_many_frames_at_once_are_answered_as_one_by_one(tmp_path, head, options, text) -> None:
    engine, prompt = _engine(tmp_path, head, **options), Prompt("lesion", text=text)
    scan = ScanRegion(Box(5, 10, 80, 100), "b_mode")
    frames = [_speckle(0), _speckle(1, (64, 200)), dataclasses.replace(_speckle(2), regions=(scan,))]
    together = engine.propose_many(frames, prompt)
    assert not engine._frames, "they are not remembered: there may be a hundred thousand of them"
    assert len(together) == 3 and all(answer[0].seconds > 0 for answer in together)
    for frame, found in zip(frames, together, strict=True):
        for one, other in zip(engine.propose(frame, prompt), found, strict=True):
            assert (other.frame_key, other.label_id, other.prompt) == (one.frame_key, one.label_id, one.prompt)
            assert other.mask.shape == frame.shape
            assert np.mean(one.mask.to_array() != other.mask.to_array()) < 1e-3
            assert np.allclose(one.probability, other.probability, atol=1e-4)
            assert (other.presence, other.quality) == pytest.approx((one.presence, one.quality), abs=1e-4)


@pytest.mark.parametrize(
    "prompt",
    [
        Prompt("x", points=(PromptPoint(30, 40),)),
        Prompt("x", box=Box(9, 9, 40, 60)),
        Prompt("x", mask=Mask.empty((90, 120))),
    ],
    ids=["points", "box", "mask"],
)
def test_a_place_is_pointed_at_in_each_of_many_frames(tmp_path, prompt: Prompt) -> None:
    engine, frames = _clicked(tmp_path), [_speckle(0), _speckle(1)]
    mask = prompt.mask and _disc(frames[0], row=40, col=30)
    prompt = dataclasses.replace(prompt, mask=mask)
    together = engine.propose_many(frames, prompt)
    free = engine.propose_many(frames, Prompt("x"))
    for frame, found, other in zip(frames, together, free, strict=True):
        (one,) = engine.propose(frame, prompt)
        assert np.array_equal(one.probability, found[0].probability)
        assert not np.allclose(other[0].probability, found[0].probability, atol=1e-4)


def test_the_maps_have_the_size_of_the_shallowest_tap(tmp_path, monkeypatch) -> None:
    engine, frame = _clicked(tmp_path), _speckle(1)  # a ViT of 8 x 8 patches: no tap is at stride 4
    seen = []
    answer = type(engine._model).answer
    spy = lambda model, begun, maps=None: seen.append(maps) or answer(model, begun, maps)  # noqa: E731
    monkeypatch.setattr(type(engine._model), "answer", spy)
    engine.propose(frame, Prompt("x", points=(PromptPoint(30, 40),)))
    assert seen[0].shape[-2:] == engine._features(frame).taps[0].shape[-2:] == (8, 8)


def test_a_mask_that_comes_back_is_corrected_with_what_was_behind_it(tmp_path, monkeypatch) -> None:
    engine, frame, click = _clicked(tmp_path), _speckle(1), (PromptPoint(30, 40),)
    (first,) = engine.propose(frame, Prompt("x"))
    assert not first.mask.is_empty
    seen = []
    answer = type(engine._model).answer
    spy = lambda model, begun, maps=None: seen.append(maps) or answer(model, begun, maps)  # noqa: E731
    monkeypatch.setattr(type(engine._model), "answer", spy)
    loose = Mask(frame.shape, (0, 0), first.mask.to_array())
    for mask in (first.mask, loose, _disc(frame, row=40, col=30)):
        engine.propose(frame, Prompt("x", points=click, mask=mask))
    tight, wide, other = (maps[0, 5] for maps in seen)
    assert torch.equal(tight, wide), "the same pixels in a larger crop"
    assert tight.unique().numel() > 60 and other.unique().numel() < 20, "probabilities, and a mask of its own"
    expected = torch.from_numpy(first.probability)[None, None]
    expected = 2 * torch.nn.functional.interpolate(expected, size=tight.shape, mode="area")[0, 0] - 1
    assert torch.corrcoef(torch.stack([tight.flatten(), expected.flatten()]))[0, 1] > 0.9
    engine.close()
    engine.propose(frame, Prompt("x", points=click, mask=first.mask))
    assert seen[-1][0, 5].unique().numel() < 60


def test_freed_memory_is_kept_before_a_model_is_loaded(monkeypatch) -> None:
    told: list[str] = []

    def load(*_args: object, **_options: object) -> None:
        told.append("load")
        raise ModelError("enough")

    monkeypatch.setattr("usassist.core.proposers.clip_mona.keep_freed_memory", lambda: told.append("keep"))
    monkeypatch.setattr("usassist.core.models.weights.load_model", load)
    with pytest.raises(ModelError, match="enough"):
        build("clip_mona", BuildOptions(device="cpu"))
    assert told == ["keep", "load"]


def test_a_further_click_costs_neither_the_encoder_nor_the_first_level_of_the_decoder(tmp_path, monkeypatch) -> None:
    engine, frame = _clicked(tmp_path), _speckle(1)
    engine.propose(frame, Prompt("x", text="a cyst"))
    model = type(engine._model)
    for part in ("encode", "begin", "embed_texts"):
        monkeypatch.setattr(model, part, lambda *_, **__: pytest.fail("computed again"))
    engine.propose(frame, Prompt("x", text="a cyst", points=(PromptPoint(30, 40),)))
    with pytest.raises(pytest.fail.Exception):
        engine.propose(frame, Prompt("x", text="another", points=(PromptPoint(30, 40),)))


@pytest.mark.parametrize("threshold", [0.0, 1.0], ids=["all of it", "nothing"])
@pytest.mark.parametrize("regions", [(), (ScanRegion(Box(10, 30, 74, 110), "b_mode", None),)], ids=["whole", "scan"])
def test_whatever_the_model_says_clicked_pixels_have_their_sign(tmp_path, threshold, regions) -> None:
    engine, frame = _clicked(tmp_path), dataclasses.replace(_speckle(1), regions=regions)
    own = dataclasses.replace(engine._config, calibration=Calibration(threshold=threshold))
    engine = ClipMonaProposer(engine._model, own, weights_hash="ab")
    points = (PromptPoint(60, 40), PromptPoint(70, 44, False), PromptPoint(100.4, 60.6), PromptPoint(60, 56, False))
    for asked in ({}, {"box": Box(20, 40, 70, 100)}, {"mask": _disc(frame, row=40, col=60)}):
        (found,) = engine.propose(frame, Prompt("x", points=points, **asked))
        assert [found.mask.contains(round(p.y), round(p.x)) for p in points] == [p.positive for p in points]
        assert found.presence == 1.0


def test_a_follow_up_click_finds_the_probabilities_behind_what_was_made_of_the_answer(tmp_path) -> None:
    engine, frame = _clicked(tmp_path), _speckle(1)
    own = dataclasses.replace(engine._config, calibration=Calibration(threshold=0.0))
    engine = ClipMonaProposer(engine._model, own, weights_hash="ab")
    points = (PromptPoint(60, 40), PromptPoint(90, 44, False))
    (found,) = engine.propose(frame, Prompt("x", points=points))
    assert not found.mask.contains(44, 90) and found.mask.contains(40, 60)
    assert engine._past.behind(frame, found.mask) is not None


@pytest.mark.parametrize("threshold", [0.2, 0.8])
def test_answers_are_remembered_with_the_threshold_that_the_masks_are_cut_at(tmp_path, monkeypatch, threshold) -> None:
    model, told = _clicked(tmp_path)._model, []
    engine = ClipMonaProposer(model, model.config, weights_hash="ab", threshold=threshold)
    monkeypatch.setattr(engine._past, "keep", lambda *_, threshold, **__: told.append(threshold))
    (found,) = engine.propose(_speckle(1), Prompt("x", points=(PromptPoint(60, 40),)))
    assert told == [threshold] and found.mask.contains(40, 60)


def test_a_model_of_several_classes_takes_no_clicks_so_none_is_obeyed(tmp_path) -> None:
    engine = _engine(tmp_path, classes=CLASSES)
    with pytest.raises(ModelError, match="follows no clicks"):
        engine.propose(_speckle(), Prompt("x", points=(PromptPoint(30, 30),)))
