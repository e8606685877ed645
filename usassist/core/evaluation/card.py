"""A model card in Markdown: what a model is, what it learned from, what was measured, and where it fails.

Made of files only, so that the same files give the same card.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import usassist
from usassist.core.evaluation import card_tables
from usassist.core.evaluation.card_architecture import architecture
from usassist.core.evaluation.card_benchmarks import BenchmarkTable, notes_once
from usassist.core.evaluation.card_figures import Failure, failures_figure, standalone
from usassist.core.evaluation.card_runs import NearDuplicates, Run, declared_near_duplicates
from usassist.core.evaluation.card_seen import CHOSEN, Shared, is_judging, role_of
from usassist.core.evaluation.card_sources import Asked, CardLine, CardReport, KnownTerms
from usassist.core.evaluation.confidence_figures import presence_figure, quality_figure
from usassist.core.evaluation.gallery import FAILED_DICE
from usassist.core.evaluation.page import render
from usassist.core.models.ancestry import PARENTS, learned_from, own_data
from usassist.core.models.config import CARD_FILE, Calibration, ModelConfig

PRESENCE_FILE, QUALITY_FILE, FAILURES_FILE = "card-presence.svg", "card-quality.svg", "card-failures.svg"
FIGURE_FILES = (PRESENCE_FILE, QUALITY_FILE, FAILURES_FILE)
_MOST_FAILURES = 12


@dataclass(frozen=True)
class CardFacts:
    """Everything that a card says.

    `model` is `inventory.facts_of`, `parts` counts the parameters in the model's own file, of `weights_bytes` bytes, by
    part. `shared` says by a report's fingerprint how many of its files the training had, where that is known. `runs` is
    empty where they are not known, the last one made the model; `watts` is what the machine is assumed to draw, None
    for no assumption. `ordinary` is how many training images it has looked at to warn of others, 0 where that is not
    known. `notes` is Markdown by a person, put in as it is.
    """

    config: ModelConfig
    model: Mapping[str, Any]
    parts: Mapping[str, int]
    weights_bytes: int
    terms: KnownTerms
    reports: Sequence[CardReport] = ()
    benchmarks: Sequence[BenchmarkTable] = ()
    runs: Sequence[Run] = ()
    watts: float | None = None
    notes: str = ""
    shared: Mapping[str, Shared] = field(default_factory=dict)
    ordinary: int = 0

    @property
    def learned_from(self) -> tuple[str, ...]:
        """Return the names of the datasets that the model was trained on, and the models that it went on from."""
        return learned_from(self.config.provenance)

    @property
    def is_calibrated(self) -> bool:
        """Return whether thresholds and scales were chosen on validation images: one at least is no default."""
        return replace(self.config.calibration, link=Calibration().link) != Calibration()

    def role(self, report: CardReport) -> str:
        """Return what a report's images were used for while the model was made, "" for a test split of its data."""
        return role_of(report, self.learned_from, self.shared.get(report.fingerprint))

    def asked(self, *answers: Asked) -> list[tuple[CardReport, str]]:
        """Return the reports on masks with a prompt of such a kind, marks as they are; each with its role."""
        named = [report for report in self.reports if report.prompt is not None and report.lines]
        chosen = [report for report in named if report.marks == "keep" and report.asked(self.terms) in answers]
        return [(report, self.role(report)) for report in chosen]

    @property
    def right(self) -> list[CardReport]:
        """Return the reports on masks that asked for what the images show, as they are."""
        masks = [report for report in self.reports if report.lines and report.marks == "keep"]
        return [report for report in masks if report.asked(self.terms) == "what is there"]

    @property
    def judged(self) -> list[CardReport]:
        """Return the reports by which the model is judged: the right question, on images it was not made with.

        Without any, those on the images that it was chosen on; the card says so.
        """
        named = self.learned_from
        unseen = [r for r in self.right if is_judging(r, named, self.shared.get(r.fingerprint))]
        return unseen or [r for r in self.right if self.role(r) == CHOSEN]

    @property
    def worst(self) -> list[tuple[CardReport, CardLine]]:
        """Return the cases of the lowest Dice: twelve, and none beyond the worst third but those below 0.5."""
        every = [(report, line) for report in self.judged for line in report.lines]
        ordered = sorted((pair for pair in every if pair[1].dice < 1), key=lambda pair: pair[1].dice)
        third = (len(every) + 2) // 3
        worst = [pair for at, pair in enumerate(ordered) if at < third or pair[1].dice < FAILED_DICE]
        return worst[:_MOST_FAILURES]


def card_files(facts: CardFacts) -> dict[str, str]:
    """Return CARD.md and the figures that it shows, by the names of their files."""
    figures = _figures(facts)
    plain = [report for report in facts.reports if report.prompt is None and report.marks == "keep"]
    marked = [report for report in facts.reports if report.marks != "keep"]
    text = render(
        "card.md.j2",
        {
            "facts": facts,
            "config": facts.config,
            "said": facts.config.provenance,
            "able": _abilities(facts.config),
            "titles": _titles(facts, own_data(facts.config.provenance)),
            "parents": _parents(facts),
            "architecture": card_tables.rows_of(("", ""), architecture(facts)),
            "shown": _shown(facts),
            "terms": card_tables.rows_of(("data", "what", "terms", "citation"), _terms(facts)),
            "masks": card_tables.masks_table([(report, facts.role(report)) for report in plain]),
            "by_class": card_tables.class_rows(plain),
            "classes": card_tables.classes_table(facts.reports),
            "marked": card_tables.masks_table([(report, facts.role(report)) for report in marked]),
            "failed": [f"{report.failed} of {report.label}" for report in facts.reports if report.failed],
            "commands": list(dict.fromkeys(_command(facts, report) for report in facts.reports)),
            "followed": card_tables.asked_table(facts.asked("what is there")),
            "absent": card_tables.absent_table(facts.asked("something else")),
            "unknown": card_tables.asked_table(facts.asked("not known")),
            "confidence": card_tables.confidence_table([(report, facts.role(report)) for report in facts.right]),
            "judged": [f"{r.label} ({role})" if (role := facts.role(r)) else r.label for r in facts.judged],
            "worst": card_tables.worst_table(facts.worst),
            "figures": figures,
            "benchmarks": _benchmarks(facts),
            "speed": card_tables.speed_table(facts.reports),
            "runs": _runs(facts),
            "near": _near_duplicates(facts),
            "epochs": _epochs(facts),
            "hours": sum(run.hours for run in facts.runs),
            "version": usassist.__version__,
        },
    )
    return {CARD_FILE: re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n", **figures}


def _benchmarks(facts: CardFacts) -> list[tuple[str, list[str], str]]:
    tables = facts.benchmarks
    noted = zip(tables, notes_once(tables), strict=True)
    return [(one.title, card_tables.rows_of(one.header, one.rows), note) for one, note in noted]


def _abilities(config: ModelConfig) -> str:
    if config.task != "segment":
        return "names the class of an image" if config.task == "classify" else "embeds images and texts"
    able = ["proposes a mask without a prompt"]
    able += ["follows a text, and answers with an empty mask where that is not there"] if config.follows_text else []
    able += ["follows clicks, a box and a previous mask"] if config.follows_clicks else []
    return "; ".join(able)


def _titles(facts: CardFacts, names: Sequence[str]) -> str:
    titles = [facts.terms.data[name].title if name in facts.terms.data else name for name in names]
    return " and ".join([", ".join(titles[:-1]), titles[-1]] if len(titles) > 1 else titles)


def _parents(facts: CardFacts) -> list[str]:
    """Return the models that this one went on from, each with its data, as far as the description says them."""
    entries = [entry for key in PARENTS if isinstance(entry := facts.config.provenance.get(key), Mapping)]
    return [
        f"{entry.get('name')} (weights {str(entry.get('weights_hash'))[:12]}), which learned from {titles}"
        for entry in entries
        if (titles := _titles(facts, own_data(entry)))
    ]


def _shown(facts: CardFacts) -> list[str]:
    """Return what the images of the training data show, as far as that is known."""
    known = [facts.terms.data.get(name) for name in facts.learned_from]
    return list(dict.fromkeys(terms.shows for terms in known if terms is not None and terms.shows))


def _runs(facts: CardFacts) -> list[str]:
    rows = [(run.name, run.reached, f"{run.hours:.1f} h") for run in facts.runs]
    return card_tables.rows_of(("run", "epochs (passes over the training images)", "time, validation included"), rows)


def _epochs(facts: CardFacts) -> str:
    """Return a sentence on whether the training that made the model ran to its end, "" where that is not known."""
    last = facts.runs[-1] if facts.runs else None
    if last is None or not last.of:
        return ""
    which = "Its training" if len(facts.runs) == 1 else f"Its training had {len(facts.runs)} steps; the last"
    verb = "ran" if last.epochs >= last.of else "ended after"
    return f"{which} {verb} {last.reached} epochs (passes over the training images)."


def _near_duplicates(facts: CardFacts) -> list[tuple[str, NearDuplicates]]:
    """Return what is known about near-duplicates, once for all runs of which it is the same; else of the model itself.

    Each with the names of its runs, "" where it is true of all there are.
    """
    found: dict[NearDuplicates, list[str]] = {}
    for run in facts.runs:
        if run.near_duplicates is not None:
            found.setdefault(run.near_duplicates, []).append(run.name)
    declared = declared_near_duplicates(facts.config.provenance)
    if not found:
        return [("", declared)] if declared is not None else []
    everywhere = len(next(iter(found.values()))) == len(facts.runs)
    return [("" if everywhere else ", ".join(names), said) for said, names in found.items()]


def _terms(facts: CardFacts) -> list[tuple[str, str, str, str]]:
    rows = []
    for name in facts.learned_from:
        terms = facts.terms.data.get(name)
        if terms is None:
            rows.append((name, "not known to usassist", "**not known: ask whoever gave you the data**", ""))
        else:
            rows.append((name, f"{terms.title}: {terms.shows}", terms.licence, terms.citation))
    return rows + [
        ("start", f"{terms.title}, where the recipe starts from it", terms.licence, terms.citation)
        for terms in facts.terms.start.values()
        if facts.config.encoder.open_clip in terms.encoders
    ]


def _command(facts: CardFacts, report: CardReport) -> str:
    prompt = f' --prompt "{report.prompt}"' if report.prompt is not None else ""
    split = "" if report.split == "all" else f" --split {report.split}"
    marks = "" if report.marks == "keep" else f" --marks {report.marks}"
    options = f"{prompt}{f' {report.class_options}' if report.class_options else ''}{marks}"
    return f"usassist evaluate --data DATA/{report.data}{split} --model {facts.config.name}{options} --out OUT"


def _figures(facts: CardFacts) -> dict[str, str]:
    judged = facts.judged
    said = [line for report in judged for line in report.lines]
    lesions = {
        report.label: [
            (line.quality, line.dice) for line in report.lines if line.quality is not None and not line.empty_truth
        ]
        for report in judged
    }
    found = {
        PRESENCE_FILE: presence_figure(
            [line.presence for line in said if line.presence is not None],
            [not line.empty_truth for line in said if line.presence is not None],
        ),
        QUALITY_FILE: quality_figure(
            [(name, [quality for quality, _ in pairs], [dice for _, dice in pairs]) for name, pairs in lesions.items()]
        ),
    }
    drawn = [
        Failure(line.input, f"Dice {line.dice:.3f}", report.worst[line.input, line.frame])
        for report, line in facts.worst
        if (line.input, line.frame) in report.worst
    ]
    files = {name: standalone(figure) for name, figure in found.items() if figure is not None}
    return files | ({FAILURES_FILE: failures_figure(drawn)} if drawn else {})
