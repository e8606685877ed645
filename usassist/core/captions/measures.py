"""Numbers of a report: with units, ranges, dimensions and comparisons, in one form however they are written."""

import re
from collections.abc import Iterator
from decimal import Decimal

_WORDS = {
    name: str(value)
    for value, name in enumerate(
        ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"), start=2
    )
}
_UNITS = {
    "mm": "mm|millimet(?:er|re)s?",
    "cm": "cm|centimet(?:er|re)s?",
    "um": "[µμu]m|micromet(?:er|re)s?",
    "mm2": "mm2|mm²|sq\\.? mm",
    "cm2": "cm2|cm²|sq\\.? cm",
    "ml": "ml|cc|cm3|cm³|millilit(?:er|re)s?",
    "cm/s": "cm/s(?:ec)?",
    "m/s": "m/s(?:ec)?",
    "kpa": "kpa",
    "%": "%|percent|per cent",
    "bpm": "bpm|beats per minute",
    "mhz": "mhz",
    "weeks": "weeks?|wks?",
    "days": "days?",
    "years": "years?|yrs?",
    "degrees": "°|degrees?",
}
_MM = {"mm": Decimal(1), "cm": Decimal(10), "um": Decimal("0.001")}
_COMPARED = {
    "<=": r"<=|\b(?:up to|at most|no more than)",
    ">=": r">=|\b(?:at least|no less than)",
    "<": r"<|\b(?:less than|smaller than|under|below)",
    ">": r">|\b(?:more than|greater than|larger than|over|above|exceeding)",
    "~": r"~|≈|\b(?:approximately|about|around|circa|ca\.|nearly)",
}

_DIGITS = r"\d{1,20}(?:[.,]\d{1,6})?"
_UNIT = "|".join(f"(?:{pattern})" for pattern in (_UNITS[name] for name in sorted(_UNITS, key=len, reverse=True)))
_WITH_UNIT = rf"{_DIGITS}(?:\s*(?:{_UNIT})(?![\w²³]))?"
_MEASURE = re.compile(
    rf"(?P<compared>(?:{'|'.join(_COMPARED.values())})\s*)?(?<![\w.])"
    rf"(?P<body>{_WITH_UNIT}(?:(?P<sign>\s*(?:x|\*|by)\s*|\s*(?:-|to)\s*|\s*[:/]\s*){_WITH_UNIT})"
    rf"(?:\s*(?:x|\*|by)\s*{_WITH_UNIT}){{0,2}}|{_WITH_UNIT})(?!\w)"
)
_PART = re.compile(rf"({_DIGITS})(?:\s*({_UNIT})(?![\w²³]))?")
_CODE = re.compile(r"(?<![\w-])[a-z]{1,3}\d{1,4}[a-z]?(?![\w-])")
_DATE = re.compile(r"(?<![\w.])\d{1,4}([./-])\d{1,2}\1\d{2,4}(?![\w.]\d)")
_WORD = re.compile(rf"\b({'|'.join(_WORDS)})\b")


def measures(text: str) -> Iterator[tuple[int, str]]:
    """Yield (place, value) of every number of a text in lower case.

    Lengths become mm, so "1.2 x 0.8 cm" is "12 x 8 mm"; "3 to 5 mm" is "3-5 mm", "less than 5 mm" is "<5 mm", "two" is
    "2". Dates and codes such as T2 or N1 are values of their own.
    """
    for match in _DATE.finditer(text):
        yield match.start(), match[0]
    text = _DATE.sub(lambda match: " " * len(match[0]), text)
    for match in _MEASURE.finditer(text):
        yield match.start("body"), _value(match)
    for match in _CODE.finditer(text):
        yield match.start(), match[0]
    for match in _WORD.finditer(text):
        yield match.start(), _WORDS[match[1]]


def _value(match: re.Match[str]) -> str:
    parts = [(number(part[1]), _unit(part[2])) for part in _PART.finditer(match["body"])]
    last = parts[-1][1]
    sign = (match["sign"] or "").strip()
    # "12 x 8 mm" and "3-5 mm" name their unit once; in "2:1 cm" nobody knows, and it stays as it is.
    shared = [(value, unit or last) for value, unit in parts]
    joint = {"to": "-", "by": " x ", "x": " x ", "*": " x "}.get(sign, sign)
    in_mm = all(unit in _MM for _, unit in shared)
    values = [_shown(value * _MM[unit]) if in_mm else f"{_shown(value)}" for value, unit in shared]
    units = {unit for _, unit in shared}
    if in_mm:
        text = f"{joint.join(values)} mm"
    elif len(units) == 1:
        text = f"{joint.join(values)} {last}".rstrip()
    else:
        text = joint.join(f"{value} {unit}".rstrip() for value, (_, unit) in zip(values, shared, strict=True))
    return _comparison(match["compared"]) + text


def number(text: str) -> Decimal:
    """Return a number with a point or a comma for its fraction; three digits behind a comma are thousands.

    >>> [str(number(text)) for text in ("1.50", "1,5", "1,200")]
    ['1.50', '1.5', '1200']
    """
    whole, comma, rest = text.partition(",")
    return Decimal(f"{whole}{rest}" if comma and len(rest) == 3 else text.replace(",", "."))


def _unit(text: str | None) -> str:
    if not text:
        return ""
    return next(name for name, pattern in _UNITS.items() if re.fullmatch(pattern, text))


def _comparison(text: str | None) -> str:
    if not text:
        return ""
    return next(sign for sign, pattern in _COMPARED.items() if re.fullmatch(pattern, text.strip()))


def _shown(value: Decimal) -> str:
    return f"{value.normalize():f}"
