"""The frames of examples, each file opened once."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import numpy.typing as npt

from usassist.core.data.example import Example
from usassist.core.domain import Frame
from usassist.core.errors import UsassistError
from usassist.core.io.display import to_grey8
from usassist.core.io.open_study import open_source
from usassist.core.io.reader import StudyReader


def open_frames(
    examples: Iterable[Example], *, on_error: Callable[[Example, UsassistError], None] | None = None
) -> Iterator[tuple[Example, npt.NDArray[np.uint8]]]:
    """Yield each example with all of its picture, HxW uint8 grey, as `read_frames` reads it."""
    for example, frame in read_frames(examples, on_error=on_error):
        yield example, to_grey8(frame)


def read_frames(
    examples: Iterable[Example], *, on_error: Callable[[Example, UsassistError], None] | None = None
) -> Iterator[tuple[Example, Frame]]:
    """Yield each example with its frame, in the order given; a cine is opened once for all its frames.

    Examples of one file have to follow each other for that, as `load` lists them; one file is open at a time. A file or
    frame that cannot be read raises ReadError; with `on_error` it is told instead, and that example is left out.
    """
    reader: StudyReader | None = None
    try:
        for example in examples:
            try:
                if reader is None or reader.study.source != example.source:
                    if reader is not None:
                        reader.close()
                        reader = None
                    reader = open_source(example.source)
                frame = reader.frame(example.frame)
            except UsassistError as error:
                if on_error is None:
                    raise
                on_error(example, error)
                continue
            yield example, frame
    finally:
        if reader is not None:
            reader.close()
