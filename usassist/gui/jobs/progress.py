"""How far a job is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` steps, and one line that says what is being done; a `total` of 0 means unknown."""

    done: int
    total: int
    text: str = ""

    @property
    def fraction(self) -> float | None:
        """Return 0 to 1, None where the total is unknown."""
        return min(1.0, self.done / self.total) if self.total > 0 else None
