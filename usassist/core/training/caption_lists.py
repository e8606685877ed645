"""Lists of images with captions (JSONL or CSV) as examples for contrastive training."""

import logging
import re
from pathlib import Path

from usassist.core.captions.pairs import Pair, Text, read_pairs
from usassist.core.data.example import Example
from usassist.core.data.splits import Split
from usassist.core.domain import Source
from usassist.core.errors import TrainingError
from usassist.core.io.open_study import source_key
from usassist.core.training.sections import ContrastConfig

logger = logging.getLogger(__name__)

_SUFFIXES = (".jsonl", ".csv", ".tsv")
_SPLIT = re.compile(r"(?:^|[^a-z])(train|val|test)(?:[^a-z]|$)")


def is_caption_list(path: Path) -> bool:
    """Return whether a path names a list of pairs, by its suffix, and not a folder."""
    return path.suffix.lower() in _SUFFIXES and not path.is_dir()


def read_caption_list(path: Path, settings: ContrastConfig, *, failed: list[str] | None = None) -> list[Example]:
    """Return an example for each good line; every bad one is added to `failed` with its number, and counted in the log.

    Only the count is logged: whoever passes `failed` says the reasons, once.
    The split is what the file's own name says (`us_caption_train_qwen3_8b.jsonl`), else none. Raises TrainingError for
    a file that cannot be read and for one without a good line.
    """
    images = Path(settings.images) if settings.images else None
    text: Text = "refined" if settings.captions == "refined" else "caption"
    pairs = read_pairs(path, images=images, text=text, clean=settings.clean)
    reasons = [f"{path.name}, line {problem.line}: {problem.reason}" for problem in pairs.problems]
    if failed is not None:
        failed += reasons
    if not pairs.items:
        first = f" The first: {reasons[0]}." if reasons else ""
        raise TrainingError(f"None of the {len(reasons)} lines of {path} is an image with a caption.{first}")
    if reasons:
        lines = len(reasons) + len(pairs.items)
        logger.warning("%s: %d of %d lines left out; `usassist captions check` lists them.", path, len(reasons), lines)
    found = _SPLIT.search(path.stem.lower())
    split: Split | None = next((name for name in ("train", "val", "test") if found and found[1] == name), None)
    return [_example(pair, path, split) for pair in pairs.items]


def _example(pair: Pair, path: Path, split: Split | None) -> Example:
    size = pair.image.stat().st_size
    source = Source(source_key(pair.name), pair.image, pair.name, size)
    return Example(
        key=f"{path.stem}/{pair.name}",
        dataset=path.stem,
        source=source,
        frame=0,
        caption=pair.text,
        split=split or "",
        group=f"{path.stem}/{pair.name}",
    )
