import json
from pathlib import Path

import httpx
import pytest

from usassist.core import log
from usassist.core.captions import llm
from usassist.core.cli.main import main
from usassist.core.cli.output import Exit
from usassist.core.errors import TrainingError
from usassist.core.training.caption_lists import read_caption_list
from usassist.core.training.sections import ContrastConfig


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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(log.PROGRESS_VARIABLE, "lines")
    (tmp_path / "a.png").touch()
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"image": "a.png", "caption": "left mass 12 mm", "refined": "right mass 12 mm"}))
    assert main(["captions", "check", str(path)]) == Exit.PARTLY
    told = capsys.readouterr().err
    assert "lost side: left; invented side: right" in told
    assert log.progress_line("checking", 1, 1) in told, "thousands of captions take seconds"
    assert main(["captions", "check", str(path), "-q"]) == Exit.PARTLY
    assert log.progress_line("checking", 1, 1) not in capsys.readouterr().err


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


TABLE = "file,class,split,shape,margin,echogenicity,posterior_features,calcifications\n"


def _described(folder: Path, out: Path, *, subfolder: str = "images") -> Path:
    """Write a table of two images, and what `captions describe` makes of it."""
    (folder / subfolder).mkdir(parents=True, exist_ok=True)
    for name in ("a.png", "b.png"):
        (folder / subfolder / name).touch()
    rows = "a.png,benign,train,oval,circumscribed,hypoechoic,no,no\nb.png,malignant,train,irregular,,anechoic,no,no\n"
    (folder / "labels.csv").write_text(TABLE + rows)
    assert main(["captions", "describe", str(folder / "labels.csv"), "--out", str(out)]) == Exit.DONE
    return out


@pytest.mark.parametrize("captions", ["raw", "refined"])
@pytest.mark.parametrize("subfolder", ["images", "."])
def test_N7_what_describe_writes_is_trained_on_as_it_is_wherever_it_lies(
    tmp_path: Path, captions: str, subfolder: str
) -> None:
    """From the table to the trainer's own reading of the list, with the review of it in between."""
    out = _described(tmp_path / "data", tmp_path / "lists" / "train.jsonl", subfolder=subfolder)
    images = [(tmp_path / "data" / subfolder / name).resolve() for name in ("a.png", "b.png")]
    reviewed = tmp_path / "elsewhere" / "deep" / "train_reviewed.jsonl"
    assert main(["captions", "refine", str(out), "--out", str(reviewed)]) == Exit.DONE
    for path in (out, reviewed):
        assert main(["captions", "check", str(path), "--text", "refined" if captions == "refined" else "caption"]) == 0
        failed: list[str] = []
        examples = read_caption_list(path, ContrastConfig(captions=captions), failed=failed)
        assert [example.source.path.resolve() for example in examples] == images
        assert all(example.caption for example in examples) and not failed
    again = main(["captions", "refine", str(out), "--out", str(reviewed)])
    assert again == Exit.DONE and [line["image"] for line in _lines(reviewed)] == ["a.png", "b.png"]


def test_a_list_beside_its_images_names_no_folder_and_stays_portable(tmp_path: Path) -> None:
    out = _described(tmp_path / "data", tmp_path / "data" / "train.jsonl")
    assert all("image_folder" not in line for line in _lines(out))
    assert main(["captions", "check", str(out)]) == Exit.DONE
    (tmp_path / "data").rename(tmp_path / "moved")
    assert main(["captions", "check", str(tmp_path / "moved" / "train.jsonl")]) == Exit.DONE


def test_a_folder_that_is_gone_is_a_bad_line_and_images_wins_over_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = _described(tmp_path / "data", tmp_path / "train.jsonl")
    (tmp_path / "data").rename(tmp_path / "moved")
    capsys.readouterr()
    assert main(["captions", "check", str(out)]) == Exit.NOTHING
    assert capsys.readouterr().err.count("there is no folder of images") == 2
    assert main(["captions", "check", str(out), "--images", str(tmp_path / "moved" / "images")]) == Exit.DONE
    lines = [line | {"image": "../images/a.png"} for line in _lines(out)]
    out.write_text("".join(json.dumps(line | {"image_folder": "moved/images"}) + "\n" for line in lines))
    assert main(["captions", "check", str(out)]) == Exit.NOTHING
    assert "leads out of the image folder" in capsys.readouterr().err


def test_check_names_folders_outside_the_lists_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = _described(tmp_path / "data", tmp_path / "lists" / "train.jsonl")
    images = str((tmp_path / "data" / "images").resolve())
    capsys.readouterr()
    assert main(["captions", "check", str(out)]) == Exit.DONE
    assert f"2 lines with an image outside the list's folder: {images!r} (2)" in capsys.readouterr().out
    assert main(["captions", "check", str(out), "--json"]) == Exit.DONE
    assert json.loads(capsys.readouterr().out)["outside_folders"] == {images: 2}
    assert main(["captions", "check", str(out), "--images", images]) == Exit.DONE
    assert "outside" not in capsys.readouterr().out, "who names the folder need not be told"
    out.write_text("".join(json.dumps(line | {"image_folder": "\\\\server\\share"}) + "\n" for line in _lines(out)))
    assert main(["captions", "check", str(out)]) == Exit.NOTHING
    assert capsys.readouterr().err.count("is on another machine") == 2


def test_refine_is_told_where_the_images_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table that lies elsewhere than its images gives a list that is trained on as it is."""
    images = tmp_path / "pictures"
    images.mkdir()
    (images / "a.png").touch()
    path, out = tmp_path / "lists" / "pairs.csv", tmp_path / "lists" / "out.jsonl"
    path.parent.mkdir()
    path.write_text("filename,Caption\na.png,oval cyst\n")
    command = ["captions", "refine", str(path), "--out", str(out)]
    assert main([*command, "--images", str(tmp_path / "nowhere")]) == Exit.NOTHING
    assert "no folder of images" in capsys.readouterr().err and not out.exists()
    assert main([*command, "--images", str(images)]) == Exit.DONE
    assert main(["captions", "check", str(out), "--text", "refined"]) == Exit.DONE


def test_a_bad_line_is_said_once_to_whoever_trains(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = _described(tmp_path / "data", tmp_path / "train.jsonl")
    out.write_text(out.read_text() + '{"image": "gone.png", "caption": "an oval mass of the breast"}\n')
    failed: list[str] = []
    assert len(read_caption_list(out, ContrastConfig(), failed=failed)) == 2
    assert failed == ["train.jsonl, line 3: there is no image 'gone.png' in the image folder"]
    said = capsys.readouterr().err
    assert "gone.png" not in said and "1 of 3 lines left out" in said
    out.write_text('{"image": "gone.png", "caption": "an oval mass of the breast"}\n')
    with pytest.raises(TrainingError, match=r"None of the 1 lines .* line 1: there is no image 'gone.png'"):
        read_caption_list(out, ContrastConfig())


@pytest.mark.parametrize("wrong", [("--price-in", "x"), ("--timeout", "0"), ("--in-flight", "99"), ("--out", "x.csv")])
def test_wrong_values_are_wrong_usage(pairs: Path, wrong: tuple[str, str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["captions", "refine", str(pairs), "--out", "x.jsonl", *wrong])
    assert stop.value.code == Exit.USAGE


def test_refine_and_check_call_the_same_lines_bad(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pairs.open("a") as file:
        file.write('{"image": "gone.png", "caption": "an oval mass"}\n{"image": "b.png"\n')
    out = tmp_path / "out.jsonl"
    commands = (["captions", "check", str(pairs)], ["captions", "refine", str(pairs), "--out", str(out)])
    found = []
    for command in commands:
        assert main([*command, "--json"]) == Exit.PARTLY
        found.append(json.loads(capsys.readouterr().out)["problems"])
        assert main(command) == Exit.PARTLY
        assert "2 bad lines" in capsys.readouterr().out
    assert found[0] == found[1] and [problem["line"] for problem in found[0]] == [3, 4]
    assert [line["image"] for line in _lines(out)] == ["a.png", "b.png"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (0, "0 refined captions with other facts than their captions"),
        (1, "1 refined caption with other facts than its caption:"),
    ],
)
def test_check_counts_in_grammar(tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: int, said: str) -> None:
    (tmp_path / "a.png").touch()
    row = {"image": "a.png", "caption": "left mass 12 mm", "refined": ("left", "right")[wrong] + " mass 12 mm"}
    (tmp_path / "x.jsonl").write_text(json.dumps(row))
    main(["captions", "check", str(tmp_path / "x.jsonl")])
    assert said in capsys.readouterr().out


def test_words_alone_are_refined_where_the_images_are_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text(json.dumps({"image": "a.png", "caption": "left mass 12 mm"}))
    command = ["captions", "refine", str(tmp_path / "x.jsonl"), "--out", str(tmp_path / "out.jsonl")]
    assert main([*command, "--words-only"]) == 0
    assert [line["image"] for line in _lines(tmp_path / "out.jsonl")] == ["a.png"]
    assert main(command) != 0
