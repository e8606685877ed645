"""Labels, and the regions people draw with them."""

import re
from dataclasses import dataclass, field
from typing import Literal

from usassist.core.domain.mask import Mask
from usassist.core.errors import UsassistError

Origin = Literal["human", "engine"]


@dataclass(frozen=True, slots=True)
class Label:
    """A kind of thing that is contoured: `colour` is "#rrggbb", `caption` the text prompt that describes it."""

    id: str
    name: str
    colour: str
    caption: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"#[0-9a-fA-F]{6}", self.colour):
            raise UsassistError(f"A label's colour is #rrggbb; found {self.colour!r} for {self.name!r}.")
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", self.id):
            raise UsassistError(f"A label's id is 1 to 64 of a-z, 0-9, '_' and '-'; found {self.id!r}.")


@dataclass(frozen=True)
class Region:
    """One contoured object: regions may overlap and a label may occur several times.

    `origin` says who drew it first; `edited` is true once a person changed an engine's mask, by hand or by pointing
    (clicks, a box): false says of an engine's region that nobody corrected it.
    `attributes` are free (name, value) pairs such as ("birads", "4a").
    """

    id: str
    label_id: str
    mask: Mask
    origin: Origin = "human"
    edited: bool = False
    attributes: tuple[tuple[str, str], ...] = field(default=())
