"""The images whose class was mistaken with the greatest confidence, chosen while they pass by."""

import base64
import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from usassist.core.evaluation.classification import ClassScores
from usassist.core.evaluation.gallery import encode, shrink
from usassist.core.evaluation.protocol import Picture


@dataclass(frozen=True)
class Mistake:
    """An image that was taken for another class: what it is, what was said, how sure of it (0 to 1), and a JPEG."""

    input: str
    frame: int
    truth: str
    said: str
    probability: float
    jpeg: bytes

    @property
    def data_uri(self) -> str:
        """Return the picture as a data URI."""
        return "data:image/jpeg;base64," + base64.b64encode(self.jpeg).decode("ascii")


@dataclass
class Mistakes:
    """Keeps the `count` surest mistakes; memory is bounded by their pictures, however many images pass by."""

    count: int = 12
    _kept: list[tuple[float, int, Mistake]] = field(default_factory=list)
    _seen: int = 0

    def offer(self, case: ClassScores, names: Sequence[str], *, image: Callable[[], Picture]) -> None:
        """Look at what was said of an image; its picture is read only if it is kept. Other classes are no mistakes."""
        self._seen += 1
        sure = max(case.probabilities)
        said = names[case.probabilities.index(sure)]
        if case.class_name not in names or said == case.class_name:
            return
        if len(self._kept) == self.count and sure <= self._kept[0][0]:
            return
        mistake = Mistake(case.input, case.frame, case.class_name, said, sure, encode(shrink(image())))
        keep = heapq.heappush if len(self._kept) < self.count else heapq.heapreplace
        keep(self._kept, (sure, -self._seen, mistake))

    def shown(self) -> tuple[Mistake, ...]:
        """Return what was kept, the surest first, of equals the earlier."""
        return tuple(mistake for _, _, mistake in sorted(self._kept, reverse=True))
