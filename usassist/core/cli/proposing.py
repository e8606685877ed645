"""The work of `usassist propose`: files are read ahead, frames asked about in batches, masks written behind.

An engine that may be asked from several threads is asked about as many batches at once. Whatever the number of files
and the length of a cine, two batches of frames that are read ahead, at most two for each of those threads and a few of
masks are in memory, and less than a kilobyte a mask for proposals.json.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from usassist.core.cli.engine import Engine
from usassist.core.cli.inputs import Failure, Input
from usassist.core.cli.output import Bar
from usassist.core.cli.pipeline import Behind, ahead, side_by_side
from usassist.core.domain import Frame, Mask, Prompt, Proposal
from usassist.core.errors import UsassistError
from usassist.core.exchange.format import FormatSpec
from usassist.core.models.threads import shared_threads
from usassist.core.proposers.many import AT_ONCE, Answer, answer_each, answers_many, threads_at_once


@dataclass(frozen=True, slots=True)
class _Look:
    """A frame of a file, or why it could not be read, and where its mask goes."""

    relative: str
    path: PurePosixPath
    index: int
    frame: Frame | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _End:
    """The end of a file of so many frames; `reason` says why it could not be opened at all."""

    relative: str
    frames: int = 0
    is_cine: bool = False
    reason: str = ""


_Batch = Sequence[_Look | _End]


@dataclass(slots=True)
class Job:
    """What is being written: items grow frame by frame, so that whatever stops the job, what is done is reported.

    `empty` counts the masks among them that show nothing.
    """

    out: Path
    engine: Engine
    prompt: Prompt
    format: FormatSpec
    items: list[dict[str, Any]] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    empty: int = 0
    _broken: list[tuple[int, str]] = field(default_factory=list)
    _unlike: set[tuple[str, int]] = field(default_factory=set)

    def run(self, inputs: Sequence[Input], names: Sequence[str], bar: Bar) -> None:
        """Propose for every frame of every file: a still is `<name>.png`, a cine `<name>_0000.png`.

        A frame that fails leaves the others; its file is then listed once, with the first reason. However this ends,
        masks up to the first whose answer was not there are written, and their items listed.
        """
        most = AT_ONCE if answers_many(self.engine.proposer) else 1
        steps = _steps(inputs, names, suffix=self.format.suffix)
        with Behind(most=4 * AT_ONCE) as behind, closing(ahead(steps, most=2 * AT_ONCE)) as read:
            batches = _batches(read, most=most)
            first = list(islice(batches, threads_at_once(self.engine.proposer)))  # fewer need no more threads
            with (
                shared_threads(len(first)),
                closing(self._answered(chain(first, batches), threads=len(first))) as answered,
            ):
                for batch, answers in answered:
                    self._hand_over(batch, answers, behind, bar)

    @property
    def unlike(self) -> int:
        """Return how many images the engine warned of: they are unlike those that it learned from."""
        return len(self._unlike)

    def document(self) -> dict[str, Any]:
        """Return proposals.json as CLI.md fixes it.

        `support` counts the support images where there are any, `compute_precision` is there below float32.
        """
        special: dict[str, Any] = {"support": len(self.prompt.support)} if self.prompt.support else {}
        if self.engine.precision != "fp32":
            special["compute_precision"] = self.engine.precision
        return {
            "model": self.engine.model,
            "engine": self.engine.name,
            "weights_hash": self.engine.weights_hash,
            "prompt": self.prompt.text,
            "device": self.engine.device,
            "items": self.items,
            "failed": [{"input": name, "reason": reason} for name, reason in self.failed],
            **special,
        }

    def _answered(
        self, batches: Iterable[_Batch], *, threads: int
    ) -> Generator[tuple[_Batch, Iterator[Answer]], None, None]:
        """Yield each batch with the answers about its frames; with one thread they are made while they are taken."""
        if threads > 1:
            yield from side_by_side(lambda batch: (batch, iter(list(self._ask(batch)))), batches, threads=threads)
        else:
            yield from ((batch, self._ask(batch)) for batch in batches)

    def _ask(self, batch: _Batch) -> Iterator[Answer]:
        frames = [step.frame for step in batch if isinstance(step, _Look) and step.frame is not None]
        return map(_without_maps, answer_each(self.engine.proposer, frames, self.prompt))

    def _hand_over(self, batch: _Batch, answers: Iterator[Answer], behind: Behind, bar: Bar) -> None:
        for step in batch:
            if isinstance(step, _End):
                behind.call(partial(self._end, step, bar))
            elif step.frame is None:
                behind.call(partial(self._broken.append, (step.index, step.reason)))
            else:
                answer = next(answers)
                behind.call(partial(self._finish, replace(step, frame=None), _without_pixels(step.frame), answer))

    def _finish(self, step: _Look, frame: Frame, answer: Answer) -> None:
        """Write the masks of a frame; the name of a second label joins its file's name."""
        if answer.error is not None:
            self._broken.append((step.index, str(answer.error)))
            return
        suffix = self.format.suffix
        try:
            for number, proposal in enumerate(answer.proposals or (None,)):
                path = step.path
                if proposal is not None and number > 0:
                    path = path.with_name(f"{path.name.removesuffix(suffix)}-{proposal.label_id}{suffix}")
                mask = Mask.empty(frame.shape) if proposal is None else proposal.mask
                self.format.write(self.out / path, mask, frame=frame)
                self.empty += mask.is_empty
                if proposal is not None and proposal.image_warning:
                    self._unlike.add((step.relative, step.index))
                label_id = proposal.label_id if proposal is not None else self.prompt.label_id
                self.items.append(_item(step, path, proposal, label_id=label_id, seconds=answer.seconds))
        except UsassistError as error:
            self._broken.append((step.index, str(error)))

    def _end(self, step: _End, bar: Bar) -> None:
        broken, self._broken = self._broken, []
        if step.reason:
            self.failed.append((step.relative, step.reason))
        elif broken:
            index, reason = broken[0]
            where = f"{len(broken)} of {step.frames} frames failed; frame {index}: " if step.is_cine else ""
            self.failed.append((step.relative, where + reason))
        bar.update()


def _steps(inputs: Sequence[Input], names: Sequence[str], *, suffix: str) -> Generator[_Look | _End, None, None]:
    """Yield every frame of every file, and behind them the file's end; one file is open at a time."""
    from usassist.core.io.open_study import open_source

    for item, name in zip(inputs, names, strict=True):
        relative = item.source.relative
        try:
            reader = open_source(item.source)
        except UsassistError as error:
            yield _End(relative, reason=str(error))
            continue
        study = reader.study
        try:
            for ref in study.frames:
                path = PurePosixPath(f"{name}_{ref.index:04d}{suffix}" if study.is_cine else f"{name}{suffix}")
                try:
                    look = _Look(relative, path, ref.index, reader.frame(ref.index))
                except UsassistError as error:
                    look = _Look(relative, path, ref.index, reason=str(error))
                yield look
        finally:
            reader.close()
        yield _End(relative, frames=len(study.frames), is_cine=study.is_cine)


def _batches(steps: Iterable[_Look | _End], *, most: int) -> Generator[_Batch, None, None]:
    """Yield the steps in lists of at most `most` frames each; of files without any, a few more go into one."""
    batch: list[_Look | _End] = []
    for step in steps:
        batch.append(step)
        if len(batch) >= 4 * AT_ONCE or sum(isinstance(each, _Look) for each in batch) >= most:
            yield batch
            batch = []
    yield batch


def _without_maps(answer: Answer) -> Answer:
    """Leave out the probability maps, megabytes a frame that nobody writes."""
    return replace(answer, proposals=tuple(replace(each, probability=None) for each in answer.proposals))


def _without_pixels(frame: Frame) -> Frame:
    """Let go of the picture, which no format writes: its size, regions and spacing stay."""
    return replace(frame, pixels=np.broadcast_to(np.uint8(0), frame.shape))


def _item(
    step: _Look, path: PurePosixPath, proposal: Proposal | None, *, label_id: str, seconds: float
) -> dict[str, Any]:
    return {
        "input": step.relative,
        "frame": step.index,
        "mask": str(path),
        "label": label_id,
        "score": proposal.score if proposal else 0.0,
        "presence": proposal.presence if proposal else 0.0,
        "quality": proposal.quality if proposal else 0.0,
        "seconds": round(seconds, 4),
        "strangeness": None if proposal is None or proposal.strangeness is None else round(proposal.strangeness, 4),
        "warning": proposal.warning if proposal else "",
    }
