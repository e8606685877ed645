"""MedCLIP-SAMv2's data: a folder of images and a folder of masks for each split."""

from pathlib import Path

from usassist.core.data.example import Example
from usassist.core.data.labels import SPLITS
from usassist.core.data.layouts.layout import Layout, below, with_masks
from usassist.core.data.pairing import pair_masks
from usassist.core.errors import TrainingError
from usassist.core.io.find import find_sources


def recognises(path: Path) -> bool:
    """Return whether at least one split is there."""
    return any((path / f"{split}_images").is_dir() for split in SPLITS)


def examples(path: Path) -> list[Example]:
    """List the images of every split that is there, each a group of its own. Raises TrainingError.

    Splits number their files alike, so an image's relative path begins with its folder: `train_images/001.png`.
    """
    name = path.resolve().name
    found: list[tuple[Example, Path | None]] = []
    for split in (split for split in SPLITS if (path / f"{split}_images").is_dir()):
        images, masks = path / f"{split}_images", path / f"{split}_masks"
        if not masks.is_dir():
            raise TrainingError(f"{images} has no folder {masks.name} beside it; expected a mask for each image there.")
        sources = find_sources(images)
        paired = pair_masks(sources, masks)
        for source in sources:
            whole = below(source, images.name)
            found += [
                (
                    Example(
                        key=f"{name}/{whole.relative}" + (f"#{frame}" if frame else ""),
                        dataset=name,
                        source=whole,
                        frame=frame,
                        split=split,
                        group=f"{name}/{whole.relative}",
                    ),
                    mask,
                )
                for frame, mask in paired[source.relative]
            ]
    return with_masks(found, path)


SPEC = Layout(
    name="medclip_sam",
    expected="the MedCLIP-SAMv2 layout: {train,val,test}_images and {train,val,test}_masks",
    recognises=recognises,
    examples=examples,
)
