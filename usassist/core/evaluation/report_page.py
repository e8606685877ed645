"""report.html: what went wrong first, then the numbers, the curves and the pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

import usassist
from usassist.core.evaluation.axes import linear, shares
from usassist.core.evaluation.charts import Curve, boxes, cumulative, histogram, lines
from usassist.core.evaluation.class_report import left_out_sentence, predicted, retrieval_sides
from usassist.core.evaluation.classification import ClassFacts
from usassist.core.evaluation.confidence_figures import presence_figure, quality_figure, reliability_figure
from usassist.core.evaluation.curves import Epoch
from usassist.core.evaluation.facts import ReportFacts
from usassist.core.evaluation.page import Figure, number, percent, render
from usassist.core.evaluation.protocol import ImageScore
from usassist.core.evaluation.run import Evaluation
from usassist.core.evaluation.summary import Spread, Summary
from usassist.core.metrics.classification import roc_curve

_MOST_ROWS = 500
"""Lines in the page's table; a page with all of 10,000 would be slow to open, and the CSV has them."""

_MOST_BOXES = 12

_METRICS = (
    ("dice", "Dice, all images"),
    ("dice_lesion", "Dice, images with a lesion"),
    ("iou", "IoU"),
    ("precision", "Precision"),
    ("recall", "Recall"),
    ("nsd_2px", "NSD at 2 px"),
    ("hd95_px", "HD95 (px)"),
    ("assd_px", "ASSD (px)"),
    ("hd95_mm", "HD95 (mm)"),
    ("assd_mm", "ASSD (mm)"),
    ("nsd_1mm", "NSD at 1 mm"),
)


@dataclass(frozen=True, slots=True)
class Tile:
    """One number at the top of the page and what is said below it."""

    value: str
    name: str
    note: str


@dataclass(frozen=True, slots=True)
class WrongClass:
    """An image that was taken for another class: what it is, what was said, and how sure of it."""

    input: str
    frame: int
    truth: str
    said: str
    probability: float


def report_page(evaluation: Evaluation, facts: ReportFacts) -> str:
    """Return report.html: one file with its own style, figures and pictures, which needs no network and no script."""
    summary = evaluation.summary
    ordered = sorted(evaluation.scores, key=lambda score: (score.dice, -score.hd95_px))
    wrong = _wrong_classes(facts.classes)
    return render(
        "report.html.j2",
        {
            "facts": facts,
            "summary": summary,
            "evaluation": evaluation,
            "fingerprint": facts.data_fingerprint or evaluation.data_fingerprint,
            "tiles": _tiles(summary, facts),
            "metrics": [(name, spread) for key, name in _METRICS if (spread := getattr(summary, key)) and spread.n],
            "shares": _shares(summary),
            "curves": _figures(evaluation, facts),
            "ranks": {rank: [s for s in evaluation.shown if s.rank == rank] for rank in ("worst", "median", "best")},
            "missed": [s for s in ordered if s.empty_pred and not s.empty_truth],
            "invented": [s for s in ordered if s.empty_truth and not s.empty_pred],
            "wrong": wrong,
            "retrieval": () if facts.retrieval is None else retrieval_sides(facts.retrieval),
            "left_out": left_out_sentence(facts.classes) if facts.classes else "",
            "rows": ordered[:_MOST_ROWS],
            "version": usassist.__version__,
        },
    )


def _tiles(summary: Summary, facts: ReportFacts) -> list[Tile]:
    """Return what a person wants to know first, each with its interval."""
    tiles = []
    main = summary.dice_lesion if summary.dice_lesion.n else summary.dice
    if main.mean is not None:
        name = "Dice, images with a lesion" if summary.dice_lesion.n else "Dice"
        tiles.append(Tile(number(main.mean), name, f"{_interval(main.ci95)}, median {number(main.median)}"))
    for share, ci95, name in _shares(summary):
        tiles.append(Tile(percent(share), name, _interval(ci95, share=True)))
    if summary.hd95_px.mean is not None:
        spread: Spread = summary.hd95_mm or summary.hd95_px
        unit = "mm" if summary.hd95_mm else "px"
        tiles.append(Tile(f"{number(spread.mean, 1)} {unit}", "HD95", f"median {number(spread.median, 1)} {unit}"))
    if facts.classification is not None:
        found = facts.classification
        tiles.append(Tile(number(found.auc), "AUC", _interval(found.ci95)))
        tiles.append(Tile(percent(found.accuracy), "classes named rightly", f"F1 {number(found.f1)}"))
    if facts.retrieval is not None:
        side = facts.retrieval.image_to_text
        note = f"R@1 of {side.n} images; by chance {percent(side.chance[0])}"
        tiles.append(Tile(percent(side.r1), "captions found first", note))
    return tiles


def _shares(summary: Summary) -> list[tuple[float, tuple[float, float] | None, str]]:
    found = (
        (summary.lesion_found, summary.lesion_found_ci95, "lesions found (IoU > 0.1)"),
        (summary.empty_correct, summary.empty_correct_ci95, "images without a lesion left empty"),
    )
    return [(share, ci95, name) for share, ci95, name in found if share is not None]


def _interval(ci95: tuple[float, float] | None, *, share: bool = False) -> str:
    if ci95 is None:
        return "too few for an interval"
    return " to ".join(percent(bound) if share else number(bound) for bound in ci95)


def _wrong_classes(facts: ClassFacts | None) -> list[WrongClass]:
    """Return the images of a known class that were taken for another, those said most surely first."""
    found = []
    for case in () if facts is None else facts.cases:
        said = predicted(case, facts.names) if facts else ""
        if facts and case.class_name in facts.names and said != case.class_name:
            sure = case.probabilities[facts.names.index(said)]
            found.append(WrongClass(case.input, case.frame, case.class_name, said, sure))
    return sorted(found, key=lambda wrong: -wrong.probability)


def _figures(evaluation: Evaluation, facts: ReportFacts) -> list[Figure]:
    lesions = [score.dice for score in evaluation.scores if not score.empty_truth]
    found = []
    if lesions:
        found.append(Figure("Dice, images with a lesion", histogram(lesions, caption="Dice (dashed: median)")))
        found.append(
            Figure(
                "Share of them that reach a Dice", cumulative(lesions, caption="Dice at least", axis="share of images")
            )
        )
    groups: dict[str, list[float]] = {}
    for score in evaluation.scores:
        groups.setdefault(score.class_name or "no class", []).append(score.dice)
    if 1 < len(groups) <= _MOST_BOXES:
        found.append(Figure("Dice by class, all images", boxes(sorted(groups.items()), caption="Dice")))
    if facts.classes is not None:
        found += _roc(facts.classes)
    if facts.classification is not None and facts.classification.reliability is not None:
        found.append(reliability_figure("Is a class right as often as it is sure?", facts.classification.reliability))
    if evaluation.pixels is not None:
        found.append(reliability_figure("Is a pixel inside as often as its probability says?", evaluation.pixels))
    return found + _confidence_figures(evaluation.scores) + _training(facts.epochs)


def _roc(facts: ClassFacts) -> list[Figure]:
    """Return one curve for each class against the rest; of two classes the second one's, the other is its mirror."""
    cases = [case for case in facts.cases if case.class_name in facts.names]
    curves = []
    for index, name in list(enumerate(facts.names))[1 if len(facts.names) == 2 else 0 :]:
        truth = [case.class_name == name for case in cases]
        if not any(truth) or all(truth):
            continue
        curve = roc_curve([case.probabilities[index] for case in cases], truth)
        curves.append(Curve(name, curve.false_positive_rate.tolist(), curve.true_positive_rate.tolist()))
    if not curves:
        return []
    x, y = shares("1 - specificity"), shares("sensitivity")
    title = f"ROC, {curves[0].name} against the rest" if len(curves) == 1 else "ROC, each class against the rest"
    return [Figure(title, lines(curves, x=x, y=y, label=title, diagonal=True), tuple(curve.name for curve in curves))]


def _confidence_figures(scores: Sequence[ImageScore]) -> list[Figure]:
    said = [(score.presence, not score.empty_truth) for score in scores if score.presence is not None]
    judged = [(s.quality, s.dice) for s in scores if s.quality is not None and not s.empty_truth]
    found = (
        presence_figure([presence for presence, _ in said], [there for _, there in said]),
        quality_figure([("images with a lesion", [quality for quality, _ in judged], [dice for _, dice in judged])]),
    )
    return [figure for figure in found if figure is not None]


def _training(epochs: Sequence[Epoch]) -> list[Figure]:
    """Return how the model was trained: loss and validation score over the epochs, nothing for fewer than two."""
    found = []
    for title, points in (
        ("Training loss", [(epoch.number, epoch.loss) for epoch in epochs]),
        ("Validation score", [(epoch.number, epoch.score) for epoch in epochs if epoch.score is not None]),
    ):
        if len(points) > 1:
            x, y = [float(at) for at, _ in points], [float(value) for _, value in points if value is not None]
            chart = lines(
                [Curve(title, x, y)], x=linear([0.0, max(x)], caption="epoch", whole=True), y=linear(y), label=title
            )
            found.append(Figure(f"{title}, while the model was trained", chart))
    return found
