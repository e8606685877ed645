"""Finished reports and facts for the tests of model cards."""

from pathlib import Path
from typing import Any

import numpy as np

from usassist.core.evaluation.card import CardFacts
from usassist.core.evaluation.card_sources import CardReport, read_card_report, read_terms
from usassist.core.evaluation.protocol import Case
from usassist.core.evaluation.report import ReportFacts, write_report
from usassist.core.evaluation.run import evaluate_masks
from usassist.core.models.config import Calibration, EncoderConfig, HeadConfig, ModelConfig

HASH = "ab" * 32


def write(folder: Path, *, data: str = "busi", split: str = "test", prompt: str | None = None, **more: Any) -> Path:
    """Write the report of an evaluation of 30 images, every fifth without a lesion, every seventh left empty.

    With a prompt that is wrong nothing is found anywhere. `more` are further facts.
    """
    cases = []
    for index in range(30):
        truth, pred = np.zeros((2, 60, 80), dtype=np.bool_)
        truth[20:40, 20:40] = index % 5 > 0
        pred[20:40, 20 + index % 9 : 40 + index % 9] = index % 7 > 0 and prompt != "fetal head"
        said = 0.9 if pred.any() else 0.1
        cases.append(
            Case(
                *(f"{data}|{index}.png", truth, pred),
                class_name="benign" if index % 5 else "normal",
                score=said,
                presence=said,
                quality=0.9 - index % 9 / 20,
                seconds=0.05,
                image=np.full((60, 80), 60, dtype=np.uint8),
            )
        )
    facts = {"model": "mine", "engine": "clip_mona", "weights_hash": HASH, "device": "cpu", **more}
    write_report(folder, evaluate_masks(cases), ReportFacts(data=data, split=split, prompt=prompt, **facts))
    return folder


def report(folder: Path, **facts: Any) -> CardReport:
    """Return such a report as a card reads it."""
    return read_card_report(write(folder, **facts))


def facts(**more: Any) -> CardFacts:
    """Return the facts of a model that learned from busi and from data that nobody knows."""
    said = {"command": "usassist-train segment", "usassist": "0.1.0", "torch": "2.9", "n_train": 500, "n_val": 80}
    config = ModelConfig(
        "mine",
        "My model",
        EncoderConfig("usassist-lite0", (0, 1, 2), vocabulary=(1, 2, 3)),
        head=HeadConfig("promptable"),
        calibration=more.pop("calibration", Calibration()),
        provenance={**said, "data": more.pop("data", ["busi", "clinic"])},
    )
    given = {
        "config": config,
        "model": {"weights_hash": HASH, "parameters": 7_500_000, "uses": ["proposing masks", "following a text"]},
        "parts": {"image tower with its adapters": 6_000_000, "head": 1_500_000},
        "weights_bytes": 15_000_000,
        "terms": read_terms(),
    }
    return CardFacts(**given | more)
