"""Which examples a recipe learns from: divided, thinned, and what identifies them."""

from collections.abc import Callable, Sequence

from usassist.core.data.dataset import Example, fingerprint
from usassist.core.data.divide import Division, divide
from usassist.core.data.few_shot import choose
from usassist.core.data.near_duplicates import NearPair
from usassist.core.training.config import TrainConfig
from usassist.core.training.sections import FewShotConfig


def divided(
    examples: Sequence[Example],
    config: TrainConfig,
    *,
    twins: Sequence[NearPair] | None = None,
    on_read: Callable[[], object] | None = None,
) -> Division:
    """Divide examples as a recipe's [split] and [fold] say; `twins` and `on_read` are those of `divide`."""
    cross = config.fold
    return divide(
        examples,
        near_duplicates=config.split.near_duplicates,
        folds=cross.k,
        index=cross.index,
        seed=cross.seed,
        twins=twins,
        on_read=on_read,
    )


def thinned(examples: Sequence[Example], few: FewShotConfig) -> list[Example]:
    """Return divided examples with the part of their training images that [few_shot] asks for. Raises TrainingError."""
    return choose(
        examples,
        ratio=few.ratio or None,
        per_class=few.per_class or None,
        seed=few.seed,
        thin_val=few.thin_val,
    )


def learned_from(examples: Sequence[Example]) -> list[Example]:
    """Return the examples that a training may look at: train, and val to choose by."""
    return [example for example in examples if example.split in ("train", "val")]


def learned_fingerprint(examples: Sequence[Example]) -> str:
    """Return the SHA-256 by which a model's provenance knows the divided, thinned examples it learned from."""
    return fingerprint(learned_from(examples))
