"""Axis-aligned boxes in original-image pixels."""

from dataclasses import dataclass

from usassist.core.errors import UsassistError


@dataclass(frozen=True, slots=True)
class Box:
    """A half-open box of pixels: rows `top <= r < bottom`, columns `left <= c < right`."""

    top: int
    left: int
    bottom: int
    right: int

    def __post_init__(self) -> None:
        if self.bottom < self.top or self.right < self.left:
            raise UsassistError(
                f"A box needs top <= bottom and left <= right, found {self.top, self.left, self.bottom, self.right}."
            )

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def is_empty(self) -> bool:
        return self.height == 0 or self.width == 0

    @property
    def slices(self) -> tuple[slice, slice]:
        """Return `(rows, columns)` for indexing an HxW array."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def contains(self, row: float, col: float) -> bool:
        """Return whether the pixel at (row, col) lies inside."""
        return self.top <= row < self.bottom and self.left <= col < self.right

    def intersection(self, other: "Box") -> "Box":
        """Return the common part; an empty box where there is none."""
        top, left = max(self.top, other.top), max(self.left, other.left)
        return Box(top, left, max(top, min(self.bottom, other.bottom)), max(left, min(self.right, other.right)))

    def union(self, other: "Box") -> "Box":
        """Return the smallest box around both; an empty box adds nothing."""
        if self.is_empty:
            return other
        if other.is_empty:
            return self
        return Box(
            min(self.top, other.top),
            min(self.left, other.left),
            max(self.bottom, other.bottom),
            max(self.right, other.right),
        )
