"""One frame with its truth, whatever kind of dataset it comes from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from usassist.core.data.objects import ONE_OBJECT, ObjectTruth
from usassist.core.data.splits import Split
from usassist.core.domain import Source
from usassist.core.errors import ExchangeError
from usassist.core.io.display import to_grey8
from usassist.core.io.open_study import open_source


@dataclass(frozen=True)
class Example:
    """One frame with its truth: what a dataset or a project knows about it.

    `truth` reads the mask as an HxW bool array when it is needed; it is never an input to what is evaluated. None where
    there is no mask, as in data for classification.
    `group` stands for a patient: near-duplicates share it; `patient` is the patient as the data names it, "" where it
    does not. `split` is train, val, test, or "" where the data has none. `spacing_mm` is (row, col) as the dataset
    declares it. `label_conflict`: the data says that its class contradicts a near-duplicate's. `object_truth` tells
    objects apart where there are several. `shows` names what the mask outlines where the class does not tell: a target
    of the vocabulary, else in a person's words.
    """

    key: str
    dataset: str
    source: Source
    frame: int
    truth: Callable[[tuple[int, int]], npt.NDArray[np.bool_]] | None = None
    class_name: str = ""
    caption: str = ""
    split: Split | Literal[""] = ""
    group: str = ""
    spacing_mm: tuple[float, float] | None = None
    patient: str = ""
    label_conflict: bool = False
    object_truth: ObjectTruth | None = None
    shows: str = ""

    @property
    def objects(self) -> tuple[str, ...]:
        """The names of the values 1, 2, ... of `read_classes`, the same for every example of a dataset.

        One name where masks are binary. Where no classes.csv names them the first call reads all masks of the dataset.
        """
        return self.object_truth.names if self.object_truth else (ONE_OBJECT,)

    def read_grey(self) -> npt.NDArray[np.uint8]:
        """Decode the frame as HxW uint8. Raises ReadError.

        It opens the file for this one frame; `dataset.open_frames` opens a cine once for all of its frames.
        """
        reader = open_source(self.source)
        try:
            return to_grey8(reader.frame(self.frame))
        finally:
            reader.close()

    def read_truth(self, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
        """Read the truth of a frame of (rows, columns). Raises ExchangeError for another size or no mask."""
        if self.truth is None:
            raise ExchangeError(
                f"{self.key} has no mask; add one of the same name, or use the image for its class only."
            )
        return self.truth(shape)

    def require_truth_size(self, shape: tuple[int, int]) -> None:
        """Raise UsassistError where there is a mask, and of another size than a frame of (rows, columns)."""
        if self.object_truth is not None:
            self.object_truth.require_size(shape)

    def read_classes(self, shape: tuple[int, int]) -> npt.NDArray[np.uint8]:
        """Read which object each pixel is: HxW uint8, 0 for none, else i for `objects[i - 1]`.

        Raises ExchangeError where the sizes differ and for a value without a name.
        """
        return self.object_truth.read(shape) if self.object_truth else self.read_truth(shape).astype(np.uint8)
