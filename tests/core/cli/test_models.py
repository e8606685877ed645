"""`usassist models` lists and shows without loading, adds weights from anywhere, checks and removes them."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.core.models import published
from usassist.core.cli import models
from usassist.core.cli.main import main
from usassist.core.models.weights import find_model, list_models


def _printed(capsys: pytest.CaptureFixture[str]) -> dict:
    return json.loads(capsys.readouterr().out)


def _lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_list_names_every_model_with_its_kind(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list", "--json"]) == 0
    document = _printed(capsys)
    assert document["default"] == "usassist-us"
    assert [model["name"] for model in document["models"]] == [info.name for info in list_models()]
    assert main(["models", "list"]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["name", "kind", "origin", "title", "weights"]


def test_listing_imports_no_torch() -> None:
    code = (
        "import sys; from usassist.core.cli.main import main; main(['models', 'list']); print('torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.splitlines()[-1] == "False"


def test_show_of_a_model_that_is_not_there_names_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "show", "nobody"]) == 1
    assert "no model 'nobody'" in capsys.readouterr().err


def test_show_tells_what_a_model_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "show"]) == 0
    out = capsys.readouterr().out
    assert "kind: segment" in out
    assert "uses: proposing masks, following a text, following clicks, a box and a previous mask" in out
    assert "parameters: 7,360,987 in all, all of them in its own file" in out


def test_show_begins_the_card_and_says_where_it_lies(capsys: pytest.CaptureFixture[str]) -> None:
    info = find_model("usassist-us")
    first = info.card.split("\n\n")[1]
    assert main(["models", "show"]) == 0
    lines = _lines(capsys)
    assert f"card: {info.folder / 'CARD.md'}" in lines
    assert " ".join(first.split()) in " ".join(" ".join(lines).split())
    assert not any(line.startswith(("#", "|")) for line in lines)
    assert len(lines) < 30
    assert main(["models", "show", "--card"]) == 0
    assert info.card.strip() in capsys.readouterr().out
    assert main(["models", "show", "--json"]) == 0
    assert _printed(capsys)["card"] == info.card


def test_show_of_a_model_without_a_card_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    info = replace(find_model("usassist-us"), folder=tmp_path)
    monkeypatch.setattr(models, "find_model", lambda _name: info)
    assert main(["models", "show"]) == 0
    assert _lines(capsys)[-1] == "It has no model card."
    (tmp_path / "CARD.md").write_text("# Only a heading\n", encoding="utf-8")
    assert main(["models", "show"]) == 0
    assert f"card: {tmp_path / 'CARD.md'}" in capsys.readouterr().out


def test_show_says_what_of_a_model_learned(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    known = models.facts_of(find_model("usassist-us"))
    for every, words in ((2_000, "2,000 in all; 300 learned"), (None, "its base is missing; 300 learned")):
        counts = {"parameters": every, "parameters_stored": 300, "parameters_learned": 300}
        monkeypatch.setattr(models, "facts_of", lambda _, counts=counts: known | counts)
        assert main(["models", "show"]) == 0
        out = capsys.readouterr().out
        assert words in out
        assert "parameters_" not in out


def test_add_of_a_folder_that_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "add", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("usassist: ")


def test_weights_come_are_checked_and_go(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(published.clip().state_dict(), tmp_path / "tiny.pt")
    assert main(["models", "add", str(tmp_path / "tiny.pt")]) == 1
    assert "--as: ViT-B-16-quickgelu" in capsys.readouterr().err
    (tmp_path / "tiny.pt").rename(tmp_path / "metaclip.pt")
    assert main(["models", "add", str(tmp_path / "metaclip.pt"), "--name", "tiny", "--json"]) == 0
    added = _printed(capsys)
    assert (added["kind"], added["family"], added["origin"]) == ("encoder", "MetaCLIP", "user")
    assert main(["models", "verify"]) == 0
    assert _lines(capsys) == ["usassist-us: as shipped", "tiny: unchanged since it was added"]
    assert main(["models", "verify", "--json"]) == 0
    assert [(model["name"], model["changed"]) for model in _printed(capsys)["models"]] == [
        ("usassist-us", []),
        ("tiny", []),
    ]
    (Path(added["folder"]) / "CARD.md").write_text("other")
    assert main(["models", "verify"]) == 3
    printed = capsys.readouterr()
    assert printed.out == "usassist-us: as shipped\n"
    assert "tiny: CARD.md changed" in printed.err
    assert main(["models", "verify", "tiny", "nobody"]) == 1
    assert main(["models", "remove", "tiny"]) == 0
    assert main(["models", "remove", "tiny"]) == 1
    assert [info.name for info in list_models()] == ["usassist-us"]


def test_a_file_of_another_family_says_what_it_looks_like(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"image_encoder.pos_embed": torch.ones(2), "mask_decoder.x": torch.ones(2)}, tmp_path / "sam_vit_b.pth")
    assert main(["models", "add", str(tmp_path / "sam_vit_b.pth")]) == 1
    assert "looks like Segment Anything (SAM)" in capsys.readouterr().err
