import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from tests.core.models.phantoms import tiny_config
from usassist.core.domain import Frame, FrameRef, Mask, Prompt, Proposal
from usassist.core.errors import ModelError
from usassist.core.models.build import build_model
from usassist.core.models.config import HeadConfig
from usassist.core.models.weights import save_model
from usassist.core.proposers import BuildOptions, build
from usassist.core.proposers.clip_mona import ClipMonaProposer
from usassist.core.proposers.remote import RemoteProposer, _answer, _Request, start


def _frame(index: int = 0) -> Frame:
    pixels = np.random.default_rng(index).gamma(2.0, 30.0, (90, 120)).clip(0, 255).astype(np.uint8)
    pixels[30:60, 40:80] //= 8
    return Frame(FrameRef("f", index), pixels)


@pytest.fixture
def remote():
    engine = start("classical", BuildOptions())
    assert isinstance(engine, RemoteProposer)
    yield engine
    engine.close()


def test_a_child_answers_as_the_engine_itself_does(remote) -> None:
    local = build("classical", BuildOptions())
    for index in range(6):  # more than the child remembers
        remote.warm(_frame(index))
        (mine,), (theirs,) = (engine.propose(_frame(index), Prompt("lesion")) for engine in (local, remote))
        assert mine.mask == theirs.mask and mine.score == theirs.score
    (again,) = remote.propose(_frame(0), Prompt("lesion"))
    assert again.frame_key == _frame(0).ref.key


def test_a_child_says_what_it_computes_on(remote) -> None:
    assert remote.device == "", "it has loaded nothing yet"
    remote.warm(_frame())
    assert remote.device == "cpu"


def test_a_killed_child_is_a_sentence_and_the_next_call_works(remote) -> None:
    remote.warm(_frame())
    os.kill(remote._process.pid, signal.SIGKILL)
    with pytest.raises(ModelError, match="stopped unexpectedly"):
        remote.propose(_frame(), Prompt("lesion"))
    assert remote.propose(_frame(), Prompt("lesion"))


def test_a_model_that_is_not_there_is_the_engines_own_sentence() -> None:
    engine = start("clip_mona", BuildOptions(model="nothing"))
    with pytest.raises(ModelError, match="no model 'nothing'"):
        engine.warm(_frame())
    engine.close()


def test_closing_ends_the_child(remote) -> None:
    remote.warm(_frame())
    process = remote._process
    remote.close()
    assert not process.is_alive()


def test_an_unknown_engine_is_refused_before_a_process_starts() -> None:
    with pytest.raises(ModelError, match="no engine"):
        start("nothing", BuildOptions())


def test_closing_in_the_middle_of_a_call_ends_the_call_and_the_child(remote) -> None:
    """The window closes the engine on its own thread while the lane may be inside `propose`."""
    remote.warm(_frame())
    process, said = remote._process, []
    os.kill(process.pid, signal.SIGSTOP)  # an engine that takes for ever

    def ask() -> None:
        try:
            remote.propose(_frame(), Prompt("lesion"))
        except ModelError as error:
            said.append(str(error))

    lane = threading.Thread(target=ask)
    lane.start()
    while not remote._calling.locked():
        pass
    remote.close()
    lane.join(60)
    assert not lane.is_alive() and not process.is_alive()
    assert len(said) == 1 and "was closed" in said[0]


def test_a_closed_engine_starts_no_child(remote) -> None:
    remote.close()
    with pytest.raises(ModelError, match="was closed"):
        remote.warm(_frame())
    assert remote._process is None
    remote.close()


def test_closing_while_the_child_starts_leaves_no_child() -> None:
    before = set(multiprocessing.active_children())
    for _ in range(4):  # somebody who clicks through the engines
        engine = start("classical", BuildOptions())
        lane = threading.Thread(target=lambda engine=engine: _quietly(engine))
        lane.start()
        engine.close()
        lane.join(60)
        assert not lane.is_alive()
    assert set(multiprocessing.active_children()) <= before


def _quietly(engine) -> None:
    with contextlib.suppress(ModelError):
        engine.warm(_frame())


def test_an_interrupt_between_question_and_answer_never_gives_the_old_answer(remote, monkeypatch) -> None:
    remote.warm(_frame())

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(remote._connection, "recv", interrupted)
    with pytest.raises(KeyboardInterrupt):
        remote.propose(_frame(0), Prompt("lesion"))
    (answer,) = remote.propose(_frame(1), Prompt("lesion"))
    assert answer.frame_key == _frame(1).ref.key


class _Tripping:
    """An engine with a fault nobody foresaw."""

    weights_hash = ""

    def propose(self, frame: Frame, prompt: Prompt) -> tuple[Proposal, ...]:
        raise KeyError(frame.ref.key)


def test_an_engine_that_trips_over_a_frame_says_so_and_goes_on() -> None:
    frame = _frame()
    request = _Request("propose", b"t", frame, (Prompt("lesion"),))
    ok, said = _answer(_Tripping(), OrderedDict(), "tripping", request)
    assert not ok and "KeyError" in said and "the frame itself is fine" in said


def test_an_engine_without_embeddings_says_so_and_goes_on(remote) -> None:
    for ask in (
        lambda: remote.embed(_frame()),
        lambda: remote.embed_texts(["a cyst"]),
        lambda: remote.classify(_frame()),
        lambda: remote.logit_scale,
    ):
        with pytest.raises(ModelError, match="knows no embeddings and no classes"):
            ask()
    assert remote.propose(_frame(), Prompt("lesion"))


def test_a_child_embeds_and_follows_support_images_as_the_engine_itself_does() -> None:
    local, remote = build("clip_mona", BuildOptions(device="cpu")), start("clip_mona", BuildOptions(device="cpu"))
    assert isinstance(local, ClipMonaProposer) and isinstance(remote, RemoteProposer)
    frame, texts = _frame(), ["breast lesion", "fetal head"]
    mask = Mask.from_array(frame.pixels < 12)
    prompt = Prompt("lesion", support=((_frame(1), mask),))
    try:
        assert np.allclose(remote.embed(frame), local.embed(frame), atol=1e-5)
        assert np.allclose(remote.embed_texts(texts), local.embed_texts(texts), atol=1e-5)
        assert remote.logit_scale == pytest.approx(local.logit_scale)
        assert remote.precision == local.precision == "fp32"
        (mine,), (theirs,) = (engine.propose(frame, prompt) for engine in (local, remote))
        assert theirs.presence == pytest.approx(mine.presence, abs=1e-5) and theirs.prompt.kinds == {"support"}
        with pytest.raises(ModelError, match="names no classes"):
            remote.classify(frame)
    finally:
        remote.close()


def test_a_child_says_what_it_computes_in_and_not_what_it_was_asked_for(tmp_path) -> None:
    config = tiny_config(tmp_path, HeadConfig("film_skip", widths=(8,)))
    save_model(build_model(config, folder=tmp_path), tmp_path, config=config, clip_folder=tmp_path)
    engine = start("clip_mona", BuildOptions(model=str(tmp_path), device="cpu", precision="bf16"))
    try:
        assert engine.precision == "bf16"  # type: ignore[attr-defined]
    finally:
        engine.close()


@pytest.mark.slow
def test_N2_the_child_counts_tokens_and_this_process_never_imports_torch() -> None:
    """N2: 400 words do not fail, and what is cut is told across the processes."""
    code = """
import sys
from usassist.core.proposers import BuildOptions, remote
def main():
    engine = remote.start("clip_mona", BuildOptions(device="cpu"))
    short, long = engine.count_tokens(["breast lesion", "dark oval mass " * 133 + "end"])
    print(engine.task, short.used, short.room, repr(short.cut_text), long.used > 400, long.cut_text.endswith("end"))
    engine.close()
    print("torch" in sys.modules)
if __name__ == "__main__":
    main()
"""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "count.py"
        script.write_text(code, "utf-8")
        done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.splitlines() == ["segment 5 77 '' True True", "False"], done.stderr


def test_an_engine_without_texts_draws_masks_and_counts_nothing(remote) -> None:
    assert (remote.task, remote.precision) == ("segment", "fp32")
    with pytest.raises(ModelError, match="no embeddings"):
        remote.count_tokens(["breast lesion"])
