"""comparison.html: the one table, bars with their intervals, and curves."""

from collections.abc import Sequence

import usassist
from usassist.core.evaluation.axes import linear, logarithmic, shares
from usassist.core.evaluation.charts import Curve, Interval, intervals, lines
from usassist.core.evaluation.comparison import ComparisonFacts, Row, SeedSpread
from usassist.core.evaluation.page import Figure, interval_text, number, p_text, percent, render

HEADER = (
    "recipe", "training images", "scored on", "learning / all", "seeds", "n", "metric", "mean ± sd", "95 % interval",
    "HD95 px", "empty correct", "s/epoch", "s/image", "to the first", "95 % interval", "p (images)",
)  # fmt: skip

_METRIC_NAMES = {"dice_lesion": "Dice, images with a lesion", "auc": "AUC"}
_SHORT_NAMES = {"dice_lesion": "Dice, lesions", "auc": "AUC"}


def row_cells(row: Row) -> tuple[str, ...]:
    """Return a row of the table as people read it, in the order of HEADER."""
    candidate, main, difference = row.candidate, row.spreads.get(row.main), row.difference
    hd95, empty = row.spreads.get("hd95_px"), row.spreads.get("empty_correct")
    return (
        candidate.recipe,
        candidate.setting.name or "all",
        candidate.data,
        f"{short_count(candidate.trainable)} / {short_count(candidate.parameters)}",
        str(len(candidate.runs)),
        str(main.n) if main else "–",
        _SHORT_NAMES[row.main],
        "–" if main is None else number(main.mean) + ("" if main.sd is None else f" ± {number(main.sd)}"),
        interval_text(main.ci95 if main else None),
        number(hd95.mean if hd95 else None, 1),
        percent(empty.mean if empty else None),
        number(row.seconds_per_epoch, 1),
        number(row.seconds_per_image),
        "–" if difference is None else f"{difference.mean:+.3f}",
        interval_text(None if difference is None else difference.ci95, signed=True),
        "–" if difference is None else p_text(difference.p),
    )


def short_count(count: int | None) -> str:
    """Return a number of parameters, rounded.

    >>> short_count(111872), short_count(86_000_000), short_count(None)
    ('112 k', '86.0 M', '–')
    """
    if count is None:
        return "–"
    return f"{count / 1e6:.1f} M" if count >= 999_500 else f"{count / 1e3:.0f} k" if count >= 1000 else str(count)


def comparison_page(rows: Sequence[Row], facts: ComparisonFacts) -> str:
    """Return comparison.html: one file with its own style and figures, which needs no network and no script."""
    datasets = list(dict.fromkeys(row.candidate.data for row in rows))
    return render(
        "comparison.html.j2",
        {
            "facts": facts,
            "rows": rows,
            "datasets": datasets,
            "recipes": list(dict.fromkeys(row.candidate.recipe for row in rows)),
            "bars": [figure for data in datasets for figure in _bars([r for r in rows if r.candidate.data == data])],
            "few_shot": [figure for data in datasets if (figure := _few_shot(_on(rows, data)))],
            "training": _training(rows),
            "metric": ", ".join(dict.fromkeys(_METRIC_NAMES[row.main] for row in rows)),
            "short_count": short_count,
            "text_of": _text_of,
            "version": usassist.__version__,
        },
    )


def _text_of(row: Row) -> str:
    """Return the recipe and, where not all of them were used, how many training images."""
    return ", ".join(filter(None, (row.candidate.recipe, row.candidate.setting.name)))


def _on(rows: Sequence[Row], data: str) -> list[Row]:
    return [row for row in rows if row.candidate.data == data]


def _bars(rows: Sequence[Row]) -> list[Figure]:
    """Return the bars of one dataset and, where there is a first recipe to compare to, the differences."""
    recipes = list(dict.fromkeys(row.candidate.recipe for row in rows))
    shown = [
        (row, row.spreads[row.main], recipes.index(row.candidate.recipe)) for row in rows if row.main in row.spreads
    ]
    if not shown:
        return []
    data, metric = rows[0].candidate.data, _METRIC_NAMES[rows[0].main]
    items = [Interval(_text_of(row), s.mean, s.ci95, s.per_seed, colour) for row, s, colour in shown]
    found = [Figure(f"{data}: {metric}", intervals(items, caption=metric))]
    differences = [
        Interval(_text_of(row), row.difference.mean, row.difference.ci95, colour=colour)
        for row, _, colour in shown
        if row.difference is not None
    ]
    if differences:
        caption = f"difference to {rows[0].candidate.recipe}"
        found.append(Figure(f"{data}: {caption}", intervals(differences, caption=caption, whole=False)))
    return found


def _few_shot(rows: Sequence[Row]) -> Figure | None:
    """Return the learning curve over the amount of training images; None where only one amount was asked for."""
    amounts = {row.candidate.setting.amount for row in rows} - {None}
    if len(amounts) < 2:
        return None
    curves = []
    for recipe in dict.fromkeys(row.candidate.recipe for row in rows):
        points: list[tuple[float, SeedSpread]] = sorted(
            (
                (row.candidate.setting.amount, row.spreads[row.main])
                for row in rows
                if row.candidate.recipe == recipe and row.candidate.setting.amount and row.main in row.spreads
            ),
            key=lambda point: point[0],
        )
        curves.append(
            Curve(
                recipe,
                [amount for amount, _ in points],
                [spread.mean for _, spread in points],
                [min(spread.per_seed) for _, spread in points],
                [max(spread.per_seed) for _, spread in points],
                dots=True,
            )
        )
    first = rows[0].candidate
    unit = "training images used, %" if first.setting.ratio is not None else "training images of each class"
    metric = _METRIC_NAMES[rows[0].main]
    x = logarithmic([amount for amount in amounts if amount], caption=unit)
    chart = lines(curves, x=x, y=shares(metric), label=f"{metric} over {unit}")
    return Figure(f"{first.data}: few-shot learning curve", chart, tuple(curve.name for curve in curves))


def _training(rows: Sequence[Row]) -> list[Figure]:
    """Return what the trainings of each recipe scored on validation images after each epoch, one line a seed."""
    seen: dict[str, Row] = {}
    for row in rows:
        seen.setdefault(_text_of(row), row)
    figures = []
    for name, row in seen.items():
        runs = [run for run in row.candidate.runs if len([e for e in run.epochs if e.score is not None]) > 1]
        if not runs:
            continue
        curves = []
        for run in runs:
            scored = [(epoch.number, epoch.score) for epoch in run.epochs if epoch.score is not None]
            curves.append(Curve(f"seed {run.seed}", [float(n) for n, _ in scored], [float(s) for _, s in scored]))
        last = max(curve.x[-1] for curve in curves)
        everything = [value for curve in curves for value in curve.y]
        y = shares("validation score") if min(everything) >= 0 and max(everything) <= 1 else linear(everything)
        chart = lines(
            curves, x=linear([0.0, last], caption="epoch", whole=True), y=y, label=f"{name}: validation score"
        )
        figures.append(Figure(name, chart, tuple(curve.name for curve in curves)))
    return figures
