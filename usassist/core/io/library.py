"""All the studies of a session: opened when they are needed, frames cached within a budget, failures remembered."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType

from usassist.core.domain.frame import Frame, FrameRef, Source, Study
from usassist.core.errors import ReadError
from usassist.core.io.open_study import open_source
from usassist.core.io.reader import StudyReader

_MAX_OPEN_READERS = 16


@dataclass
class _Slot:
    """What is known of one source; its lock lets one thread at a time open it or decode from it."""

    source: Source
    lock: threading.Lock = field(default_factory=threading.Lock)
    study: Study | None = None
    failure: str | None = None


class Library:
    """Sources by key, and their studies and frames on demand; every method may be called from any thread.

    `budget_bytes` bounds decoded frames and what open readers hold; the least recently used go first. The frame that
    was asked for last is always kept, however large it is.
    """

    def __init__(self, sources: Sequence[Source], *, budget_bytes: int = 512 * 1024**2) -> None:
        self._sources = tuple(sources)
        self._by_key = {source.key: source for source in self._sources}
        self._slots: dict[str, _Slot] = {}
        self._budget = budget_bytes
        self._lock = threading.Lock()
        self._frames: OrderedDict[tuple[str, int], Frame] = OrderedDict()
        self._frame_bytes = 0
        self._readers: OrderedDict[str, StudyReader] = OrderedDict()

    @property
    def sources(self) -> tuple[Source, ...]:
        return self._sources

    @property
    def cached_bytes(self) -> int:
        """Return what decoded frames and open readers hold in memory."""
        with self._lock:
            return self._used()

    def source(self, key: str) -> Source:
        """Return the source with this key; raises ReadError where there is none."""
        return self._slot(key).source

    def study(self, key: str) -> Study:
        """Return the study of a source, opening the file the first time; raises ReadError, each time the same one."""
        slot = self._slot(key)
        with slot.lock:
            return self._study(slot)

    def failure(self, key: str) -> str | None:
        """Return why a source could not be opened, None where it could or was not tried yet; never opens anything."""
        return self._slot(key).failure

    def frame(self, ref: FrameRef) -> Frame:
        """Return a frame, from the cache or decoded now; raises ReadError."""
        slot = self._slot(ref.source_key)
        cached = self._cached(ref)
        if cached is not None:
            return cached
        with slot.lock:
            cached = self._cached(ref)  # another thread may have decoded it while this one waited
            if cached is not None:
                return cached
            self._study(slot)
            frame = self._reader(slot).frame(ref.index)
            self._keep(ref, frame)
            return frame

    def close(self) -> None:
        """Close every reader and forget every frame; the library may still be asked, and opens again."""
        with self._lock:
            readers = list(self._readers.values())
            self._readers.clear()
            self._frames.clear()
            self._frame_bytes = 0
        for reader in readers:
            reader.close()

    def __enter__(self) -> "Library":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _slot(self, key: str) -> _Slot:
        slot = self._slots.get(key)
        if slot is not None:
            return slot
        source = self._by_key.get(key)
        if source is None:
            raise ReadError(f"No opened file has the key {key!r}; open the folder that holds it.")
        with self._lock:  # of two threads that ask for the first time, both get the same slot
            return self._slots.setdefault(key, _Slot(source))

    def _study(self, slot: _Slot) -> Study:
        if slot.failure is not None:
            raise ReadError(slot.failure)
        if slot.study is None:
            try:
                slot.study = self._reader(slot).study
            except ReadError as error:
                slot.failure = str(error)
                raise
        return slot.study

    def _reader(self, slot: _Slot) -> StudyReader:
        key = slot.source.key
        with self._lock:
            reader = self._readers.get(key)
            if reader is not None:
                self._readers.move_to_end(key)
                return reader
        reader = open_source(slot.source)
        with self._lock:
            self._readers[key] = reader
            while len(self._readers) > _MAX_OPEN_READERS:
                self._readers.popitem(last=False)
        return reader

    def _cached(self, ref: FrameRef) -> Frame | None:
        key = (ref.source_key, ref.index)
        with self._lock:
            frame = self._frames.get(key)
            if frame is not None:
                self._frames.move_to_end(key)
            return frame

    def _keep(self, ref: FrameRef, frame: Frame) -> None:
        with self._lock:
            self._frames[ref.source_key, ref.index] = frame
            self._frame_bytes += frame.pixels.nbytes
            while self._used() > self._budget and len(self._frames) > 1:
                _, dropped = self._frames.popitem(last=False)
                self._frame_bytes -= dropped.pixels.nbytes
            # Readers that hold whole volumes go next, all but the one in use.
            while self._used() > self._budget and len(self._readers) > 1:
                self._readers.popitem(last=False)

    def _used(self) -> int:
        return self._frame_bytes + sum(reader.held_bytes for reader in self._readers.values())
