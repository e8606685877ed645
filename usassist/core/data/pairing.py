"""Which mask of a dataset folder belongs to which image, and which frame of it."""

import logging
import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

from usassist.core.domain import Source
from usassist.core.errors import TrainingError

logger = logging.getLogger(__name__)
MASK_SUFFIXES = frozenset({".png", ".bmp", ".jpg", ".jpeg", ".tif", ".tiff", ".webp"})
_FRAME = re.compile(r"(?P<clip>.+)_(?P<index>\d{4,})")


def without_suffix(relative: str) -> str:
    """Return a posix path without its last suffix; a DICOM UID's last number is none, and .nii.gz is one.

    >>> [without_suffix(name) for name in ("a/b.png", "c.nii.gz", "1.2.840.113")]
    ['a/b', 'c', '1.2.840.113']
    """
    if relative.lower().endswith(".nii.gz"):
        return relative[: -len(".nii.gz")]
    suffix = PurePosixPath(relative).suffix
    return relative if not suffix or suffix[1:].isdigit() else relative[: -len(suffix)]


def pair_masks(
    sources: Sequence[Source], masks: Path, *, required: Collection[str] | None = None
) -> dict[str, list[tuple[int, Path]]]:
    """Return for each image, by its relative path, its frames with a mask: (index from 0, file), in order.

    An image's mask lies at the image's own path under `masks` (any suffix of an image), at its whole name with a suffix
    added (`a.dcm.png`, where `a.png` is there too), or at its bare name if no other image has it; a cine's masks are
    called `STEM_0000.png` and so on. Raises TrainingError for images without one (only those in `required`, by relative
    path, where it is given) and for a mask that two images or two masks that one image could mean.
    """
    there = _masks(masks)
    names = _candidate_names(sources)
    paired: dict[str, list[tuple[int, Path]]] = {}
    taken: dict[Path, str] = {}
    for source in sources:
        found = next((there[name] for name in names[source.relative] if name in there), None)
        if found is not None:
            paired[source.relative] = [(0, _take(_only(found), source, taken))]
    clips: dict[str, list[tuple[int, list[Path]]]] = defaultdict(list)
    for name, files in there.items():
        match = _FRAME.fullmatch(name)
        if match is not None and not taken.keys() & set(files):
            clips[match["clip"]].append((int(match["index"]), files))
    for source in sources:
        found_clip = next((clips[name] for name in names[source.relative] if name in clips), None)
        if source.relative not in paired and found_clip is not None:
            frames = sorted((index, _take(_only(files), source, taken)) for index, files in found_clip)
            paired[source.relative] = frames
    _require(required if required is not None else [source.relative for source in sources], paired, masks)
    unused = sum(len(files) for files in there.values()) - len(taken)
    if unused:
        logger.warning("%s: %d masks belong to no image and are left out.", masks, unused)
    return paired


def _masks(folder: Path) -> dict[str, list[Path]]:
    """Return the files of masks in depth by their relative path without suffix."""
    found: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in MASK_SUFFIXES and not path.name.startswith(".") and path.is_file():
            found[path.relative_to(folder).with_suffix("").as_posix()].append(path)
    return dict(found)


def _candidate_names(sources: Sequence[Source]) -> dict[str, tuple[str, ...]]:
    """Return for each image the names its mask may have, the most telling first."""
    bare: dict[str, int] = defaultdict(int)
    for source in sources:
        bare[PurePosixPath(without_suffix(source.relative)).name] += 1
    names: dict[str, tuple[str, ...]] = {}
    for source in sources:
        path, stem = source.relative, without_suffix(source.relative)
        short = PurePosixPath(stem).name
        # Two patients' 001.png must not share one mask 001.png: the bare name serves only where it is the only one.
        names[path] = (path, stem, PurePosixPath(path).name, short) if bare[short] == 1 else (path, stem)
    return names


def _only(files: list[Path]) -> Path:
    if len(files) > 1:
        raise TrainingError(
            f"{files[0].parent} holds several masks of one name: {', '.join(path.name for path in files)}; keep one."
        )
    return files[0]


def _take(mask: Path, source: Source, taken: dict[Path, str]) -> Path:
    other = taken.setdefault(mask, source.relative)
    if other != source.relative:
        raise TrainingError(
            f"{mask} could belong to {other} and to {source.relative}; name each mask like its image with the suffix: "
            f"{PurePosixPath(other).name}.png and {PurePosixPath(source.relative).name}.png."
        )
    return mask


def _require(required: Collection[str], paired: dict[str, list[tuple[int, Path]]], masks: Path) -> None:
    missing = [relative for relative in required if relative not in paired]
    if missing:
        raise TrainingError(
            f"{masks.parent}: {len(missing)} images have no mask of the same stem in {masks.name}/, for instance "
            f"{missing[0]}; add an empty mask for an image without an object, and STEM_0000.png and so on for a cine."
        )
