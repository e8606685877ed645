"""What a model that follows texts has learned to find, as its description tells."""

from collections.abc import Sequence

from usassist.core.captions.vocabulary import load_vocabulary
from usassist.core.data.example import Example
from usassist.core.errors import UsassistError
from usassist.core.models.config import ModelConfig, can_be_learned_targets
from usassist.core.training.start import Start


def learned_targets(
    description: ModelConfig, examples: Sequence[Example], *, start: Start, target: str
) -> tuple[str, ...]:
    """Return the names of what masks of training images outline, behind what the model knew that the run goes on from.

    Names of the vocabulary's targets, else of classes or labels; `target` is what images of no class are taken for.
    What no mask shows was not learned; masks of each name are read until one shows it, so mostly the first.
    What the first model knew was learned once and stays in the list, though a training without it forgets a part: how
    well it is still found is a matter of measuring, whereas a text that is not in the list was never learned at all.
    Empty, which is "not known", for a model that follows no text, where the first model's list is not known, and where
    the names are too many or too long for a description.
    """
    if not description.follows_text:
        return ()
    before = start.model.config if start.model is not None else None
    knew: tuple[str, ...] = ()
    if before is not None and before.task == description.task:
        knew = before.learned_targets
        if not knew:
            return ()
    taught: dict[str, list[Example]] = {}
    for example in examples:
        if example.split == "train":
            taught.setdefault(shown_by(example, target=target), []).append(example)
    learned = [name for name, shown in taught.items() if name in knew or any(map(_outlines, shown))]
    names = tuple(dict.fromkeys((*knew, *learned)))
    return names if can_be_learned_targets(names) else ()


def shown_by(example: Example, *, target: str) -> str:
    """Return the name of what an example's mask outlines: the vocabulary's target, else what the data calls it."""
    known = load_vocabulary().target_of_class(example.class_name)
    return example.shows or (known.name if known is not None else example.class_name.strip() or target)


def _outlines(example: Example) -> bool:
    """Return whether a mask shows anything; one that cannot be read teaches nothing."""
    try:
        return bool(example.read_truth(example.read_grey().shape).any())
    except UsassistError:
        return False
