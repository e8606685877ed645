"""The shipped vocabulary: what can be asked for, how classes and organs are described, and in which terms."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from usassist.core import paths
from usassist.core.errors import ModelError
from usassist.core.project.labels import folded

_NAMED = "-named"


@dataclass(frozen=True, slots=True)
class Target:
    """A thing to segment: `prompts` are ways to ask for it, `classes` the dataset classes whose masks show it.

    `findings` are words of reports that mean it too where no other organ is named; none for an organ.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    prompts: tuple[str, ...]
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Organ:
    """An organ in the words of reports, its own name first; `target` is the name of what there is to segment."""

    name: str
    title: str
    target: str
    synonyms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A term of a lexicon: of which organ and attribute, the words that mean the same, and the class it speaks for.

    BI-RADS ultrasound (ACR, 5th edition) for the breast, ACR TI-RADS (2017) for the thyroid, the signs of a lymph node.
    `leans` is "benign", "malignant", or "" for a term that speaks for neither.
    """

    organ: str
    attribute: str
    term: str
    synonyms: tuple[str, ...]
    leans: str


@dataclass(frozen=True, slots=True)
class Ensemble:
    """A question with its classes, each described by several sentences about one attribute each.

    Without `names_classes` no sentence names a class (benign, malignant): the question of a true zero-shot test.
    """

    name: str
    classes: Mapping[str, tuple[str, ...]]
    names_classes: bool


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Every target by name, image-level captions by class, and the words, terms and ensembles of reports.

    `fillers` name nothing by themselves, `features` are seen of or in a finding; both are words of questions.
    """

    targets: dict[str, Target]
    captions: dict[str, tuple[str, ...]]
    organs: dict[str, Organ]
    descriptors: tuple[Descriptor, ...]
    ensembles: dict[str, Ensemble]
    findings: tuple[str, ...]
    class_words: dict[str, tuple[str, ...]]
    abbreviations: dict[str, str]
    fillers: tuple[str, ...]
    features: tuple[str, ...]

    def target_of_class(self, class_name: str) -> Target | None:
        """Return the target that a dataset class shows, None for a class nobody describes."""
        return next((target for target in self.targets.values() if class_name in target.classes), None)

    def target_of_text(self, text: str) -> Target | None:
        """Return the target that a text asks for by its name, its title or one of its prompts; None for other words.

        Case does not count, and "_" is a space.
        """
        wanted = folded(text)
        for target in self.targets.values():
            if wanted in map(folded, (target.name, target.title, *target.prompts)):
                return target
        return None

    def texts(self) -> list[str]:
        """Return every text that targets are asked for with, and every caption of a class.

        A small model's token table has a row for each of their words. Ensembles are not among them: they are questions
        for a trained model, and may be edited without changing what a recipe trains.
        """
        prompts = [prompt for target in self.targets.values() for prompt in target.prompts]
        return prompts + [text for texts in self.captions.values() for text in texts]

    def ensemble(self, name: str) -> Ensemble:
        """Return an ensemble: "breast" describes only, "breast-named" says the class too. Raises ModelError."""
        found = self.ensembles.get(name)
        if found is None:
            raise ModelError(f"There is no prompt ensemble {name!r}; there are {', '.join(sorted(self.ensembles))}.")
        return found


@cache
def load_vocabulary() -> Vocabulary:
    """Read `resources/vocabulary.toml`."""
    raw = tomllib.loads((paths.resources() / "vocabulary.toml").read_text(encoding="utf-8"))
    targets = {
        name: Target(
            *(name, entry["title"], tuple(entry["classes"]), tuple(entry["prompts"])),
            findings=tuple(entry.get("findings", ())),
        )
        for name, entry in raw["targets"].items()
    }
    return Vocabulary(
        targets,
        captions={name: tuple(texts) for name, texts in raw["captions"].items()},
        organs={
            name: Organ(name, entry["title"], entry["target"], tuple(entry["synonyms"]))
            for name, entry in raw["organs"].items()
        },
        descriptors=tuple(_descriptors(raw["descriptors"])),
        ensembles={ensemble.name: ensemble for ensemble in _ensembles(raw["ensembles"])},
        findings=tuple(raw["words"]["findings"]),
        class_words={name: tuple(words) for name, words in raw["words"]["classes"].items()},
        abbreviations=dict(raw["abbreviations"]),
        fillers=tuple(raw["words"]["fillers"]),
        features=tuple(raw["words"]["features"]),
    )


def _descriptors(raw: Mapping[str, Any]) -> list[Descriptor]:
    return [
        Descriptor(organ, attribute, term, tuple(entry["synonyms"]), entry.get("leans", ""))
        for organ, attributes in raw.items()
        for attribute, terms in attributes.items()
        for term, entry in terms.items()
    ]


def _ensembles(raw: Mapping[str, Any]) -> list[Ensemble]:
    """Return each question twice where it can be asked twice: in descriptors only, and with the classes named."""
    found = []
    for name, classes in raw.items():
        found.append(
            Ensemble(name, {key: tuple(entry["sentences"]) for key, entry in classes.items()}, names_classes=False)
        )
        if all("named" in entry for entry in classes.values()):
            named = {key: tuple(entry["named"]) for key, entry in classes.items()}
            found.append(Ensemble(f"{name}{_NAMED}", named, names_classes=True))
    return found
