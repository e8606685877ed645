"""Frames are asked about in batches, and what is reported is as if they had been one by one."""

import json
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.core.cli.conftest import Square
from tests.core.cli.test_propose import picture, propose, read
from usassist.core.cli import proposing
from usassist.core.domain import Frame, FrameRef, ModalityFacts, Prompt, Proposal, Source, Study
from usassist.core.errors import ExchangeError, ReadError
from usassist.core.exchange import png_mask
from usassist.core.io import open_study
from usassist.core.proposers.many import AT_ONCE


@pytest.fixture
def batches(square: Square) -> list[int]:
    """Let the engine answer about many frames at once; returns how many it was asked about each time."""
    asked: list[int] = []

    def propose_many(frames: Sequence[Frame], prompt: Prompt) -> tuple[tuple[Proposal, ...], ...]:
        asked.append(len(frames))
        return tuple(square.propose(frame, prompt) for frame in frames)

    square.propose_many = propose_many  # type: ignore[attr-defined]
    return asked


@pytest.fixture
def pairs(square: Square) -> set[int]:
    """Let two threads ask the engine, which waits until both of them do; returns which threads asked."""
    threads: set[int] = set()
    both = threading.Barrier(2, timeout=10)

    def propose_many(frames: Sequence[Frame], prompt: Prompt) -> tuple[tuple[Proposal, ...], ...]:
        both.wait()
        threads.add(threading.get_ident())
        return tuple(square.propose(frame, prompt) for frame in frames)

    square.propose_many = propose_many  # type: ignore[attr-defined]
    square.threads_at_once = 2  # type: ignore[attr-defined]
    return threads


def _names(document: dict[str, Any]) -> list[str]:
    return [item["input"] for item in document["items"]]


def test_stills_are_asked_about_in_batches_and_listed_in_order(tmp_path: Path, batches: list[int]) -> None:
    for index in range(2 * AT_ONCE + 3):
        picture(tmp_path / "in" / f"{index}.png", 100 if index % 3 else 0, shape=(12 + index, 20))
    status, document = propose(tmp_path / "out", tmp_path / "in")
    assert status == 0 and batches == [AT_ONCE, AT_ONCE, 3]
    assert _names(document) == [f"{index}.png" for index in range(2 * AT_ONCE + 3)]
    for index, item in enumerate(document["items"]):
        mask = read(tmp_path / "out" / item["mask"])
        assert mask.shape == (12 + index, 20) and mask.any() == bool(index % 3)
        assert item["seconds"] >= 0


@pytest.mark.usefixtures("batches")
def test_one_frame_that_fails_leaves_the_others_of_its_batch(tmp_path: Path) -> None:
    for name in "abcde":
        picture(tmp_path / "in" / f"{name}.png", 255 if name == "c" else 100)
    (tmp_path / "in" / "d.png").write_bytes((tmp_path / "in" / "d.png").read_bytes()[:40])
    status, document = propose(tmp_path / "out", tmp_path / "in")
    assert status == 3 and _names(document) == ["a.png", "b.png", "e.png"]
    assert [entry["input"] for entry in document["failed"]] == ["c.png", "d.png"]
    assert document["failed"][0]["reason"] == "The frame is white."


def test_ctrl_c_in_a_batch_keeps_those_before_it(tmp_path: Path, square: Square, batches: list[int]) -> None:
    for index in range(2 * AT_ONCE):
        picture(tmp_path / "in" / f"{index}.png")
    square.interrupt_at = AT_ONCE + 2
    status, document = propose(tmp_path / "out", tmp_path / "in")
    assert status == 130 and batches == [AT_ONCE, AT_ONCE]
    expected = {f"{index}.png" for index in range(AT_ONCE)}
    assert set(_names(document)) == expected
    assert {path.name for path in (tmp_path / "out").iterdir()} == expected | {"proposals.json"}


@pytest.mark.usefixtures("batches")
def test_a_mask_that_cannot_be_written_is_its_files_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abc":
        picture(tmp_path / "in" / f"{name}.png")
    write = png_mask.atomic.write_bytes

    def full(path: Path, data: bytes, **options: Any) -> None:
        if path.name == "b.png":
            raise ExchangeError(f"{path} was not written: the disk is full.")
        write(path, data, **options)

    monkeypatch.setattr(png_mask.atomic, "write_bytes", full)
    status, document = propose(tmp_path / "out", tmp_path / "in")
    assert status == 3 and _names(document) == ["a.png", "c.png"]
    assert [entry["input"] for entry in document["failed"]] == ["b.png"]


def test_two_batches_are_asked_about_at_the_same_time_and_listed_in_order(tmp_path: Path, pairs: set[int]) -> None:
    for index in range(4 * AT_ONCE):
        picture(tmp_path / "in" / f"{index:03d}.png", 100 if index % 3 else 0, shape=(12 + index, 20))
    status, document = propose(tmp_path / "out", tmp_path / "in")
    assert status == 0 and len(pairs) == 2 and threading.get_ident() not in pairs
    assert _names(document) == [f"{index:03d}.png" for index in range(4 * AT_ONCE)]
    for index, item in enumerate(document["items"]):
        mask = read(tmp_path / "out" / item["mask"])
        assert mask.shape == (12 + index, 20) and mask.any() == bool(index % 3)


@pytest.mark.usefixtures("pairs")
def test_of_two_batches_at_the_same_time_a_bad_file_is_the_only_one_to_fail(tmp_path: Path) -> None:
    for index in range(2 * AT_ONCE):
        picture(tmp_path / "in" / f"{index:03d}.png", 255 if index == 3 else 100)
    (tmp_path / "in" / "000.png").write_bytes(b"no picture")
    status, document = propose(tmp_path / "out", tmp_path / "in")
    assert status == 3 and [entry["input"] for entry in document["failed"]] == ["000.png", "003.png"]
    assert len(document["items"]) == 2 * AT_ONCE - 2 and _names(document) == sorted(_names(document))


@pytest.mark.parametrize("threads", [1, 3])
def test_ctrl_c_on_any_thread_keeps_the_batches_before_it_whole(tmp_path: Path, square: Square, threads: int) -> None:
    def propose_many(frames: Sequence[Frame], prompt: Prompt) -> tuple[tuple[Proposal, ...], ...]:
        if frames[0].shape[0] == 12 + 2 * AT_ONCE:
            raise KeyboardInterrupt
        return tuple(square.propose(frame, prompt) for frame in frames)

    square.propose_many = propose_many  # type: ignore[attr-defined]
    square.threads_at_once = threads  # type: ignore[attr-defined]
    for index in range(9 * AT_ONCE):
        picture(tmp_path / "in" / f"{index:03d}.png", shape=(12 + index, 20))
    status, document = propose(tmp_path / "out", tmp_path / "in")
    expected = [f"{index:03d}.png" for index in range(2 * AT_ONCE)]
    assert status == 130 and _names(document) == expected
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*expected, "proposals.json"}
    assert len(square.asked) <= 6 * AT_ONCE, "what nobody began is not asked about any more"


def test_one_batch_alone_has_all_of_torchs_threads(tmp_path: Path, square: Square) -> None:
    torch = pytest.importorskip("torch")
    counts: list[int] = []

    def propose_many(frames: Sequence[Frame], prompt: Prompt) -> tuple[tuple[Proposal, ...], ...]:
        counts.append(torch.get_num_threads())
        return tuple(square.propose(frame, prompt) for frame in frames)

    square.propose_many = propose_many  # type: ignore[attr-defined]
    square.threads_at_once = 2  # type: ignore[attr-defined]
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for count, expected in ((2, [2]), (2 * AT_ONCE, [1, 1])):
            counts.clear()
            for index in range(count):
                picture(tmp_path / str(count) / f"{index:03d}.png")
            propose(tmp_path / f"out{count}", tmp_path / str(count))
            assert counts == expected
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_an_engine_that_says_nothing_is_asked_on_the_callers_thread(
    tmp_path: Path, square: Square, batches: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[int] = set()
    answer = square.propose
    spy = lambda frame, prompt: threads.add(threading.get_ident()) or answer(frame, prompt)  # noqa: E731
    monkeypatch.setattr(square, "propose", spy)
    for index in range(2 * AT_ONCE):
        picture(tmp_path / "in" / f"{index}.png")
    propose(tmp_path / "out", tmp_path / "in")
    assert threads == {threading.get_ident()} and batches == [AT_ONCE, AT_ONCE]


class Cine:
    """A long cine whose every tenth frame is white, and whose frame 5 cannot be read."""

    frames = 40 * AT_ONCE

    def __init__(self, source: Source) -> None:
        refs = tuple(FrameRef(source.key, index) for index in range(self.frames))
        self.study = Study(source, refs, 6, 8, ModalityFacts(format="TIFF"))
        self.read = 0
        self.closed = False

    def frame(self, index: int) -> Frame:
        self.read += 1
        if index == 5:
            raise ReadError("The frame is cut short.")
        return Frame(self.study.frames[index], np.full((6, 8), 255 if index % 10 == 9 else 90, dtype=np.uint8))

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("threads", [1, 2])
def test_of_a_long_cine_a_few_frames_are_held_at_a_time(
    tmp_path: Path, square: Square, batches: list[int], monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    square.threads_at_once = threads  # type: ignore[attr-defined]
    opened: list[Cine] = []

    def open_source(source: Source) -> Cine:
        opened.append(Cine(source))
        return opened[-1]

    most_held = 0
    answer = square.propose

    def counting(frame: Frame, prompt: Prompt) -> tuple[Proposal, ...]:
        nonlocal most_held
        most_held = max(most_held, opened[0].read - frame.ref.index)
        return answer(frame, prompt)

    monkeypatch.setattr(square, "propose", counting)
    monkeypatch.setattr(open_study, "open_source", open_source)
    _, document = propose(tmp_path / "out", picture(tmp_path / "clip.tif"))
    assert len(document["items"]) == Cine.frames - Cine.frames // 10 - 1
    assert [item["frame"] for item in document["items"]] == sorted(item["frame"] for item in document["items"])
    reason = f"{Cine.frames // 10 + 1} of {Cine.frames} frames failed; frame 5: The frame is cut short."
    assert document["failed"] == [{"input": "clip.tif", "reason": reason}]
    assert opened[0].closed and most_held <= (2 + 2 * threads) * AT_ONCE and max(batches) == AT_ONCE


def test_pictures_are_let_go_of_before_their_masks_are_written(
    tmp_path: Path, square: Square, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[weakref.ref[Any]] = []
    held: list[int] = []
    answer = square.propose

    def looking(frame: Frame, prompt: Prompt) -> tuple[Proposal, ...]:
        seen.append(weakref.ref(frame.pixels))
        return answer(frame, prompt)

    class Late(list[Callable[[], None]]):
        """What is written behind, all of it at the end."""

        def __init__(self, *, most: int) -> None:
            super().__init__()
            self.call = self.append

        def __enter__(self) -> "Late":
            return self

        def __exit__(self, *_: object) -> None:
            held.append(sum(pixels() is not None for pixels in seen))
            for call in self:
                call()

    monkeypatch.setattr(square, "propose", looking)
    monkeypatch.setattr(proposing, "Behind", Late)
    for index in range(20):
        picture(tmp_path / "in" / f"{index}.png", shape=(12 + index, 20))
    status, document = propose(tmp_path / "out", tmp_path / "in")
    assert status == 0 and len(document["items"]) == len(seen) == 20
    assert held[0] <= 1, "the last one may still be in hand"
    assert [read(tmp_path / "out" / f"{index}.png").shape for index in range(20)] == [(12 + n, 20) for n in range(20)]


def test_the_last_line_says_how_many_are_empty_and_unlike(
    tmp_path: Path, square: Square, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for index in range(5):
        picture(tmp_path / "in" / f"{index}.png", 0 if index < 2 else 100)
    propose(tmp_path / "out", tmp_path / "in")
    said = capsys.readouterr().out.strip()
    assert said == f"5 masks of 5 files, 2 empty, 0 failed: {tmp_path / 'out' / 'proposals.json'}"
    answer = square.propose

    def warning(frame: Frame, prompt: Prompt) -> tuple[Proposal, ...]:
        found = answer(frame, prompt)
        return found if frame.pixels.any() else tuple(replace(each, warning="It is dark.") for each in found)

    monkeypatch.setattr(square, "propose", warning)
    propose(tmp_path / "again", tmp_path / "in")
    assert "2 empty, 0 failed, 2 images unlike the training's: " in capsys.readouterr().out


@pytest.mark.data
def test_the_shipped_model_answers_a_folder_as_it_answers_each_image(tmp_path: Path, data_root: Path) -> None:
    images = sorted((data_root / "busi" / "images").iterdir())[:5]
    for path in images:
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / path.name).write_bytes(path.read_bytes())
    from usassist.core.cli.main import main

    assert main(["propose", str(tmp_path / "in"), "--out", str(tmp_path / "all"), "--device", "cpu"]) == 0
    together = json.loads((tmp_path / "all" / "proposals.json").read_text(encoding="utf-8"))["items"]
    for path, item in zip(images, together, strict=True):
        assert main(["propose", str(path), "--out", str(tmp_path / path.stem), "--device", "cpu"]) == 0
        (alone,) = json.loads((tmp_path / path.stem / "proposals.json").read_text(encoding="utf-8"))["items"]
        assert item["score"] == pytest.approx(alone["score"], abs=1e-4)
        differing = read(tmp_path / "all" / item["mask"]) != read(tmp_path / path.stem / alone["mask"])
        assert differing.mean() < 1e-3
