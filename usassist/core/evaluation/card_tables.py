"""The measured part of a model card: tables in Markdown."""

from collections.abc import Iterable, Sequence

import numpy as np

from usassist.core.evaluation.card_sources import CardLine, CardReport, Estimate
from usassist.core.evaluation.page import plain
from usassist.core.evaluation.summary import Spread
from usassist.core.evaluation.wilson import wilson_ci95

NOTHING = "-"


def cell(text: object) -> str:
    """Return a text as it stands in a cell: on one line, without what would end the cell.

    >>> cell("a|b")
    'a\\\\|b'
    """
    return " ".join(str(text).split()).replace("|", "\\|") or NOTHING


def rows_of(header: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return a table; nothing where it has no row."""
    lines = [f"| {' | '.join(cell(part) for part in row)} |" for row in rows]
    return [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}", *lines, ""] if lines else []


def number(value: float | None, ci95: tuple[float, float] | None = None, *, digits: int = 3) -> str:
    """Return a number with its interval, "-" where there is none.

    >>> number(0.5, (0.4, 0.6)), number(None)
    ('0.500 (0.400 to 0.600)', '-')
    """
    if value is None:
        return NOTHING
    around = "" if ci95 is None else f" ({ci95[0]:.{digits}f} to {ci95[1]:.{digits}f})"
    return f"{value:.{digits}f}{around}"


def masks_table(reports: Sequence[tuple[CardReport, str]]) -> list[str]:
    """Return the main table: a row for each report on masks, with what its split was used for."""
    header = (
        *("data, split", "images (with an object)", "Dice, images with one: mean (95 % CI)", "median"),
        *("Dice, all images", "HD95", "NSD", "empty_correct", "lesion_found"),
    )
    return rows_of(header, [_masks_row(report, role) for report, role in reports if "dice" in report.spreads])


def _masks_row(report: CardReport, role: str) -> Sequence[str]:
    spreads, shares = report.spreads, report.estimates
    lesion = spreads.get("dice_lesion")
    in_mm = "hd95_mm" in spreads
    hd95, nsd = ("hd95_mm", "nsd_1mm") if in_mm else ("hd95_px", "nsd_2px")
    unit = "mm" if in_mm else "px"
    return (
        _named(report, role),
        _counts(report),
        _mean(lesion),
        number(lesion.median if lesion else None),
        _mean(spreads["dice"]),
        f"{_mean(spreads.get(hd95), digits=1)} {unit}",
        f"{_mean(spreads.get(nsd))} at {'1 mm' if in_mm else '2 px'}",
        _share(shares.get("empty_correct")),
        _share(shares.get("lesion_found")),
    )


def class_rows(reports: Sequence[CardReport]) -> list[str]:
    """Return the Dice of each class of each report that has several."""
    return rows_of(
        ("data, split", "class", "images", "Dice: mean (95 % CI)", "median"),
        [
            (report.name, name, spread.n, _mean(spread), number(spread.median))
            for report in reports
            if len(report.by_class) > 1
            for name, spread in report.by_class
        ],
    )


def asked_table(reports: Sequence[tuple[CardReport, str]]) -> list[str]:
    """Return how well a text was followed that asks for what is there, or may be: a row for each report on masks."""
    rows = []
    for report, role in reports:
        dice = report.spreads.get("dice_lesion")
        rows.append(
            (
                *(_named(report, role, prompt=False), f'"{report.prompt}"', _counts(report), _mean(dice)),
                number(dice.median if dice else None),
                _mean(report.spreads.get("dice")),
                *(_share(report.estimates.get(name)) for name in ("empty_correct", "lesion_found")),
            )
        )
    header = ("data, split", "asked for", "images (with an object)", "Dice, images with one: mean (95 % CI)")
    return rows_of((*header, "median", "Dice, all images", "empty_correct", "lesion_found"), rows)


def absent_table(reports: Sequence[tuple[CardReport, str]]) -> list[str]:
    """Return how often nothing was answered to a text that asks for what is not there: a row for each report."""
    rows = []
    for report, role in reports:
        empty, count = sum(line.empty_pred for line in report.lines), len(report.lines)
        presence = [line.presence for line in report.lines if line.presence is not None]
        rows.append(
            (
                *(_named(report, role, prompt=False), f'"{report.prompt}"', count, count - empty),
                number(empty / count, wilson_ci95(empty, count)),
                number(float(np.median(presence)) if presence else None),
            )
        )
    header = ("data, split", "asked for", "images", "answered with something", "empty_correct (95 % CI)")
    return rows_of((*header, "presence, median"), rows)


def confidence_table(reports: Sequence[tuple[CardReport, str]]) -> list[str]:
    """Return whether presence and quality are so: a row for each report, with what its split was used for."""
    rows = []
    for report, role in reports:
        found = report.estimates
        if not {"presence_auc", "quality_spearman", "quality_error"} & found.keys():
            continue
        rows.append(
            (
                _named(report, role),
                f"{report.n - report.n_empty_truth} / {report.n_empty_truth}",
                _share(found.get("presence_auc")),
                _share(found.get("presence_ece")),
                _share(found.get("quality_spearman")),
                _share(found.get("quality_error")),
            )
        )
    header = ("data, split", "images with / without an object", "presence: AUC (95 % CI)", "presence: ECE")
    return rows_of((*header, "quality: Spearman with Dice (95 % CI)", "quality: mean error"), rows)


def classes_table(reports: Sequence[CardReport]) -> list[str]:
    """Return how well classes were told apart."""
    header = ("data, split", "told apart by", "images", "AUC (95 % CI)")
    found = [report for report in reports if report.auc is not None]
    return rows_of(header, [(r.label, r.judge or "the model", r.n_classes, _share(r.auc)) for r in found])


def _named(report: CardReport, role: str, *, prompt: bool = True) -> str:
    return (report.label if prompt else report.name) + (f" ({role})" if role else "")


def _counts(report: CardReport) -> str:
    return f"{report.n} ({report.n - report.n_empty_truth})"


def _mean(spread: Spread | None, *, digits: int = 3) -> str:
    return NOTHING if spread is None else number(spread.mean, spread.ci95, digits=digits)


def _share(estimate: Estimate | None) -> str:
    return NOTHING if estimate is None else number(estimate.value, estimate.ci95)


def worst_table(worst: Sequence[tuple[CardReport, CardLine]]) -> list[str]:
    """Return the names of the worst cases, what was answered, and how sure the model was."""
    header = ("data, split", "image", "class", "Dice", "answered with", "presence said", "quality said")
    rows = [
        (
            *(report.name, f"`{plain(line.input)}`", line.class_name, number(line.dice), _answer(line)),
            *(number(line.presence), number(line.quality)),
        )
        for report, line in worst
    ]
    return rows_of(header, rows)


def _answer(line: CardLine) -> str:
    if line.empty_truth:
        return "something, where nothing is"
    return "nothing" if line.empty_pred else "another place or shape"


def speed_table(reports: Sequence[CardReport]) -> list[str]:
    """Return what an image took while it was evaluated."""
    return rows_of(
        ("data, split", "an image, median", "device"),
        [(r.label, f"{1e3 * r.seconds:.0f} ms", r.device or NOTHING) for r in reports if r.seconds is not None],
    )
