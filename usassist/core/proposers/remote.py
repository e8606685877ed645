"""Any engine in a child process: the window never waits for torch, and a crash there loses nothing here."""

import contextlib
import multiprocessing
import signal
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Literal, cast, get_args

import numpy as np
import numpy.typing as npt

from usassist.core.domain import Frame, Prompt, Proposal
from usassist.core.errors import ModelError, UsassistError
from usassist.core.models.config import Precision, Task
from usassist.core.models.threads import limit_threads
from usassist.core.models.token_count import TokenCount
from usassist.core.proposers.proposer import BuildOptions, Proposer, ProposerSpec

_FRAMES_SENT = 4
_GOODBYE_S = 1.0

_Verb = Literal[
    "warm", "propose", "embed", "embed_texts", "count_tokens", "classify", "logit_scale", "task", "precision"
]


@dataclass(frozen=True, slots=True)
class _Request:
    """A question on its way to the child: `token` names the frame it is about, which is sent once and then remembered.

    `arguments` are what the engine's method takes after the frame.
    """

    verb: _Verb
    token: bytes | None = None
    frame: Frame | None = None
    arguments: tuple[object, ...] = ()


class RemoteProposer:
    """A proposer whose engine lives in a child process, started on the first call and again after it died.

    Calls block the calling thread, not the interpreter: use it from a worker thread, one thread at a time. Only `close`
    may come from another thread, in the middle of a call too: the call then raises ModelError.
    """

    def __init__(self, spec: ProposerSpec, options: BuildOptions) -> None:
        self._spec = spec
        self._options = options
        self._calling = threading.Lock()  # held by the thread that talks to the child
        self._changing = threading.Lock()  # held while the two below change
        self._process: BaseProcess | None = None
        self._is_closed = False
        self._connection: Connection | None = None
        self._hash = self._device = ""
        self._scale: float | None = None
        self._sent: OrderedDict[bytes, None] = OrderedDict()

    @property
    def spec(self) -> ProposerSpec:
        return self._spec

    @property
    def weights_hash(self) -> str:
        """Return the hash of the weights; "" until the child has loaded them."""
        return self._hash

    @property
    def device(self) -> str:
        """Return what the child computes on, such as cpu or cuda:0; "" until it has loaded the engine."""
        return self._device

    def warm(self, frame: Frame) -> None:
        self._ask("warm", frame)

    def propose(self, frame: Frame, prompt: Prompt) -> tuple[Proposal, ...]:
        answer = self._ask("propose", frame, prompt)
        if not isinstance(answer, tuple):
            raise self._odd(answer, "proposals")
        return answer

    @property
    def task(self) -> Task:
        """Return what the engine's model answers with; asking it starts the child. Raises ModelError."""
        answer = self._ask("task", None) if self._spec.embeds else "segment"
        if answer not in get_args(Task):
            raise self._odd(answer, "a task")
        return cast("Task", answer)

    @property
    def precision(self) -> Precision:
        """Return what the engine's large products are computed in; asking it starts the child. Raises ModelError."""
        answer = self._ask("precision", None) if self._spec.embeds else "fp32"
        if answer not in get_args(Precision):
            raise self._odd(answer, "a precision")
        return cast("Precision", answer)

    @property
    def logit_scale(self) -> float:
        """Return the engine's factor on cosines; asked once, since the weights of a child do not change."""
        if self._scale is None:
            answer = self._ask("logit_scale", None)
            if not isinstance(answer, float):
                raise self._odd(answer, "a number")
            self._scale = answer
        return self._scale

    def embed(self, frame: Frame) -> npt.NDArray[np.float32]:
        """Return the frame's embedding (D,), of length 1. Raises ModelError, also for an engine that has none."""
        answer = self._ask("embed", frame)
        if not isinstance(answer, np.ndarray):
            raise self._odd(answer, "an embedding")
        return answer

    def embed_texts(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return the texts' embeddings (N, D), of length 1. Raises ModelError, also for an engine that has none."""
        answer = self._ask("embed_texts", None, tuple(texts))
        if not isinstance(answer, np.ndarray):
            raise self._odd(answer, "embeddings")
        return answer

    def count_tokens(self, texts: Sequence[str]) -> tuple[TokenCount, ...]:
        """Return for each text how much of it is read. Raises ModelError, also for an engine that reads none."""
        answer = self._ask("count_tokens", None, tuple(texts))
        if not isinstance(answer, tuple):
            raise self._odd(answer, "numbers of tokens")
        return answer

    def classify(self, frame: Frame) -> tuple[tuple[str, float], ...]:
        """Return each class's name and probability. Raises ModelError, also for an engine that knows no classes."""
        answer = self._ask("classify", frame)
        if not isinstance(answer, tuple):
            raise self._odd(answer, "classes")
        return answer

    def close(self) -> None:
        """End the child for good, within about a second; a call that runs on another thread ends with ModelError."""
        with self._changing:
            self._is_closed = True
            process = self._process
        if self._calling.acquire(blocking=False):
            try:
                self._say_goodbye()
                self._drop()
            finally:
                self._calling.release()
        elif process is not None:
            # Closing the pipe under a thread that reads it would let it read whatever file gets its number next.
            # The child's end is what ends the reading; that thread then cleans up.
            process.kill()
            process.join(_GOODBYE_S)

    def _ask(self, verb: _Verb, frame: Frame | None, *arguments: object) -> object:
        with self._calling:
            try:
                connection = self._connect()
                token = frame.token if frame is not None else None
                connection.send(_Request(verb, token, None if token in self._sent else frame, arguments))
                ok, answer = connection.recv()
            except (EOFError, OSError) as error:
                raise ModelError(self._died()) from error
            except BaseException:
                # An answer that nobody fetched would be taken for the answer to the next question.
                self._drop()
                raise
            if token is not None:
                self._sent[token] = None
                self._sent.move_to_end(token)
                while len(self._sent) > _FRAMES_SENT:
                    self._sent.popitem(last=False)
        if not ok:
            raise ModelError(str(answer))
        return answer

    def _connect(self) -> Connection:
        if self._connection is not None:
            return self._connection
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_serve,
            args=(theirs, self._spec.name, self._options),
            name=f"usassist-{self._spec.name}",
            daemon=True,
        )
        self._connection = ours
        self._sent.clear()
        with self._changing, theirs:  # our copy of their end goes, so that the child's death ends our receive
            if self._is_closed:
                raise ModelError(self._closed())
            process.start()
            self._process = process
        ok, answer = ours.recv()
        if not ok:
            raise ModelError(str(answer))
        self._hash, self._device = cast("tuple[str, str]", answer)
        return ours

    def _say_goodbye(self) -> None:
        if self._connection is not None and self._process is not None:
            with contextlib.suppress(OSError):
                self._connection.send(None)
                self._process.join(_GOODBYE_S)

    def _drop(self) -> None:
        """Forget the child, ending it where it still lives; the next call starts another."""
        with self._changing:
            process, self._process = self._process, None
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        if process is not None:
            process.kill()
            process.join()

    def _died(self) -> str:
        process = self._process
        if process is not None:
            process.join(_GOODBYE_S)
        code = process.exitcode if process is not None else None
        self._drop()
        if self._is_closed:
            return self._closed()
        return (
            f"The engine {self._spec.name} stopped unexpectedly (exit code {code}); nothing you drew is affected. "
            f"Ask again to restart it; if it keeps stopping, this machine may be short of memory."
        )

    def _odd(self, answer: object, expected: str) -> ModelError:
        return ModelError(f"The engine {self._spec.name} answered {type(answer).__name__} instead of {expected}.")

    def _closed(self) -> str:
        return f"The engine {self._spec.name} was closed; choose an engine again to ask it."


def start(engine: str, options: BuildOptions) -> Proposer:
    """Return the engine of this name in a child process, started by the first call. Raises ModelError."""
    from usassist.core.proposers import specs

    spec = specs().get(engine)
    if spec is None:
        raise ModelError(f"There is no engine {engine!r}; the engines are {', '.join(specs())}.")
    return RemoteProposer(spec, options)


def _serve(connection: Connection, engine: str, options: BuildOptions) -> None:
    """Run in the child: build the engine, then answer until the other side goes away."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the parent's to handle
    limit_threads(spare=1)  # drawing stays smooth while the engine works
    try:
        from usassist.core.proposers import build

        proposer = build(engine, options)
        connection.send((True, (proposer.weights_hash, getattr(proposer, "device", "cpu"))))
    except Exception as error:  # noqa: BLE001  the seam between two processes: what went wrong must reach the other side
        with contextlib.suppress(OSError):  # the other side may be gone already
            connection.send((False, _sentence(engine, error)))
        return
    frames: OrderedDict[bytes, Frame] = OrderedDict()
    with contextlib.suppress(EOFError, OSError), contextlib.closing(proposer):
        while (request := connection.recv()) is not None:
            connection.send(_answer(proposer, frames, engine, request))


def _answer(
    proposer: Proposer, frames: OrderedDict[bytes, Frame], engine: str, request: _Request
) -> tuple[bool, object]:
    frame = request.frame
    if request.token is not None:
        frame = frames[request.token] if frame is None else frame
        frames[request.token] = frame
        frames.move_to_end(request.token)
        while len(frames) > _FRAMES_SENT:
            frames.popitem(last=False)
    try:
        answer = _call(proposer, engine, request, frame)
    except Exception as error:  # noqa: BLE001  the same seam: one frame that an engine trips over is not its end
        return False, _sentence(engine, error)
    if request.verb == "propose" and isinstance(answer, tuple):
        # A probability map is megabytes a frame, and no one on the other side draws it yet.
        answer = tuple(replace(proposal, probability=None) for proposal in answer)
    return True, answer


def _call(proposer: Proposer, engine: str, request: _Request, frame: Frame | None) -> object:
    member = getattr(proposer, request.verb, None)
    if member is None:
        raise ModelError(f"The engine {engine} knows no embeddings and no classes; choose the engine clip_mona.")
    if not callable(member):
        return member
    return member(*(() if frame is None else (frame,)), *request.arguments)


def _sentence(engine: str, error: BaseException) -> str:
    if isinstance(error, UsassistError):
        return str(error)
    return (
        f"The engine {engine} failed ({type(error).__name__}: {error}); the frame itself is fine. Try another frame or "
        f"engine, and report this if it happens again."
    )
