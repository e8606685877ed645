"""Benchmarks as tables of a card."""

import json
from pathlib import Path
from typing import Any

import pytest

from usassist.core.errors import UsassistError
from usassist.core.evaluation.card_benchmarks import read_benchmark


def test_benchmarks(tmp_path: Path) -> None:
    path = tmp_path / "clicks.json"
    path.write_text(json.dumps({"title": "T", "header": ["a", "b"], "rows": [["x", 0.5], ["y", 3]]}), encoding="utf-8")
    found = read_benchmark(path)
    assert (found.title, found.header, found.rows, found.weights_hash) == (
        *("T", ("a", "b"), (("x", "0.50"), ("y", "3"))),
        None,
    )
    for broken in ("[]", "{}", '{"title": "T", "header": ["a"], "rows": [["x", 1]]}', "{", '{"header": 1}'):
        path.write_text(broken, encoding="utf-8")
        with pytest.raises(UsassistError, match="no benchmark's table"):
            read_benchmark(path)
    with pytest.raises(UsassistError, match="cannot be read"):
        read_benchmark(tmp_path / "none.json")


def test_targets_are_met_or_not_in_words(tmp_path: Path) -> None:
    path = tmp_path / "speed.json"
    rows = [["first", 1.5, "ok"], ["next", 2.5, "MISSED"], ["compared", 1.0, ""]]
    said = {"benchmark": "speed", "title": "T", "header": ["what", "median", ""], "rows": rows}
    path.write_text(json.dumps(said), encoding="utf-8")
    found = read_benchmark(path)
    assert found.header == ("what", "median", "target met")
    assert [row[2] for row in found.rows] == ["yes", "no", ""]
    assert "the same model without what makes it fast" in found.note


def _start(clicks: float, failures: list[str]) -> dict[str, Any]:
    share = {"mean": 0.5, "ci95": [0.25, 0.75]}
    return {
        "n": 4,
        "clicks": {"mean": clicks, "ci95": [1.0, 3.0]},
        "clicks_median": {"median": 2.5},
        "within": {"1": {}, "8": share},
        "failures": failures,
    }


def test_of_clicks_the_mean_and_within_8_are_shown_from_each_start(tmp_path: Path) -> None:
    path = tmp_path / "clicks.json"
    starts = {"proposal": _start(2.0, []), "blank": _start(3.0, ["a.png"]), "box": _start(1.0, [])}
    document = {"benchmark": "clicks", "title": "Clicks", "prompt": "fetal head", "weights_hash": "ab", "header": ["n"]}
    document |= {"cap": 20, "target": 0.85}
    path.write_text(json.dumps(document | {"rows": [], "starts": starts}), encoding="utf-8")
    found = read_benchmark(path)
    assert (found.title, found.weights_hash) == ('Clicks, "fetal head"', "ab")
    assert found.header[-2:] == ("reached within 8 clicks: share (95 % CI)", "images not reached within 20")
    assert [row[0] for row in found.rows[:2]] == ["its own proposal", "an empty mask"]
    assert found.rows[2][0] == "its answer to a box around the object"
    assert "until the mask has a Dice of 0.85" in found.note and "After 20 clicks it ends" in found.note
    assert found.rows[1] == ("an empty mask", "4", "3.00 (1.00 to 3.00)", "2.5", "0.50 (0.25 to 0.75)", "1")
    path.write_text(json.dumps(document | {"starts": {"proposal": {}}}), encoding="utf-8")
    with pytest.raises(UsassistError, match="no benchmark's table"):
        read_benchmark(path)
