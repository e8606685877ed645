"""The shipped vocabulary: what can be asked for, and how classes are described."""

import tomllib
from dataclasses import dataclass
from functools import cache

from usassist.core import paths


@dataclass(frozen=True, slots=True)
class Target:
    """A thing to segment: `prompts` are ways to ask for it, `classes` the dataset classes whose masks show it."""

    name: str
    title: str
    classes: tuple[str, ...]
    prompts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Every target by name, and image-level captions by class."""

    targets: dict[str, Target]
    captions: dict[str, tuple[str, ...]]

    def target_of_class(self, class_name: str) -> Target | None:
        """Return the target that a dataset class shows, None for a class nobody describes."""
        return next((target for target in self.targets.values() if class_name in target.classes), None)

    def texts(self) -> list[str]:
        """Return every text in the vocabulary."""
        prompts = [prompt for target in self.targets.values() for prompt in target.prompts]
        return prompts + [text for texts in self.captions.values() for text in texts]


@cache
def load_vocabulary() -> Vocabulary:
    """Read `resources/vocabulary.toml`."""
    raw = tomllib.loads((paths.resources() / "vocabulary.toml").read_text(encoding="utf-8"))
    targets = {
        name: Target(name, entry["title"], tuple(entry["classes"]), tuple(entry["prompts"]))
        for name, entry in raw["targets"].items()
    }
    return Vocabulary(targets, {name: tuple(texts) for name, texts in raw["captions"].items()})
