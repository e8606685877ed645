"""What a run's folder tells a card."""

import json
from pathlib import Path

from usassist.core.evaluation.card_runs import NearDuplicates, declared_near_duplicates, read_run


def test_a_run_tells_its_epoch_of_how_many_and_what_was_left_out(tmp_path: Path) -> None:
    assert read_run(tmp_path) is None
    lines = [json.dumps({"epoch": n, "loss": 0.5, "seconds": 1800.0, "val": {}}) for n in (1, 2, 3)]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines), encoding="utf-8")
    alone = read_run(tmp_path)
    assert alone is not None
    assert (alone.reached, alone.hours, alone.near_duplicates) == ("3", 1.5, None)
    (tmp_path / "config.toml").write_text("epochs = 28\n", encoding="utf-8")
    said = {"near_duplicates_setting": "drop", "leaks": {"near_duplicates": 4}, "left_out": ["a", "b", "c"]}
    (tmp_path / "leakage.json").write_text(json.dumps(said), encoding="utf-8")
    whole = read_run(tmp_path)
    assert whole is not None
    assert (whole.reached, whole.near_duplicates) == ("3 of 28", NearDuplicates("drop", across=4, left_out=3))


def test_broken_files_beside_the_log_are_not_known(tmp_path: Path) -> None:
    line = json.dumps({"epoch": 1, "loss": 0.5, "seconds": 1.0, "val": {}})
    (tmp_path / "metrics.jsonl").write_text(line, encoding="utf-8")
    (tmp_path / "config.toml").write_text("epochs = [", encoding="utf-8")
    (tmp_path / "leakage.json").write_text("[]", encoding="utf-8")
    found = read_run(tmp_path)
    assert found is not None
    assert (found.of, found.near_duplicates) == (None, None)


def test_a_model_may_say_itself_what_was_left_out() -> None:
    said = {"setting": "drop", "pairs": 25, "joined": 23, "across": 4, "left_out": 3}
    assert declared_near_duplicates({"near_duplicates": said}) == NearDuplicates("drop", 4, 3)
    assert declared_near_duplicates({}) is None
    assert declared_near_duplicates({"near_duplicates": "drop"}) is None
