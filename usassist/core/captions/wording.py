"""The words of a report made plain: noise taken out, short forms written out, lexicon terms for their synonyms."""

import re
from collections.abc import Iterable
from functools import cache

from usassist.core.captions.vocabulary import load_vocabulary

_SIGNS = str.maketrans(
    {
        "’": "'",
        "‘": "'",
        "´": "'",
        "“": '"',
        "”": '"',
        "–": "-",
        "—": "-",
        "−": "-",
        "‑": "-",
        "×": "x",
        "≤": "<=",
        "≥": ">=",
    }
)

_SUFFIX = r"\.(?:png|jpe?g|bmp|tiff?|gif|webp|dcm|dicom|nii(?:\.gz)?|mha|nrrd)\b"
_FILE = rf"(?<![\w.-])(?:\w{{1,60}} \(\d{{1,6}}\)|\w[\w()-]{{0,99}}(?:\.[\w()-]{{1,100}}){{0,4}}){_SUFFIX}"
_LETTERS = r"(?:img|dsc|im|image|case|frame|patient|series|study|scan)"
_IDENTIFIER = rf"\b{_LETTERS}[_-]?\d++(?:[_-]\d++)*(?:_\w+)?(?!\s*(?:mm|cm|x|\.\d))"
# What follows must not make a measurement of the number: "image 3" is noise, "in this image 12 x 8 mm" is none.
_NOT_A_SIZE = r"(?![\d%]|\s*(?:[x*]\s*\d|by\s*\d|[.,]\d|-\s*\d|[mc]m\b|o\s*'?\s*clock))"
_LABEL = (
    r"\b(?:image|img|frame|slice|figure|fig\.?|panel|series)\s*(?:no\.?\s*|number\s*|#\s*)?"
    rf"\d{{1,5}}+[a-z]?\b(?:\s*(?:of|/)\s*\d{{1,5}}+)?{_NOT_A_SIZE}\s*[:.)\]]?"
)
_ACCESSION = (
    r"\b(?:accession|patient\s+id|mrn|exam(?:ination)?\s+(?:number|id))\s*(?:no\.?|number|id)?[\s:#]*[a-z]*-?\d[\w-]*"
)
_NOISE = re.compile(rf"https?://\S+|www\.\S+|{_ACCESSION}|{_FILE}|{_LABEL}|{_IDENTIFIER}", re.IGNORECASE)

_SHOWS = r"(?:show(?:s|ing)?|demonstrat(?:es?|ing)|reveal(?:s|ing)?|depict(?:s|ing)?|present(?:s|ing)?(?:\s+with)?|of)"
_VIEW = r"gr[ae]y[- ]?scale|b-mode|2d|transverse|longitudinal|sagittal|axial|ultrasound|ultrasonographic|sonographic"
_KIND = rf"(?:(?:{_VIEW})\s+)"
_PICTURE = rf"{_KIND}{{0,4}}(?:images?|pictures?|scans?|sonograms?|ultrasonograms?|figures?|views?)"
_BOILERPLATE = tuple(
    (re.compile(pattern, re.IGNORECASE), by)
    for pattern, by in (
        (rf"\b(?:this\s+is\s+)?(?:(?:an?|the|this|these)\s+)?{_PICTURE}\s+{_SHOWS}\s+(?:(?:an?|the)\s+)?", ""),
        (r"\b(no|without)\s+(?:(?:definite|sonographic|clear|obvious)\s+)?evidence\s+of\s+(?:an?\s+)?", r"\1 "),
        (r"\bthere\s+(?:is|are|was|were)\s+(?:an?\s+)?(?:evidence\s+of\s+)?", ""),
        (r"\s+(?:is|are|was|were)\s+(?:seen|noted|identified|visuali[sz]ed|observed|demonstrated|present)\b", ""),
        (r"\b(?:as\s+)?(?:shown|seen|described)\s+(?:above|below|in\s+the\s+(?:figure|image))\b", ""),
    )
)
_SYSTEM = re.compile(r"\b(bi|ti)[- ]?rads(?![a-z])", re.IGNORECASE)
_EMPTY_SENTENCE = re.compile(
    r"\bclinical(?:ly)?\s+correlat|\bcorrelat\w+\s+clinically|^(?:thank\s+you|electronically\s+signed|dictated|"
    r"transcribed|end\s+of\s+report)\b",
    re.IGNORECASE,
)


def plain(text: str) -> str:
    """Return a text as the checker compares it: signs and short forms made equal, lexicon terms for their synonyms."""
    return standard_terms(written_out(without_noise(text)))


def tidy(text: str) -> str:
    """Return a text on one line, with plain quotes and dashes and without doubled or dangling punctuation."""
    text = " ".join(text.translate(_SIGNS).split())
    text = re.sub(r" ([,.;:)\]])(?!\d)", r"\1", text)
    text = re.sub(r"\(\)|\[\]", "", text)
    text = re.sub(r"[,;:]+([,;.])", r"\1", text)
    return " ".join(text.split()).strip(" ,;:")


def without_noise(text: str) -> str:
    """Return a text without file names, picture numbers, accession numbers and addresses; sizes are never taken."""
    return tidy(_NOISE.sub(" ", text.translate(_SIGNS)))


def without_boilerplate(text: str) -> str:
    """Return a text without phrases that say nothing of the image ("the image shows", "is noted"), tidied."""
    sentences = re.split(r"(?<=[.;])\s+", tidy(text))
    text = " ".join(sentence for sentence in sentences if not _EMPTY_SENTENCE.search(sentence))
    for pattern, by in _BOILERPLATE:
        text = pattern.sub(by, text)
    return tidy(text)


def written_out(text: str) -> str:
    """Return a text with the short forms of reports written out, as the vocabulary has them: Lt., w/o, LN, L breast."""
    pattern, words = _abbreviations()

    def word(found: re.Match[str]) -> str:
        short = found[0].removesuffix(".")
        return (words.get(short) or words[short.lower()]) + (" " if short.endswith("/") else "")

    return " ".join(pattern.sub(word, text.translate(_SIGNS)).split())


def standard_terms(text: str) -> str:
    """Return a text with the terms of BI-RADS and TI-RADS in the place of words that mean the same."""
    pattern, terms = _synonyms()
    text = pattern.sub(lambda found: terms[found[0].lower()], text)
    return _SYSTEM.sub(lambda found: f"{found[1].upper()}-RADS", text)


def shortened(text: str, most: int = 60) -> str:
    """Return a text for one line of a screen: cut to so many characters with an ellipsis, control signs as "?"."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in text)
    return shown if len(shown) <= most else f"{shown[: most - 1].rstrip()}…"


def any_of(words: Iterable[str]) -> str:
    """Return a regular expression for any of these words, the longest first."""
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


@cache
def _abbreviations() -> tuple[re.Pattern[str], dict[str, str]]:
    """Return the pattern of short forms, and what each stands for.

    A form in lower case matches any case and takes its dot along, unless a sentence ends there. L and R count only
    before a part of the body.
    """
    vocabulary = load_vocabulary()
    words = {**vocabulary.abbreviations, "L": "left", "R": "right"}
    parts = {word.split()[0] for organ in vocabulary.organs.values() for word in organ.synonyms}
    body = rf"(?i:{any_of(parts | {'lobe', 'lobes', 'axillary', 'neck', 'side'})})\b"
    exact = any_of(short for short in vocabulary.abbreviations if short != short.lower())
    loose = any_of(short for short in vocabulary.abbreviations if short == short.lower() and short[-1] != "/")
    slashed = any_of(short for short in vocabulary.abbreviations if short[-1] == "/")
    endings = rf"(?:\.(?=\s*(?:[a-z0-9,;]|{body}))|(?!\w))"
    pattern = rf"(?<![\w/])(?:(?i:{loose}){endings}|(?i:{slashed})|(?:{exact})(?!\w)|[LR](?=\s+{body}))"
    return re.compile(pattern), words


@cache
def _synonyms() -> tuple[re.Pattern[str], dict[str, str]]:
    terms = {
        synonym.lower(): descriptor.term
        for descriptor in load_vocabulary().descriptors
        for synonym in descriptor.synonyms
    }
    return re.compile(rf"(?<![\w-])(?:{any_of(terms)})(?![\w-])", re.IGNORECASE), terms
