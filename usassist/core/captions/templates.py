"""Expert descriptors of breast lesions as sentences in BI-RADS terms, with the class named or without a word of it."""

import csv
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from usassist.core.captions.pairs import Problem
from usassist.core.captions.vocabulary import load_vocabulary
from usassist.core.errors import TrainingError

_COLUMNS = ("file", "class", "shape", "margin", "echogenicity", "posterior_features", "calcifications")
_ABSENT = frozenset({"", "not applicable", "not available", "n/a", "unknown"})
_MARGIN = "not circumscribed"
_KNOWN: dict[str, frozenset[str]] = {
    "shape": frozenset({"oval", "round", "irregular"}),
    "margin": frozenset({"circumscribed", _MARGIN, "indistinct", "angular", "microlobulated", "spiculated"}),
    "echogenicity": frozenset(
        {"anechoic", "hyperechoic", "hypoechoic", "isoechoic", "heterogeneous", "complex cystic/solid"}
    ),
    "posterior_features": frozenset({"no", "enhancement", "shadowing", "combined"}),
    "calcifications": frozenset({"no", "in a mass", "intraductal", "indefinable"}),
}
_POSTERIOR = {
    "no": "no posterior features",
    "enhancement": "posterior enhancement",
    "shadowing": "posterior shadowing",
    "combined": "combined posterior features",
}
_CALCIFICATIONS = {
    "no": "no calcifications",
    "in a mass": "calcifications in the mass",
    "intraductal": "intraductal calcifications",
    "indefinable": "indefinable calcifications",
}
_LONGEST = 1000
_MOST_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Description:
    """What experts said of one image, in the words of their table; "" where they said nothing.

    `margin` holds one term, or "not circumscribed" with those that make it so. A `class_name` "normal" has no lesion.
    """

    image: str
    line: int
    class_name: str
    shape: str = ""
    margin: tuple[str, ...] = ()
    echo: str = ""
    posterior: str = ""
    calcifications: str = ""
    halo: bool = False
    skin_thickening: bool = False
    tissue: str = ""
    birads: str = ""
    split: str = ""


@dataclass(frozen=True, slots=True)
class Descriptions:
    """The described images of a table in its order, and every row that is none."""

    items: tuple[Description, ...]
    problems: tuple[Problem, ...]


def sentence(description: Description, *, class_words: bool = False, seed: int | None = None) -> str:
    """Return one sentence about an image; the same arguments always give the same sentence.

    Without `class_words` nothing names or grades the class: no benign, malignant, normal, category or diagnosis. `seed`
    chooses a paraphrase, another order and wording of the same descriptors; None is the standard one.
    """
    rng = None if seed is None else random.Random(f"{seed} {description.image}")
    if description.class_name == "normal":
        text = _of_tissue(description, rng, class_words=class_words)
    else:
        text = _of_lesion(description, rng, class_words=class_words)
    return text[:1].upper() + text[1:] + "."


def class_words_in(text: str) -> tuple[str, ...]:
    """Return the words of a text that give its class away, as the vocabulary lists their beginnings."""
    lower = text.lower()
    return tuple(word for words in load_vocabulary().class_words.values() for word in words if word in lower)


def read_descriptions(path: Path) -> Descriptions:
    """Read a table of descriptors as BrEaST has them (`labels.csv`); a row with an unknown term is a problem.

    Raises TrainingError where the file cannot be read or lacks the columns file, class, shape, margin, echogenicity,
    posterior_features and calcifications. Pawlowska et al., Sci Data 11 (2024) 148.
    """
    items: list[Description] = []
    problems: list[Problem] = []
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise TrainingError(f"{path} has more than {_MOST_BYTES >> 20} MiB; it is no table of descriptors.")
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise TrainingError(f"{path} holds no descriptors of lesions: it lacks {', '.join(missing)}.")
            line = reader.line_num + 1
            for row in reader:
                found = _described(row, line)
                line = reader.line_num + 1
                if isinstance(found, Problem):
                    problems.append(found)
                else:
                    items.append(found)
    except OSError as error:
        raise TrainingError(f"{path} cannot be read: {error.strerror}; check the path.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise TrainingError(f"{path} is not a CSV table in UTF-8 ({error}); save it again as CSV UTF-8.") from error
    return Descriptions(tuple(items), tuple(problems))


def _described(row: Mapping[str | None, str | None], line: int) -> Description | Problem:
    values = {key: (value or "").strip() for key, value in row.items() if isinstance(key, str)}
    values = {key: "" if value.lower() in _ABSENT else value for key, value in values.items()}
    if not values["file"]:
        return Problem(line, "it names no image")
    if any(len(value) > _LONGEST for value in values.values()):
        return Problem(line, f"a cell has more than {_LONGEST} characters")
    margin = tuple(part for piece in values["margin"].split(" - ") for part in piece.split("&") if part)
    terms = {name: (values[name],) if values[name] else () for name in _KNOWN} | {"margin": margin}
    for name, given in terms.items():
        unknown = [term for term in given if term not in _KNOWN[name]]
        if unknown:
            return Problem(
                line, f"{name} {unknown[0]!a} is no term of BI-RADS; expected {', '.join(sorted(_KNOWN[name]))}"
            )
    if values["class"] != "normal" and not values["shape"] and not margin and not values["echogenicity"]:
        return Problem(line, "a lesion without shape, margin and echogenicity is not described")
    return Description(
        values["file"],
        line,
        values["class"].lower(),
        shape=values["shape"],
        margin=margin,
        echo=values["echogenicity"],
        posterior=values["posterior_features"],
        calcifications=values["calcifications"],
        halo=values.get("halo", "") == "yes",
        skin_thickening=values.get("skin_thickening", "") == "yes",
        tissue=values.get("tissue_composition", ""),
        birads=values.get("birads", ""),
        split=values.get("split", "").lower(),
    )


def _of_lesion(description: Description, rng: random.Random | None, *, class_words: bool) -> str:
    noun = "mass" if rng is None else rng.choice(("mass", "mass", "lesion", "breast mass"))
    opening = "breast ultrasound" if rng is None else rng.choice(("breast ultrasound", "ultrasound of the breast", ""))
    if class_words and description.class_name:
        noun = f"{description.class_name} {noun}"
    parts = list(_descriptors(description))
    if class_words and description.birads:
        parts.append(f"BI-RADS {description.birads}")
    if rng is not None:
        rng.shuffle(parts)
        parts = parts[: max(3, len(parts) - rng.randrange(3))]
        # What is absent comes last: "a mass with no calcifications, irregular shape" would read as no irregular shape.
        parts.sort(key=lambda part: part.startswith("no "))
    joint = " with " if rng is not None and rng.random() < 0.5 else ", "
    return f"{opening}: {noun}{joint}{', '.join(parts)}" if opening else f"{noun}{joint}{', '.join(parts)}"


def _descriptors(description: Description) -> Iterator[str]:
    if description.shape:
        yield f"{description.shape} shape"
    if description.margin:
        yield f"{_margin(description.margin)} margin"
    if description.echo:
        yield description.echo.replace("cystic/solid", "cystic and solid") + " echo pattern"
    if description.posterior:
        yield _POSTERIOR[description.posterior]
    if description.calcifications:
        yield _CALCIFICATIONS[description.calcifications]
    if description.halo:
        yield "echogenic rim"
    if description.skin_thickening:
        yield "skin thickening"


def _margin(terms: tuple[str, ...]) -> str:
    """Return the margin's terms; what makes it not circumscribed says so better than "not circumscribed" does."""
    kept = [term for term in terms if term != _MARGIN] or list(terms)
    return kept[0] if len(kept) == 1 else f"{', '.join(kept[:-1])} and {kept[-1]}"


def _of_tissue(description: Description, rng: random.Random | None, *, class_words: bool) -> str:
    tissue = " ".join(part.replace(":", "") for part in description.tissue.replace("&", ", ").split())
    openings = ("breast ultrasound: no mass", "ultrasound of the breast without a mass", "breast tissue with no mass")
    opening = openings[0] if rng is None else rng.choice(openings)
    named = ", normal" if class_words else ""
    behind = ", tissue " if rng is None or rng.random() < 0.5 else ", composition "
    return f"{opening}{named}{behind}{tissue}" if tissue else f"{opening}{named}"
