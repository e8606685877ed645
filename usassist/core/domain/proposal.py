"""What is asked of an engine, and what it answers."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from usassist.core.domain.box import Box
from usassist.core.domain.frame import Frame
from usassist.core.domain.mask import Mask
from usassist.core.errors import UsassistError

PromptKind = Literal["text", "points", "box", "scribble", "mask", "support"]


@dataclass(frozen=True, slots=True)
class PromptPoint:
    """A click at pixel (x, y) of the original image; `positive` says whether it belongs to the object."""

    x: float
    y: float
    positive: bool = True

    def __post_init__(self) -> None:
        if not (math.isfinite(self.x) and math.isfinite(self.y)):
            raise UsassistError(f"A click is at a place of the image; found ({self.x}, {self.y}).")


@dataclass(frozen=True)
class Prompt:
    """What the person asked: any of a text, clicks, a box, a scribble, a previous mask, and support cases.

    No field set asks an engine for whatever it finds. `label_id` names the label the answer is meant for.
    """

    label_id: str
    text: str | None = None
    points: tuple[PromptPoint, ...] = ()
    box: Box | None = None
    scribble: Mask | None = None
    mask: Mask | None = None
    support: tuple[tuple[Frame, Mask], ...] = ()

    @property
    def kinds(self) -> frozenset[PromptKind]:
        """Return which kinds of prompt are set."""
        given: dict[PromptKind, bool] = {
            "text": bool(self.text),
            "points": bool(self.points),
            "box": self.box is not None,
            "scribble": self.scribble is not None,
            "mask": self.mask is not None,
            "support": bool(self.support),
        }
        return frozenset(kind for kind, present in given.items() if present)

    def describe(self) -> str:
        """Return one line for the journal; never pixels."""
        parts = [f"text={self.text!r}"] if self.text else []
        parts += [f"points={len(self.points)}"] if self.points else []
        parts += [f"box={self.box.top, self.box.left, self.box.bottom, self.box.right}"] if self.box else []
        parts += [f"support={len(self.support)}"] if self.support else []
        parts += [kind for kind in ("scribble", "mask") if kind in self.kinds]
        return " ".join(parts)


@dataclass(frozen=True)
class Proposal:
    """An engine's answer: never a region until a person accepts it.

    `presence` is P(what was asked is in the image), `quality` the predicted Dice given that it is; both 0 to 1.
    `probability` is an optional HxW float32 map, 0 to 1, for display and uncertainty. `refines` is the id of the region
    whose mask it would replace, None where accepting it makes a region of its own. `strangeness` says how far the image
    lies from those the model was trained on: 0 or more, above 1 unlike all of them, None where that is not known.
    `warning` are sentences for people: that the image is unlike all of them, and, which `text_warning` is alone, that
    the model never learned what the prompt's text asks for.
    """

    frame_key: str
    label_id: str
    mask: Mask
    presence: float
    quality: float
    engine: str
    weights_hash: str
    prompt: Prompt
    seconds: float
    probability: npt.NDArray[np.float32] | None = None
    refines: str | None = None
    strangeness: float | None = None
    warning: str = ""
    text_warning: str = ""

    def __post_init__(self) -> None:
        for name, value in (("presence", self.presence), ("quality", self.quality)):
            if not (math.isfinite(value) and 0.0 <= value <= 1.0):
                raise UsassistError(f"A proposal's {name} is between 0 and 1; found {value} from {self.engine}.")
        if self.strangeness is not None and not (math.isfinite(self.strangeness) and self.strangeness >= 0.0):
            raise UsassistError(f"A proposal's strangeness is 0 or more; found {self.strangeness} from {self.engine}.")

    @property
    def image_warning(self) -> str:
        """Return what the warning says about the image, whatever was asked about it."""
        return self.warning.removesuffix(self.text_warning).rstrip()

    @property
    def score(self) -> float:
        """Return presence x quality, 0 for an empty mask."""
        return 0.0 if self.mask.is_empty else self.presence * self.quality
