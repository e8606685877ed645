"""A folder of images, a folder of masks with the same stems, and optionally labels.csv."""

from pathlib import Path

from usassist.core.data.example import Example
from usassist.core.data.labels import Row, match_rows, read_labels
from usassist.core.data.layouts.layout import Layout, with_masks
from usassist.core.data.pairing import pair_masks
from usassist.core.domain import Source
from usassist.core.io.open_study import find_sources


def recognises(path: Path) -> bool:
    """Return whether both folders are there."""
    return (path / "images").is_dir() and (path / "masks").is_dir()


def examples(path: Path) -> list[Example]:
    """List every frame that has a mask. Raises TrainingError for images without one."""
    sources, name = find_sources(path / "images"), path.resolve().name
    paired = pair_masks(sources, path / "masks")
    table = path / "labels.csv"
    rows = match_rows(read_labels(table), [source.relative for source in sources], where=table)
    found: list[tuple[Example, Path | None]] = [
        (_example(name, source, rows.get(source.relative, Row()), frame=frame), mask)
        for source in sources
        for frame, mask in paired[source.relative]
    ]
    return with_masks(found, path)


def _example(dataset: str, source: Source, row: Row, *, frame: int) -> Example:
    group = row.group or f"{dataset}/{source.relative}"
    return Example(
        key=f"{dataset}/{source.relative}" + (f"#{frame}" if frame else ""),
        dataset=dataset,
        source=source,
        frame=frame,
        class_name=row.class_name,
        caption=row.caption,
        split=row.split or "",
        group=f"{dataset}/{group}",
        spacing_mm=row.spacing_mm,
        patient=row.patient,
        label_conflict=row.label_conflict,
    )


SPEC = Layout(
    name="plain",
    expected="a folder with images/ and masks/ of the same stems and optionally labels.csv",
    recognises=recognises,
    examples=examples,
    is_general=True,
)
