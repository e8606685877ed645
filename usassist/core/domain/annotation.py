"""What a reader said about a frame, and the project that holds it all."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from usassist.core.domain.region import Label, Region

Status = Literal["untouched", "draft", "accepted", "unusable"]
"""`accepted` with no region means "nothing to segment"; rejecting a proposal is a journal event, not a status."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A person who annotates: `id` is safe as a folder name."""

    id: str
    name: str


@dataclass(frozen=True)
class Annotation:
    """Everything one reader said about one frame; frozen, an edit makes a new one.

    `shape` is the frame's (rows, columns): a mask of another size can never be written under this frame's name.
    """

    frame_key: str
    reader_id: str
    shape: tuple[int, int]
    regions: tuple[Region, ...] = ()
    status: Status = "untouched"
    flagged: bool = False
    tags: tuple[str, ...] = ()
    note: str = ""

    def region(self, region_id: str) -> Region | None:
        """Return the region with this id, None where there is none."""
        return next((region for region in self.regions if region.id == region_id), None)


@dataclass(frozen=True, slots=True)
class SourceEntry:
    """A source as a project remembers it: its key, its path relative to the project's images root, its SHA-256."""

    key: str
    relative: str
    size: int
    sha256: str | None = None


@dataclass(frozen=True)
class Project:
    """A project's facts: where it lives, where its images are, its labels, sources and readers."""

    root: Path
    images_root: Path
    labels: tuple[Label, ...]
    sources: tuple[SourceEntry, ...]
    readers: tuple[Reader, ...]
    schema_version: int
