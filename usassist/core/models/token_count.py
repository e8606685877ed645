"""How much of a text an encoder reads; the window counts too, so that torch stays out of here."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TokenCount:
    """How much of a text the text tower sees.

    `used` tokens the text needs with start and end, `room` the context holds; `cut_text` is the end of the text that
    is not seen, "" where all of it is.
    """

    used: int
    room: int
    cut_text: str = ""

    @property
    def kept(self) -> int:
        return min(self.used, self.room)
