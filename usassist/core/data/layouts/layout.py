"""What a layout of a dataset is, and what all of them share."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from usassist.core.data.example import Example
from usassist.core.data.objects import FolderLegend, MaskFile, read_legend
from usassist.core.domain import Source
from usassist.core.errors import TrainingError
from usassist.core.io.find import source_key


@dataclass(frozen=True, slots=True)
class Layout:
    """A layout: `expected` describes it in an error's words, `is_general` ones are tried after all others.

    `recognises` answers from names alone; `examples` lists the examples in natural order and raises TrainingError.
    """

    name: str
    expected: str
    recognises: Callable[[Path], bool]
    examples: Callable[[Path], list[Example]]
    is_general: bool = False


def with_masks(examples: Sequence[tuple[Example, Path | None]], root: Path) -> list[Example]:
    """Return the examples with the truth of their mask files; `classes.csv` of `root` names the objects in them."""
    masks = tuple(dict.fromkeys(path for _, path in examples if path is not None))
    folder = FolderLegend(masks, read_legend(root))
    return [example if path is None else _with_mask(example, MaskFile(path, folder)) for example, path in examples]


def _with_mask(example: Example, mask: MaskFile) -> Example:
    return replace(example, truth=mask.any, object_truth=mask)


def below(source: Source, prefix: str) -> Source:
    """Return a source whose relative path begins one folder higher, so that equal names of two folders differ."""
    relative = f"{prefix}/{source.relative}"
    return replace(source, relative=relative, key=source_key(relative))


def require_there(names: Collection[str], there: Mapping[str, object], *, where: Path, folder: Path) -> None:
    """Raise TrainingError for names of a list that the folder lacks; it says how many, and one of each."""
    missing = [name for name in names if name not in there]
    if missing:
        raise TrainingError(
            f"{where} names {len(missing)} images that are not in {folder}, for instance {missing[0]}; "
            f"correct the list or copy the images again."
        )
