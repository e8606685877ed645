import os
import signal

import numpy as np
import pytest

from usassist.core.domain import Frame, FrameRef, Prompt
from usassist.core.errors import ModelError
from usassist.core.proposers import BuildOptions, build
from usassist.core.proposers.remote import RemoteProposer, start


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
