import json
from pathlib import Path

import httpx
import pytest

from usassist.core.captions import llm
from usassist.core.cli.main import main
from usassist.core.cli.output import Exit


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / "images" / name).touch()
    path = tmp_path / "pairs.jsonl"
    rows = [("a.png", "Lt. breast: hypo-echoic mass, 12 x 8 mm, w/o calcs. IMG_0012.png"), ("b.png", "oval cyst")]
    path.write_text("".join(json.dumps({"image": name, "caption": text}) + "\n" for name, text in rows))
    return path


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> list[httpx.Request]:
    """Replace the network by a model that repeats the caption; return the requests that were made."""
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        caption = json.loads(request.content)["messages"][-1]["content"]
        message = {"content": f"Refined: {caption}"} if "mass" in caption else {"content": "I'm sorry"}
        return httpx.Response(200, json={"choices": [{"message": message}], "usage": {"prompt_tokens": 500_000}})

    class Client(httpx.Client):
        def __init__(self, **settings) -> None:
            super().__init__(**settings | {"transport": httpx.MockTransport(handle)})

    monkeypatch.setattr(httpx, "Client", Client)
    return seen


LLM = ("--refiner", "llm", "--endpoint", "http://localhost:1/v1?code=hidden", "--llm", "qwen")


def _lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_N7_check_lists_the_bad_lines(pairs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["captions", "check", str(pairs)]) == Exit.DONE
    with pairs.open("a") as file:
        file.write('{"image": "c.png", "caption": "x"}\n{"image": "b.png"\n')
    capsys.readouterr()
    assert main(["captions", "check", str(pairs), "--json"]) == Exit.PARTLY
    out, err = capsys.readouterr()
    assert json.loads(out)["pairs"] == 2
    assert [problem["line"] for problem in json.loads(out)["problems"]] == [3, 4]
    assert "line 3: there is no image 'c.png'" in err
    assert main(["captions", "check", str(pairs), "--text", "refined"]) == Exit.NOTHING


def test_N8_check_compares_the_facts_of_what_was_refined_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.png").touch()
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"image": "a.png", "caption": "left mass 12 mm", "refined": "right mass 12 mm"}))
    assert main(["captions", "check", str(path)]) == Exit.PARTLY
    assert "lost side: left; invented side: right" in capsys.readouterr().err


def test_N8_refine_writes_a_file_to_review_and_keeps_what_was_edited(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "refined.jsonl"
    command = ["captions", "refine", str(pairs), "--out", str(out)]
    assert main(command) == Exit.DONE
    first, second = _lines(out)
    assert first["refined"] == "Breast: mass, 12 x 8 mm, left, hypoechoic, without calcifications"
    assert second["refined"] == "Cyst, oval shape"
    out.write_text("\n".join(map(json.dumps, (first, second | {"refined": "an oval cyst"}))))
    capsys.readouterr()
    assert main([*command, "--json"]) == Exit.DONE
    document = json.loads(capsys.readouterr().out)
    assert (document["refined"], document["kept"], document["edited"]) == (0, 2, 1)
    assert [line["refined"] for line in _lines(out)] == [first["refined"], "an oval cyst"]
    assert main(["captions", "check", str(out), "--images", str(pairs.parent / "images"), "--text", "refined"]) == 0


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--out", "OUT", *LLM),
        ("--out", "OUT", "--refiner", "llm", "--send"),
        ("--out", "OUT", "--refiner", "llm", "--endpoint", "http://localhost:1", "--send"),
        ("--out", "OUT", *LLM, "--send", "--dry-run"),
        ("--out", "OUT", "--send"),
        ("--out", "IN"),
    ],
)
def test_nothing_is_sent_unless_everything_was_said(
    pairs: Path, tmp_path: Path, network: list[httpx.Request], options: tuple[str, ...]
) -> None:
    names = {"OUT": str(tmp_path / "out.jsonl"), "IN": str(pairs)}
    before = pairs.read_bytes()
    assert main(["captions", "refine", str(pairs), *(names.get(option, option) for option in options)]) == Exit.USAGE
    assert not network
    assert not (tmp_path / "out.jsonl").exists()
    assert pairs.read_bytes() == before


def test_a_dry_run_shows_what_would_be_sent_and_sends_nothing(
    pairs: Path, network: list[httpx.Request], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KEY", raising=False)
    options = ("--dry-run", "--price-in", "2", "--price-out", "8", "--api-key-env", "KEY")
    assert main(["captions", "refine", str(pairs), *LLM, *options]) == Exit.DONE
    out = capsys.readouterr().out
    assert "line 1: Lt. breast: hypo-echoic mass, 12 x 8 mm, w/o calcs." in out
    assert llm.INSTRUCTIONS in out
    assert "IMG_0012" not in out
    assert "hidden" not in out
    assert "captions: 2" in out
    assert "cost_about: 0.0" in out
    assert main(["captions", "refine", str(pairs), *LLM, *options, "--json"]) == Exit.DONE
    assert len(json.loads(capsys.readouterr().out)["requests"]) == 2
    assert not network


def test_N8_a_model_refines_refusals_are_listed_and_asked_again(
    pairs: Path, tmp_path: Path, network: list[httpx.Request], capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    monkeypatch.setenv("KEY", "s3cret")
    out = tmp_path / "out.jsonl"
    command = ["captions", "refine", str(pairs), "--out", str(out), *LLM, "--send", "--api-key-env", "KEY"]
    assert main([*command, "--price-in", "2"]) == Exit.PARTLY
    assert [request.headers["authorization"] for request in network] == ["Bearer s3cret"] * 2
    printed = capsys.readouterr()
    assert "line 2: the caption stays as it was: the model refused to answer" in printed.err
    assert "cost: 2.0" in printed.out
    assert [line["refiner"] for line in _lines(out)] == ["llm qwen", ""]
    assert "s3cret" not in f"{printed}{out.read_text()}"
    assert main(command) == Exit.PARTLY
    assert len(network) == 3


def test_a_refused_key_keeps_what_is_there_and_is_nothing_done(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    transport = httpx.MockTransport(lambda _request: httpx.Response(401))
    real = httpx.Client
    monkeypatch.setattr(httpx, "Client", lambda **settings: real(**settings | {"transport": transport}))
    out = tmp_path / "out.jsonl"
    out.write_text('{"image": "z.png", "caption": "kept", "refined": "kept by hand"}\n')
    assert main(["captions", "refine", str(pairs), "--out", str(out), *LLM, "--send"]) == Exit.NOTHING
    assert "refuses the request (status 401)" in capsys.readouterr().err
    assert [line["refined"] for line in _lines(out)] == ["kept by hand"]


def test_describe_writes_captions_without_class_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "labels.csv"
    table.write_text(
        "file,class,split,shape,margin,echogenicity,posterior_features,calcifications\n"
        "a.png,benign,train,oval,circumscribed,hypoechoic,no,no\n"
        "b.png,malignant,test,irregular,not circumscribed - spiculated,hypoechoic,shadowing,no\n"
        "c.png,benign,train,square,circumscribed,hypoechoic,no,no\n"
    )
    out = tmp_path / "out.jsonl"
    command = ["captions", "describe", str(table), "--out", str(out)]
    assert main(command) == Exit.PARTLY
    assert "line 4: shape 'square' is no term" in capsys.readouterr().err
    assert [line["image"] for line in _lines(out)] == ["a.png", "b.png"]
    assert "malignant" not in out.read_text()
    before = out.read_bytes()
    assert main(command) == Exit.USAGE
    assert out.read_bytes() == before
    out.unlink()
    assert main([*command, "--class-words", "--split", "test"]) == Exit.PARTLY
    assert [line["caption"].split(",")[0] for line in _lines(out)] == ["Breast ultrasound: malignant mass"]


@pytest.mark.parametrize("wrong", [("--price-in", "x"), ("--timeout", "0"), ("--in-flight", "99"), ("--out", "x.csv")])
def test_wrong_values_are_wrong_usage(pairs: Path, wrong: tuple[str, str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["captions", "refine", str(pairs), "--out", "x.jsonl", *wrong])
    assert stop.value.code == Exit.USAGE
