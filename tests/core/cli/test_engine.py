"""What an engine or a model would not look at is refused before anything is done, and never reported as asked."""

import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from tests.core.models.phantoms import tiny_config
from usassist.core.cli.main import main
from usassist.core.geometry.cv import cv2
from usassist.core.io.open_study import find_sources, open_source
from usassist.core.models import clip_settings
from usassist.core.models.build import build_model
from usassist.core.models.config import AdapterConfig, EncoderConfig, HeadConfig, ModelConfig, PreprocessConfig
from usassist.core.models.inventory import facts_of
from usassist.core.models.weights import find_model, save_model

FILM = HeadConfig("film_skip", widths=(8,))
HEADS = {
    "film_skip": FILM,
    "promptable": HeadConfig("promptable", widths=(8,)),
    "clipseg": HeadConfig("clipseg", width=16),
    "pyramid": HeadConfig("pyramid", width=16),
    "unet": HeadConfig("unet", widths=(8,)),
}
CLASSES = ("--classes", "benign=a cyst", "malignant=a spiculated mass")


def model(folder: Path, head: HeadConfig, **options: object) -> Path:
    folder.mkdir()
    config: ModelConfig = tiny_config(folder, head, **options)
    save_model(build_model(config, folder=folder), folder, config=config, clip_folder=folder)
    return folder


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for part in ("images", "masks"):
        (tmp_path / "set" / part).mkdir(parents=True)
    rows = ["file,class"]
    for index in range(4):
        cv2.imwrite(str(tmp_path / "set" / "images" / f"{index}.png"), rng.integers(0, 255, (40, 48), dtype=np.uint8))
        mask = cv2.circle(np.zeros((40, 48), np.uint8), (24, 20), 8, 255, -1)
        cv2.imwrite(str(tmp_path / "set" / "masks" / f"{index}.png"), mask)
        rows.append(f"{index}.png,{('benign', 'malignant')[index % 2]}")
    (tmp_path / "set" / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    return tmp_path / "set"


@pytest.mark.parametrize("kind", list(HEADS))
@pytest.mark.parametrize("classes", [(), ("cyst", "nodule")])
def test_what_a_description_says_of_texts_is_what_the_head_does(
    kind: str, classes: tuple[str, ...], tmp_path: Path
) -> None:
    config = tiny_config(tmp_path, HEADS[kind], classes=classes)
    built = build_model(config, folder=tmp_path)
    assert config.follows_text == (built.head.is_conditioned and not classes)  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", list(HEADS))
def test_a_text_is_refused_exactly_where_models_show_claims_no_following(
    kind: str, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = model(tmp_path / "model", HEADS[kind])
    follows = kind in ("film_skip", "promptable", "clipseg")
    assert ("following a text" in facts_of(find_model(str(folder)))["uses"]) == follows
    out = tmp_path / "out"
    words = ["--model", str(folder), "--device", "cpu", "--prompt", "a cyst", "--out", str(out)]
    assert main(["propose", str(dataset / "images"), *words]) == (0 if follows else 1)
    assert out.exists() == follows
    said = capsys.readouterr().err
    assert follows or f"its head {kind!r} looks for what it was trained on: leave out --prompt" in said
    assert follows or "choose a model with the head promptable, film_skip or clipseg" in said
    assert main(["evaluate", "--data", str(dataset), *words]) == (0 if follows else 1)
    words = ["--model", str(folder), "--device", "cpu", "--prompt", " ", "--out", str(tmp_path / "plain")]
    assert main(["propose", str(dataset / "images"), *words]) == 0, "without a text every model answers"


def test_masks_that_follow_no_text_tell_no_classes_apart(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = model(tmp_path / "model", HEADS["unet"])
    words = ["evaluate", "--data", str(dataset), "--out", str(tmp_path / "out"), "--device", "cpu"]
    for asked in (CLASSES, ("--ensemble", "breast"), (*CLASSES, "--classify-by", "presence")):
        assert main([*words, "--model", str(folder), *asked]) == 1
        assert "leave out --classes and --ensemble" in capsys.readouterr().err
        assert main([*words, "--engine", "classical", *asked]) == 1
        assert "The engine classical follows no text" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    # The towers are another matter, and whoever names them means them.
    assert main([*words, "--model", str(folder), *CLASSES, "--classify-by", "similarity"]) == 0


def test_an_engine_without_texts_refuses_one(dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--engine", "classical", "--prompt", "a cyst", "--out", str(tmp_path / "out")]
    assert main(["propose", str(dataset / "images"), *words]) == 1
    assert main(["evaluate", "--data", str(dataset), *words]) == 1
    said = capsys.readouterr().err.splitlines()
    assert (
        said == ["usassist: The engine classical follows no text: leave out --prompt 'a cyst', or choose another."] * 2
    )
    assert not (tmp_path / "out").exists()


def test_a_classifier_has_nothing_to_look_for(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = model(tmp_path / "model", HeadConfig("pooled", width=16), task="classify", classes=("benign", "malignant"))
    words = ["evaluate", "--data", str(dataset), "--model", str(folder), "--out", str(tmp_path / "out")]
    assert main([*words, "--prompt", "a cyst"]) == 1
    assert "draws no masks (its task is 'classify')" in capsys.readouterr().err
    for asked in (CLASSES, ("--ensemble", "breast")):
        assert main([*words, *asked]) == 1
        assert "has learned its classes" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_model_of_several_objects_takes_their_names_only(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = model(tmp_path / "model", FILM, classes=("cyst", "nodule"))
    words = ["propose", str(dataset / "images"), "--model", str(folder), "--out", str(tmp_path / "out")]
    assert main([*words, "--prompt", "lymph node"]) == 1
    assert "tells cyst, nodule apart and follows no other text" in capsys.readouterr().err
    assert main([*words, "--prompt", "Nodule"]) == 0


def test_a_lower_precision_reaches_the_model_and_is_reported(dataset: Path, tmp_path: Path) -> None:
    folder = model(tmp_path / "model", FILM)
    probabilities = {}
    for precision in ("fp32", "int8"):
        out = tmp_path / precision
        words = ["--model", str(folder), "--device", "cpu", "--precision", precision, "--out", str(out)]
        assert main(["propose", str(dataset / "images"), *words]) == 0
        document = json.loads((out / "proposals.json").read_text())
        assert document.get("compute_precision", "fp32") == precision
        probabilities[precision] = [item["presence"] for item in document["items"]]
        assert main(["evaluate", "--data", str(dataset), *words]) == 0
        assert json.loads((out / "report.json").read_text())["compute_precision"] == precision
    assert probabilities["fp32"] != probabilities["int8"]
    assert probabilities["fp32"] == pytest.approx(probabilities["int8"], abs=0.05)


def test_a_precision_that_changes_nothing_is_not_reported_as_done(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A U-Net has no transformer blocks: it computes in float32 whatever was asked for, and so the reports say."""
    (tmp_path / "unet").mkdir()
    settings = clip_settings.settings_of("usassist-unet")
    settings["vision_cfg"]["timm_model_name"] = "usassist_unet_16"
    (tmp_path / "unet" / "small-unet.json").write_text(json.dumps(settings))
    encoder = EncoderConfig("small-unet", (0, 1, 2), (320,))
    head = HeadConfig("unet", widths=(16, 16))
    config = ModelConfig("u", "U", encoder, AdapterConfig("none"), head, PreprocessConfig(size=32))
    built = build_model(config, folder=tmp_path / "unet")
    save_model(built, tmp_path / "unet", config=config, clip_folder=tmp_path / "unet")
    out = tmp_path / "out"
    for engine in (("--model", str(tmp_path / "unet"), "--device", "cpu"), ("--engine", "classical")):
        words = [*engine, "--precision", "int8", "--out", str(out)]
        assert main(["propose", str(dataset / "images"), *words]) == 0
        assert "compute_precision" not in json.loads((out / "proposals.json").read_text())
        assert "--precision int8 changed nothing" in capsys.readouterr().err
        assert main(["evaluate", "--data", str(dataset), *words]) == 0
        assert json.loads((out / "report.json").read_text())["compute_precision"] == "fp32"
    folder = model(tmp_path / "vit", FILM)
    words = ["--model", str(folder), "--device", "cpu", "--out", str(out)]
    capsys.readouterr()
    for precision in ("fp32", "int8"):
        assert main(["propose", str(dataset / "images"), *words, "--precision", precision]) == 0
    assert "changed nothing" not in capsys.readouterr().err


def test_an_unknown_precision_is_wrong_usage(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["propose", str(dataset), "--precision", "int4", "--out", str(tmp_path / "out")])
    assert refused.value.code == 2


UNLEARNED = "usassist: The model never learned the word 'liver', so its answer means nothing; ask for what it learned: "


def test_a_text_that_was_never_learned_is_said_once_and_answered(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = model(tmp_path / "model", FILM, learned_targets=("breast_lesion",))
    asked = ("--model", str(folder), "--device", "cpu", "--prompt")
    out = tmp_path / "out"
    for prompt, warned in (("liver", True), ("a breast mass", False)):
        assert main(["propose", str(dataset / "images"), "--out", str(out), *asked, prompt]) == 0
        told = capsys.readouterr()
        assert told.err.count(f"{UNLEARNED}breast lesion.\n") == told.err.count("never learned") == int(warned)
        items = json.loads((out / "proposals.json").read_text(encoding="utf-8"))["items"]
        assert [bool(item["warning"]) for item in items] == [warned] * 4
        assert "unlike" not in told.out, "the images are what they are"
        assert main(["evaluate", "--data", str(dataset), "--out", str(tmp_path / "e"), *asked, prompt]) == 0
        assert capsys.readouterr().err.count("never learned") == int(warned)


def test_the_shipped_model_says_what_it_never_learned(
    sample_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(open_source(find_sources(sample_dir / "images" / "breast_cine.dcm")[0])) as reader:
        still = str(tmp_path / "still.png")
        assert cv2.imwrite(still, reader.frame(0).pixels)
    for prompt, kind in (("thyroid nodule", "never learned thyroid nodule"), ("no lesion", "says what is not there")):
        assert main(["propose", still, "--out", str(tmp_path / "out"), "--device", "cpu", "--prompt", prompt]) == 0
        told = capsys.readouterr()
        (item,) = json.loads((tmp_path / "out" / "proposals.json").read_text(encoding="utf-8"))["items"]
        assert told.err == f"usassist: {item['warning']}\n"
        assert kind in told.err and "breast lesion, fetal head and common carotid artery" in told.err
    assert main(["propose", still, "--out", str(tmp_path / "out"), "--device", "cpu", "--prompt", "breast lesion"]) == 0
    assert capsys.readouterr().err == ""
