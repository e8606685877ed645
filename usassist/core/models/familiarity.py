"""How far an image lies from what a model was trained on, told from its features: a Gaussian in few dimensions.

Statistics of the early and middle taps tell photographs, other modalities and empty screens from ultrasound; the
deepest tap is left out: it says what is shown, and varies most among ordinary images.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from usassist.core.errors import ModelError
from usassist.core.project.atomic import write_bytes

if TYPE_CHECKING:
    from usassist.core.models.clip import ImageFeatures

Floats = npt.NDArray[np.float32]
Tensors = dict[str, npt.NDArray[np.generic]]

FAMILIARITY_FILE = "familiarity.safetensors"
MOST_TRAININGS = 4
"""How many trainings, one after the other, a model knows the images of."""
MOST_BYTES = 200_000
"""What is known of one training's images takes no more."""
_MOST_DIRECTIONS = 64
_HEADER_BYTES = 4096
_SHRINKAGE = 0.01
_LEAST_SPREAD = 1e-6
_FURTHEST = 100.0
"""Deviations beyond which a statistic is not followed: a distance stays finite, and far is far."""
_NUMBERS, _WEIGHTS, _IMAGES = "rest_and_limits", "weights", "images"
_PLACES = ("", *(f".{number}" for number in range(1, MOST_TRAININGS)))
"""What names end with in the file: nothing for the last training, then a number for each before it."""


def statistics(features: "ImageFeatures") -> Floats:
    """Return the mean and the deviation of every channel of all taps but the deepest, (B, F) float32.

    A model with one tap has those of that one.
    """
    import torch

    taps = features.taps[:-1] or features.taps
    parts = []
    for tap in taps:
        # Channels last, as they lie in memory: var_mean takes ten times as long.
        pixels = tap.float().permute(0, 2, 3, 1).flatten(1, 2)
        mean = pixels.mean(dim=1, keepdim=True)
        parts += [mean[:, 0], (pixels - mean).square().mean(dim=1).sqrt()]
    return np.asarray(torch.cat(parts, dim=1).cpu().numpy(), dtype=np.float32)


def count_statistics(tap_channels: Sequence[int]) -> int:
    """Return how many numbers `statistics` gives for a model with taps of these channels.

    >>> count_statistics((16, 24, 256))
    80
    """
    return 2 * sum(tap_channels[:-1] or tap_channels)


@dataclass(frozen=True)
class Familiarity:
    """What is known about the images a model was trained on, of which `images` were looked at.

    F statistics are standardised by `mean` and `scale` (F,); `basis` (F, D) float16 holds their D main directions,
    `variance` (D,) how far training images spread along each, `rest` what they have left outside of them. An image is
    unlike them from the distance `limit` on, and where more of it than `colour_limit`, a share of 1, shows colour.
    `before` are the images of trainings that this one went on from: what is like any of them is ordinary too.
    """

    mean: Floats
    scale: Floats
    basis: npt.NDArray[np.float16]
    variance: Floats
    rest: float
    limit: float = 1.0
    colour_limit: float = 1.0
    images: int = 0
    before: "tuple[Familiarity, ...]" = ()

    @classmethod
    def fit(cls, seen: Floats) -> Self:
        """Fit on the statistics (N, F) of N >= 2 training images; the limits are still to be chosen.

        It is the probabilistic principal component analysis of Tipping and Bishop (1999). Raises ModelError for
        statistics that are not finite.
        """
        if len(seen) < 2 or not np.isfinite(seen).all():
            raise ModelError(
                f"What a model has seen is learned from at least 2 images with finite features; found {len(seen)}."
            )
        mean, scale = seen.mean(axis=0, dtype=np.float64), seen.std(axis=0, dtype=np.float64) + _LEAST_SPREAD
        standard = (seen - mean) / scale
        _, sizes, directions = np.linalg.svd(standard, full_matrices=False)
        values, count = sizes**2 / len(seen), _directions(*seen.shape)
        main = np.maximum(values[:count], _LEAST_SPREAD)
        return cls(
            mean=mean.astype(np.float32),
            scale=scale.astype(np.float32),
            basis=directions[:count].T.astype(np.float16),
            variance=((1 - _SHRINKAGE) * main + _SHRINKAGE * main.mean()).astype(np.float32),
            rest=max(float(values[count:].sum()), _LEAST_SPREAD),
            images=len(seen),
        )

    def and_before(self, known: "Familiarity") -> "Familiarity":
        """Return this with what a model knew before; of more than there is room for, what was learned from most."""
        own = (replace(known, before=()), *known.before)
        most = sorted(own, key=lambda each: each.images, reverse=True)[: MOST_TRAININGS - 1]
        return replace(self, before=tuple(most), colour_limit=max(self.colour_limit, known.colour_limit))

    def strangeness(self, seen: Floats) -> npt.NDArray[np.float64]:
        """Return how strange images of statistics (N, F) are, (N,): above 1 for those that are like no training's."""
        each = [known.distances(seen) / known.limit for known in (self, *self.before)]
        return np.asarray(np.min(each, axis=0), dtype=np.float64)

    def distances(self, seen: Floats) -> npt.NDArray[np.float64]:
        """Return how far statistics (N, F) lie from these training images, (N,), about 2 for a typical one of them.

        The mean squared deviation along the main directions plus the squared rest, each in units of the training
        images' own. Those before do not count.
        """
        standard = np.clip((seen - self.mean) / self.scale, -_FURTHEST, _FURTHEST).astype(np.float64)
        along = standard @ self.basis.astype(np.float64)
        outside = np.maximum((standard**2).sum(axis=1) - (along**2).sum(axis=1), 0.0)
        return np.asarray((along**2 / self.variance).mean(axis=1) + outside / self.rest, dtype=np.float64)

    def save(self, folder: Path, *, weights_hash: str) -> None:
        """Write it beside the weights that it is about, whole or not at all. Raises ModelError."""
        from safetensors.numpy import save

        words = {_WEIGHTS: weights_hash}
        tensors: dict[str, npt.NDArray[np.float16 | np.float32]] = {}
        for known, place in zip((self, *self.before), _PLACES, strict=False):
            tensors |= {f"{name}{place}": tensor for name, tensor in known._tensors().items()}
            words[f"{_IMAGES}{place}"] = str(known.images)
        data = save(tensors, metadata=words)
        write_bytes(folder / FAMILIARITY_FILE, data, error=ModelError)

    def _tensors(self) -> dict[str, npt.NDArray[np.float16 | np.float32]]:
        return {
            "mean": self.mean,
            "scale": self.scale,
            "basis": np.ascontiguousarray(self.basis),
            "variance": self.variance,
            _NUMBERS: np.array([self.rest, self.limit, self.colour_limit], dtype=np.float32),
        }


def _directions(images: int, statistics_each: int) -> int:
    """Return how many main directions are kept: few enough for the file, and for so many images."""
    room = (MOST_BYTES - _HEADER_BYTES - 8 * statistics_each) // (2 * statistics_each)
    return max(1, min(_MOST_DIRECTIONS, room, images - 1, statistics_each - 1))


def load_familiarity(folder: Path, *, weights_hash: str, tap_channels: Sequence[int]) -> Familiarity | None:
    """Return what a model's folder knows about its training images, None where that was never learned.

    Raises ModelError for a file that is too large or damaged, whose numbers are not finite, that fits other taps, or
    that is about other weights.
    """
    path = folder / FAMILIARITY_FILE
    if not path.exists():
        return None
    tensors, words = _read(path)
    parts = _parted(path, tensors)
    for part in parts:
        _check(path, part, count_statistics(tap_channels))
    if words.get(_WEIGHTS) != weights_hash:
        raise ModelError(
            f"{path} is about weights with the SHA-256 {str(words.get(_WEIGHTS))[:64]}, but those beside it have "
            f"{weights_hash}; {_REMEDY}"
        )
    own, *before = (_familiarity(part, _count(words, place)) for part, place in zip(parts, _PLACES, strict=False))
    return replace(own, before=tuple(before))


def _parted(path: Path, tensors: Tensors) -> list[Tensors]:
    """Return the tensors of each training, under their names alone."""
    parts: dict[str, Tensors] = {}
    for name, tensor in tensors.items():
        plain, dot, number = name.partition(".")
        parts.setdefault(dot + number, {})[plain] = tensor
    places = _PLACES[: max(1, len(parts))]
    if parts.keys() != set(places):
        raise ModelError(
            f"{path} does not fit its model: expected what was learned in 1 to {MOST_TRAININGS} trainings, found "
            f"tensors of {len(parts)}, for instance {max(tensors, default='none')[:64]}; {_REMEDY}"
        )
    return [parts[place] for place in places]


def _familiarity(tensors: Tensors, images: int) -> Familiarity:
    rest, limit, colour_limit = (float(value) for value in tensors[_NUMBERS])
    return Familiarity(
        mean=tensors["mean"].astype(np.float32),
        scale=tensors["scale"].astype(np.float32),
        basis=tensors["basis"].astype(np.float16),
        variance=tensors["variance"].astype(np.float32),
        rest=rest,
        limit=limit,
        colour_limit=colour_limit,
        images=images,
    )


def images_looked_at(folder: Path) -> int:
    """Return how many training images a model's folder knows to be ordinary; 0 where that is not known."""
    try:
        words = _read(folder / FAMILIARITY_FILE)[1]
    except ModelError:
        return 0
    return sum(_count(words, place) for place in _PLACES)


def _count(words: dict[str, str], place: str) -> int:
    images = words.get(f"{_IMAGES}{place}", "")
    return int(images) if images.isdecimal() and len(images) < 10 else 0


_REMEDY = "remove the file, or learn it again with `usassist models familiarise NAME|DIR --data DATASET`."


def _read(path: Path) -> tuple[Tensors, dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    try:
        size = path.stat().st_size
        if size > MOST_TRAININGS * MOST_BYTES:
            raise ModelError(f"{path} has {size} bytes; expected at most {MOST_TRAININGS * MOST_BYTES}; {_REMEDY}")
        with safe_open(path, framework="np") as file:
            tensors = {name: np.asarray(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118  no mapping
            return tensors, dict(file.metadata() or {})
    except (OSError, SafetensorError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"{path} cannot be read as safetensors ({error}); {_REMEDY}") from error


def _check(path: Path, tensors: Tensors, wanted: int) -> None:
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    basis = shapes.get("basis", ())
    width = basis[1] if len(basis) == 2 else 0
    expected = {"mean": (wanted,), "scale": (wanted,), "basis": (wanted, width), "variance": (width,)}
    kinds = {tensor.dtype for tensor in tensors.values()}
    if shapes != expected | {_NUMBERS: (3,)} or not width or not kinds <= {np.dtype("f2"), np.dtype("f4")}:
        raise ModelError(
            f"{path} does not fit its model: expected a mean, a scale and directions of {wanted} numbers; "
            f"found {', '.join(f'{name} {list(shape)}' for name, shape in sorted(shapes.items()))}; {_REMEDY}"
        )
    if any(not np.isfinite(tensor).all() for tensor in tensors.values()):
        raise ModelError(f"{path} holds numbers that are not finite; {_REMEDY}")
    if any(float(tensors[name].min()) <= 0 for name in ("scale", "variance", _NUMBERS)):
        raise ModelError(f"{path} holds a spread or a limit that is not above 0; {_REMEDY}")
