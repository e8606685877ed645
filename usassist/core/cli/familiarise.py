"""What `usassist models familiarise` does: an existing model learns which images are like those of its training."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from usassist.core.data.dataset import load
from usassist.core.errors import ModelError
from usassist.core.models.adding import record_file
from usassist.core.models.familiarity import FAMILIARITY_FILE, Familiarity, load_familiarity
from usassist.core.models.weights import ModelInfo, find_model, load_model

if TYPE_CHECKING:
    from usassist.core.models.embedder import ClipModel

logger = logging.getLogger(__name__)


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
    if not examples:
        raise ModelError(
            "The data declares no split train and val, so nothing tells what the model was trained on from what it is "
            "to be measured with; a project of the window has none. Give datasets whose labels.csv has a column split."
        )
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
    known = familiarity_of_start(model, start, model.config) or _known_already(info, model)
    found = found if known is None else found.and_before(known)
    found.save(info.folder, weights_hash=info.weights_hash)
    record_file(info.folder, FAMILIARITY_FILE)
    return found


def _known_already(info: ModelInfo, model: "ClipModel") -> Familiarity | None:
    """Return what its folder knows of the models before it, where those themselves are not there any more."""
    try:
        own = load_familiarity(info.folder, weights_hash=info.weights_hash, tap_channels=model.encoder.tap_channels)
    except ModelError as error:
        logger.warning("What %s knew before is learned anew. %s", info.name, error)
        return None
    if own is None or not own.before:
        return None
    last, *others = own.before
    return replace(last, before=tuple(others))
