"""`usassist models card`: one command from finished evaluations to a card."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.core.evaluation.cards import write
from usassist.core.cli.main import main
from usassist.core.geometry.cv import cv2
from usassist.core.models.familiarity import Familiarity
from usassist.core.models.weights import find_model


def reports(folder: Path) -> list[str]:
    weights = find_model("usassist-us").weights_hash
    made = [
        write(folder / "plain", weights_hash=weights),
        write(folder / "text", weights_hash=weights, prompt="fetal head"),
    ]
    return [part for path in made for part in ("--report", str(path))]


def as_run(folder: Path) -> Path:
    """Return a run's folder: the shipped model with the log of a training."""
    shutil.copytree(find_model("usassist-us").folder, folder)
    lines = [json.dumps({"epoch": n, "loss": 0.5, "seconds": 1800.0, "val": {}}) for n in (1, 2)]
    (folder / "metrics.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (folder / "config.toml").write_text("epochs = 28\n", encoding="utf-8")
    near = {"near_duplicates_setting": "drop", "leaks": {"near_duplicates": 4}, "left_out": ["a.png"]}
    (folder / "leakage.json").write_text(json.dumps(near), encoding="utf-8")
    return folder


def test_data_of_the_run_are_compared_with_those_of_the_report(tmp_path: Path) -> None:
    run = as_run(tmp_path / "run")
    (tmp_path / "data" / "busi" / "images").mkdir(parents=True)
    (tmp_path / "data" / "busi" / "masks").mkdir()
    for folder in ("images", "masks"):
        cv2.imwrite(str(tmp_path / "data" / "busi" / folder / "3.png"), np.zeros((8, 8), dtype=np.uint8))
    (run / "data.json").write_text(json.dumps({"data": [str(tmp_path / "data" / "busi")]}), encoding="utf-8")
    weights = find_model("usassist-us").weights_hash
    report = write(tmp_path / "copy", data="copy", split="all", weights_hash=weights)
    out = tmp_path / "out"
    assert main(["models", "card", str(run), "--report", str(report), "--out", str(out)]) == 0
    text = (out / "CARD.md").read_text(encoding="utf-8")
    assert "| copy (folder not named in the training, nor any file's name) |" in text
    table = report / "per_image.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("copy|3.png", "3.png"), encoding="utf-8")
    assert main(["models", "card", str(run), "--report", str(report), "--out", str(out)]) == 0
    assert "| copy (1 of its files have names of the training) |" in (out / "CARD.md").read_text(encoding="utf-8")


def test_a_warning_of_unlike_images_is_said_with_how_many_were_looked_at(tmp_path: Path) -> None:
    run, weights = as_run(tmp_path / "run"), find_model("usassist-us").weights_hash
    Familiarity.fit(np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)).save(run, weights_hash=weights)
    assert main(["models", "card", str(run), "--out", str(tmp_path / "out")]) == 0
    text = (tmp_path / "out" / "CARD.md").read_text(encoding="utf-8")
    assert "| yes, learned from 60 training images; the limit was chosen on validation images |" in text


def test_a_run_gets_its_card_and_keeps_it_as_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = as_run(tmp_path / "run")
    (tmp_path / "clicks.json").write_text('{"title": "Clicks", "header": ["n"], "rows": [[3]]}', encoding="utf-8")
    (tmp_path / "notes.md").write_text("- A note.", encoding="utf-8")
    extras = ["--benchmark", str(tmp_path / "clicks.json"), "--notes", str(tmp_path / "notes.md"), "--watts", "50"]
    assert main(["models", "card", str(run), *reports(tmp_path), *extras, "--out", str(run)]) == 0
    assert capsys.readouterr().out.strip() == str(run / "CARD.md")
    text = (run / "CARD.md").read_text(encoding="utf-8")
    assert "| run | 2 of 28 | 1.0 h |" in text
    assert "Its training ended after 2 of 28 epochs" in text
    assert "4 pairs stood in two of the data's splits (train, val, test); 1 image was left out" in text
    assert "0.05 kWh, an estimate" in text
    assert "**Clicks**" in text
    assert "- A note." in text
    assert "**Asked for what is not there**" in text
    assert '| busi test | "fetal head" | 30 | 0 | 1.000 (' in text
    assert main(["models", "add", str(run), "--name", "kept"]) == 0
    kept = find_model("kept")
    assert kept.card == text
    for name in ("card-presence.svg", "card-quality.svg", "card-failures.svg"):
        assert (kept.folder / name).read_bytes() == (run / name).read_bytes()
    assert main(["models", "verify", "kept"]) == 0


def test_a_card_of_fewer_sources_leaves_no_figure_of_an_earlier_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["models", "card", "usassist-us", *reports(tmp_path), "--out", str(out)]) == 0
    assert (out / "card-failures.svg").is_file()
    capsys.readouterr()
    assert main(["models", "card", "usassist-us", "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"card": str(out / "CARD.md")}
    assert [path.name for path in out.iterdir()] == ["CARD.md"]


def test_numbers_of_other_weights_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = write(tmp_path / "other")
    out = tmp_path / "out"
    assert main(["models", "card", "usassist-us", "--report", str(other), "--out", str(out)]) == 1
    assert "is about other weights (abababababab)" in capsys.readouterr().err
    (tmp_path / "b.json").write_text(
        '{"title": "", "header": ["n"], "rows": [], "weights_hash": "cd"}', encoding="utf-8"
    )
    assert main(["models", "card", "usassist-us", "--benchmark", str(tmp_path / "b.json"), "--out", str(out)]) == 1
    assert "is about other weights (cd)" in capsys.readouterr().err
    assert not out.exists()


def test_what_is_no_source_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(tmp_path / "out")]
    for option in ("--report", "--run", "--benchmark", "--notes"):
        assert main(["models", "card", "usassist-us", option, str(tmp_path / "nothing"), *out]) == 1
        assert "nothing" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        main(["models", "card", "usassist-us", "--watts", "-3", *out])
    assert stop.value.code == 2
