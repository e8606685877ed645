"""Whether a model has seen the images of a report: only what can be compared is said."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from usassist.core.data.dataset import Example, fingerprint, load
from usassist.core.domain import Source
from usassist.core.errors import UsassistError
from usassist.core.evaluation.card_sources import CardReport
from usassist.core.evaluation.stored import text_of
from usassist.core.io.open_study import hash_source
from usassist.core.models.config import ModelConfig

CHOSEN, NEVER, NOT_NAMED = "chosen on", "never trained on", "folder not named in the training"
_CHAIN = 8
"""So many trainings, each from the last one's weights, are followed; a longer chain is not known to its end."""


@dataclass(frozen=True, slots=True)
class Shared:
    """How many files of a report's images a training learned from; equal in content, or only in name."""

    files: int
    by: Literal["content", "name"]


@dataclass(frozen=True)
class Learned:
    """The examples of the folders that a training was given, but for those it may not learn from: test splits."""

    folders: tuple[Path, ...]
    examples: tuple[Example, ...]

    @cached_property
    def _by_size(self) -> Mapping[int, Sequence[Source]]:
        found = defaultdict(list)
        for source in {example.source.path: example.source for example in self.examples}.values():
            found[source.size].append(source)
        return found

    def shared_with(self, report: CardReport) -> Shared:
        """Compare a report's images: their content where its folder is found beside those of the training, else names.

        The folder is found by the report's fingerprint. Names are compared with those of the data of the same name
        where there is one: other data may number its files alike.
        """
        for folder in dict.fromkeys(one.parent / report.data for one in self.folders):
            files = _files_of(folder, report)
            if files is not None:
                return Shared(sum(self._holds(source) for source in files), "content")
        named = [example for example in self.examples if example.dataset == report.data] or self.examples
        known = {PurePosixPath(example.source.relative).name for example in named}
        return Shared(len(known & {PurePosixPath(name).name for name in report.inputs}), "name")

    def _holds(self, source: Source) -> bool:
        alike = self._by_size.get(source.size, ())
        if any(other.path == source.path for other in alike):
            return True
        return bool(alike) and hash_source(source) in {hash_source(other) for other in alike}


def read_learned(config: ModelConfig, runs: Iterable[Path]) -> Learned | None:
    """Return what a model learned from, by the run among `runs` that made it; None where not all of it is known.

    It is where a run's folders are not there any more, and where it started from a model whose own are not.
    """
    made = config.provenance.get("data_fingerprint")
    for run in runs if made is not None else ():
        try:
            if ModelConfig.read(run).provenance.get("data_fingerprint") != made:
                continue
            folders = _folders(run)
            examples = tuple(e for folder in folders for e in load(folder) if e.split != "test")
        except (UsassistError, ValueError, TypeError, KeyError, AttributeError):
            continue
        return Learned(tuple(folders), examples)
    return None


def role_of(report: CardReport, learned_from: Sequence[str], shared: Shared | None) -> str:
    """Return what a report's images were used for while the model was made, "" for a test split of its data.

    `learned_from` names the data of the training; `shared` is None where nothing could be compared.
    """
    is_named = report.data in learned_from
    role = {"train": "learned from", "val": CHOSEN, "all": "partly learned from"}.get(report.split, "")
    if is_named and role:
        return role
    if shared is None:
        return "" if is_named else NOT_NAMED
    if not shared.files:
        return "" if is_named else NEVER if shared.by == "content" else f"{NOT_NAMED}, nor any file's name"
    what = "are" if shared.by == "content" else "have names"
    return f"{shared.files} of its files {what} of the training"


def is_judging(report: CardReport, learned_from: Sequence[str], shared: Shared | None) -> bool:
    """Return whether a report may judge the model: a test split of its data, or no image file of the training."""
    if report.data in learned_from:
        return not role_of(report, learned_from, shared)
    return shared is not None and not shared.files


def _folders(run: Path, depth: int = 0) -> list[Path]:
    """Return the folders of the data of a run and of those it started from; raises KeyError where one is not known."""
    places: Mapping[str, Any] = json.loads(text_of(run / "data.json"))
    if depth > _CHAIN:
        raise KeyError("start_from")
    folders = [Path(folder) for folder in places["data"]]
    for key in ("start_from", "base"):
        if key in places:
            folders += _folders(Path(places[key]), depth + 1)
    return folders


def _files_of(folder: Path, report: CardReport) -> list[Source] | None:
    """Return the files of a report's examples in a folder, None where they are others than those it was made on."""
    try:
        examples = load(folder, split=report.split, near_duplicates=False)
        if fingerprint(examples) != report.fingerprint:
            return None
        return list({example.source.path: example.source for example in examples}.values())
    except (UsassistError, OSError):
        return None
