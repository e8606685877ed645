"""Any engine in a child process: the window never waits for torch, and a crash there loses nothing here."""

import contextlib
import multiprocessing
import signal
from collections import OrderedDict
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from usassist.core.domain import Frame, Prompt, Proposal
from usassist.core.errors import ModelError, UsassistError
from usassist.core.models.threads import limit_threads
from usassist.core.proposers.proposer import BuildOptions, Proposer, ProposerSpec, frame_token

_FRAMES_SENT = 4


class RemoteProposer:
    """A proposer whose engine lives in a child process, started on the first call and again after it died.

    Calls block the calling thread, not the interpreter: use it from a worker thread, one thread at a time.
    """

    def __init__(self, spec: ProposerSpec, options: BuildOptions) -> None:
        self._spec = spec
        self._options = options
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._hash = ""
        self._sent: OrderedDict[bytes, None] = OrderedDict()

    @property
    def spec(self) -> ProposerSpec:
        return self._spec

    @property
    def weights_hash(self) -> str:
        """Return the hash of the weights; "" until the child has loaded them."""
        return self._hash

    def warm(self, frame: Frame) -> None:
        self._ask("warm", frame, None)

    def propose(self, frame: Frame, prompt: Prompt) -> tuple[Proposal, ...]:
        answer = self._ask("propose", frame, prompt)
        if not isinstance(answer, tuple):
            raise ModelError(f"The engine {self._spec.name} answered {type(answer).__name__} instead of proposals.")
        return answer

    def close(self) -> None:
        process, connection = self._process, self._connection
        self._process = self._connection = None
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.send(None)
            connection.close()
        if process is not None:
            process.join(timeout=2)
            if process.is_alive():
                process.kill()
                process.join()

    def _ask(self, verb: str, frame: Frame, prompt: Prompt | None) -> object:
        connection = self._connect()
        token = frame_token(frame)
        known = token in self._sent
        try:
            connection.send((verb, token, None if known else frame, prompt))
            ok, answer = connection.recv()
        except (EOFError, OSError) as error:
            raise ModelError(self._died()) from error
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
        process.start()
        theirs.close()  # so that the child's death ends our receive
        self._process, self._connection = process, ours
        self._sent.clear()
        try:
            ok, answer = ours.recv()
        except (EOFError, OSError) as error:
            raise ModelError(self._died()) from error
        if not ok:
            self.close()
            raise ModelError(str(answer))
        self._hash = str(answer)
        return ours

    def _died(self) -> str:
        process = self._process
        if process is not None:
            process.join(timeout=2)
        code = process.exitcode if process is not None else None
        self.close()
        return (
            f"The engine {self._spec.name} stopped unexpectedly (exit code {code}); nothing you drew is affected. "
            f"Ask again to restart it; if it keeps stopping, this machine may be short of memory."
        )


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
    except (UsassistError, OSError, ImportError, MemoryError, RuntimeError) as error:
        connection.send((False, _sentence(engine, error)))
        return
    connection.send((True, proposer.weights_hash))
    frames: OrderedDict[bytes, Frame] = OrderedDict()
    while True:
        try:
            request = connection.recv()
        except (EOFError, OSError):
            break
        if request is None:
            break
        connection.send(_answer(proposer, frames, engine, request))
    proposer.close()


def _answer(
    proposer: Proposer, frames: OrderedDict[bytes, Frame], engine: str, request: tuple[str, bytes, Frame | None, Prompt]
) -> tuple[bool, object]:
    verb, token, frame, prompt = request
    frame = frames[token] if frame is None else frame
    frames[token] = frame
    frames.move_to_end(token)
    while len(frames) > _FRAMES_SENT:
        frames.popitem(last=False)
    try:
        if verb == "warm":
            proposer.warm(frame)
            return True, None
        proposals = proposer.propose(frame, prompt)
    except (UsassistError, RuntimeError, ValueError, MemoryError) as error:
        return False, _sentence(engine, error)
    return True, tuple(_without_probability(proposal) for proposal in proposals)


def _without_probability(proposal: Proposal) -> Proposal:
    from dataclasses import replace

    # Two megabytes a frame that no one on the other side draws yet.
    return replace(proposal, probability=None)


def _sentence(engine: str, error: BaseException) -> str:
    if isinstance(error, UsassistError):
        return str(error)
    return f"The engine {engine} failed ({type(error).__name__}: {error}); the frame itself is fine."
