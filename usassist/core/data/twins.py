"""Examples that are the same picture: the same file, the same bytes under another name, or near-duplicates."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache

from usassist.core.data.example import Example
from usassist.core.data.frames import open_frames
from usassist.core.data.near_duplicates import Fingerprint, NearPair, fingerprint, near_pairs
from usassist.core.domain import Source
from usassist.core.errors import ReadError, UsassistError
from usassist.core.io.open_study import hash_source


def near_twins(
    examples: Sequence[Example],
    *,
    known: Sequence[str] | None = None,
    on_error: Callable[[Example, UsassistError], None] | None = None,
    on_read: Callable[[], object] | None = None,
    on_size: Callable[[Example, tuple[int, int]], object] | None = None,
) -> list[NearPair]:
    """Return the near-duplicates among examples of different files, by their places; every image is read once.

    `known` names a group for each example, which no pair is looked for within; by default that is its file. What cannot
    be read has none, and is told to `on_error`; `on_read` is called for each example that was read, `on_size` also
    with its (rows, columns).
    """
    places = {id(example): place for place, example in enumerate(examples)}
    prints: list[Fingerprint | None] = [None] * len(examples)
    for example, grey in open_frames(examples, on_error=on_error or (lambda example, error: None)):
        prints[places[id(example)]] = fingerprint(grey)
        if on_size is not None:
            on_size(example, (grey.shape[0], grey.shape[1]))
        if on_read is not None:
            on_read()
    return near_pairs(prints, known=[str(e.source.path) for e in examples] if known is None else known)


def file_marks(examples: Sequence[Example]) -> list[list[str]]:
    """Return for each example names of its file: its path and, where sizes are equal, its bytes.

    They begin with a character that sorts behind every group's name, so that they never name a group.
    """
    files = {example.source.path.resolve(): example.source for example in examples}
    sizes = Counter(source.size for source in files.values())
    marks = {
        path: [f"\uffff{path}", *(_content_mark(source) if sizes[source.size] > 1 else [])]
        for path, source in files.items()
    }
    return [marks[example.source.path.resolve()] for example in examples]


def _content_mark(source: Source) -> list[str]:
    try:
        now = source.path.stat()
        return [f"\uffff{source.sha256 or _hash(source, now.st_size, now.st_mtime_ns)}"]
    except (OSError, ReadError):  # said again, with its reason, when the image is read
        return []


@lru_cache(maxsize=2**17)
def _hash(source: Source, size: int, modified_ns: int) -> str:  # the rest of the cache's key
    """Hash a file once, however often a training asks which files are the same."""
    return hash_source(source)
