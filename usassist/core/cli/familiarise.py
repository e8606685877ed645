"""What `usassist models familiarise` does: an existing model learns which images are like those of its training."""

from collections.abc import Callable, Sequence
from pathlib import Path

from usassist.core.data.dataset import load
from usassist.core.errors import ModelError
from usassist.core.models.adding import record_file
from usassist.core.models.familiarity import FAMILIARITY_FILE, Familiarity
from usassist.core.models.weights import find_model, load_model


def familiarise(
    name: str, data: Sequence[Path], *, on_progress: Callable[[str, int, int], None] | None = None
) -> Familiarity:
    """Learn what a model's training images look like to it, and write that beside its weights.

    What the model it went on from takes for ordinary stays so, as after a training. Uses the splits train and val that
    the data declares. Raises ModelError for a shipped model, by name or by path, and for too few images.
    """
    from usassist.core.training.familiarity import LEAST_TRAIN, LEAST_VAL, familiarity_of_start, learn_familiarity
    from usassist.core.training.images import read_pictures

    info = find_model(name)
    if info.origin == "shipped":
        raise ModelError(f"{name!r} ships with usassist and stays as it is; give the folder of a copy of it.")
    model, _ = load_model(name)
    examples = [example for folder in data for example in load(folder) if example.split in ("train", "val")]
    own = model.config.preprocess
    pictures, _ = read_pictures(examples, size=own.size, sharpest=own.sharpest, on_progress=on_progress)
    parts = {split: [item for item in pictures if item.example.split == split] for split in ("train", "val")}
    found = learn_familiarity(model, parts["train"], parts["val"], on_progress=on_progress)
    if found is None:
        raise ModelError(
            f"The data has {len(parts['train'])} images of the split train and {len(parts['val'])} of val that can be "
            f"read; expected at least {LEAST_TRAIN} and {LEAST_VAL}."
        )
    begun = model.config.provenance.get("start_from")
    start = str(begun.get("name", "")) if isinstance(begun, dict) else ""
    known = familiarity_of_start(model, start, model.config)
    found = found if known is None else found.and_before(known)
    found.save(info.folder, weights_hash=info.weights_hash)
    record_file(info.folder, FAMILIARITY_FILE)
    return found
