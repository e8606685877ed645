"""The library: lazy, bounded, thread-safe, and mindful of failures."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from usassist.core.domain.frame import Frame, FrameRef, ModalityFacts, Source, Study
from usassist.core.errors import ReadError
from usassist.core.io import library
from usassist.core.io.library import Library
from usassist.core.io.reader import check_index


class FakeReader:
    """A reader of `frames` frames of 1,000 bytes that counts what it decodes."""

    opened: list[str]
    decoded: list[tuple[str, int]]

    def __init__(self, source: Source, *, frames: int = 10) -> None:
        FakeReader.opened.append(source.key)
        refs = tuple(FrameRef(source.key, index) for index in range(frames))
        self.study = Study(source, refs, 10, 100, ModalityFacts("fake"))
        self.held_bytes = 0

    def frame(self, index: int) -> Frame:
        check_index(self.study, index)
        FakeReader.decoded.append((self.study.key, index))
        return Frame(self.study.frames[index], np.full((10, 100), index, dtype=np.uint8))

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def _fake_files(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeReader.opened, FakeReader.decoded = [], []

    def open_fake(source: Source) -> FakeReader:
        if "broken" in source.key:
            FakeReader.opened.append(source.key)
            raise ReadError(f"{source.relative} is broken.")
        return FakeReader(source)

    monkeypatch.setattr(library, "open_source", open_fake)


def source(key: str) -> Source:
    return Source(key, Path(f"{key}.png"), f"{key}.png", 1)


def test_nothing_is_opened_before_it_is_asked_for() -> None:
    with Library([source("a"), source("b")]) as found:
        assert found.sources == (source("a"), source("b"))
        assert found.source("b").key == "b"
        assert FakeReader.opened == []
        assert found.study("b").key == "b"
        assert found.study("b") is found.study("b")
        assert FakeReader.opened == ["b"]


def test_frames_are_decoded_once_and_the_oldest_forgotten() -> None:
    found = Library([source("a")], budget_bytes=3000)
    refs = found.study("a").frames
    for index in (0, 1, 2, 0, 3, 0, 1):
        assert found.frame(refs[index]).pixels[0, 0] == index
        assert found.cached_bytes <= 3000
    # 3 pushed out 1, the least recently used; 1 then pushed out 2.
    assert [index for _, index in FakeReader.decoded] == [0, 1, 2, 3, 1]


def test_a_frame_above_the_budget_is_still_shown() -> None:
    found = Library([source("a")], budget_bytes=10)
    first, second = found.study("a").frames[:2]
    assert found.frame(first) is found.frame(first)
    found.frame(second)
    assert found.cached_bytes == 1000


def test_what_readers_hold_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Library([source("a"), source("b")], budget_bytes=5000)
    monkeypatch.setattr(library, "open_source", lambda item: _holding(item, 4500))
    found.frame(FrameRef("a", 0))
    assert found.cached_bytes == 5500
    found.frame(FrameRef("b", 0))
    assert found.cached_bytes == 5500
    found.frame(FrameRef("a", 1))
    assert FakeReader.opened == ["a", "b", "a"]


def _holding(item: Source, size: int) -> FakeReader:
    reader = FakeReader(item)
    reader.held_bytes = size
    return reader


def test_failures_are_remembered() -> None:
    found = Library([source("broken"), source("a")])
    assert found.failure("broken") is None
    for _ in range(2):
        with pytest.raises(ReadError, match=r"broken\.png is broken"):
            found.study("broken")
    with pytest.raises(ReadError, match=r"broken\.png is broken"):
        found.frame(FrameRef("broken", 0))
    assert found.failure("broken") == "broken.png is broken."
    assert FakeReader.opened == ["broken"]
    assert found.study("a").key == "a"


def test_a_frame_that_fails_does_not_condemn_the_file() -> None:
    found = Library([source("a")])
    with pytest.raises(ReadError, match="asked for 99"):
        found.frame(FrameRef("a", 99))
    assert found.frame(FrameRef("a", 9)).ref.index == 9


def test_unknown_keys_are_named() -> None:
    with pytest.raises(ReadError, match="'nothing'"):
        Library([]).study("nothing")


def test_open_readers_are_bounded() -> None:
    sources = [source(f"s{index}") for index in range(40)]
    found = Library(sources)
    for item in sources:
        found.frame(FrameRef(item.key, 0))
    found.frame(FrameRef("s39", 1))
    found.frame(FrameRef("s0", 1))
    assert FakeReader.opened.count("s39") == 1
    assert FakeReader.opened.count("s0") == 2
    # Studies and cached frames outlive their readers.
    assert found.frame(FrameRef("s1", 0)).ref.source_key == "s1"
    assert FakeReader.opened.count("s1") == 1


def test_closed_and_asked_again() -> None:
    found = Library([source("a")])
    found.frame(FrameRef("a", 0))
    found.close()
    assert found.cached_bytes == 0
    assert found.frame(FrameRef("a", 0)).ref.index == 0


def test_many_threads_decode_each_frame_once() -> None:
    sources = [source(f"s{index}") for index in range(4)]
    found = Library(sources)
    refs = [FrameRef(item.key, index) for item in sources for index in range(10)] * 5
    with ThreadPoolExecutor(8) as pool:
        frames = list(pool.map(found.frame, refs))
    assert [frame.ref for frame in frames] == refs
    assert len(FakeReader.decoded) == 40
    assert sorted(FakeReader.opened) == [item.key for item in sources]
