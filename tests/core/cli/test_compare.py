"""`usassist-train compare`: what is trained, what is kept, what is said."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from usassist.core import paths
from usassist.core.cli import train, trial_scores, trials
from usassist.core.data.dataset import load
from usassist.core.data.divide import NearDuplicates, divide
from usassist.core.errors import ModelError, TrainingError
from usassist.core.evaluation.stored import Line, StoredReport
from usassist.core.geometry.cv import cv2
from usassist.core.models.config import EncoderConfig, ModelConfig
from usassist.core.training import run as training
from usassist.core.training.config import read_recipe
from usassist.core.training.division import divided, thinned
from usassist.core.training.provenance import provenance
from usassist.core.training.run import RunResult


def dataset(folder: Path, *, count: int = 24, seed: int = 0) -> Path:
    """Write dark discs on speckle, a third without one, in train, val and test."""
    rng = np.random.default_rng(seed)
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    rows = ["file,class,split"]
    for index in range(count):
        image = rng.gamma(2.0, 30.0, (48, 64)).clip(0, 255).astype(np.uint8)
        mask = np.zeros((48, 64), dtype=np.uint8)
        if index % 3:
            cv2.circle(mask, (int(rng.integers(20, 44)), int(rng.integers(16, 32))), 10, 255, -1)
            image[mask > 0] //= 6
        cv2.imwrite(str(folder / "images" / f"i{index:02d}.png"), image)
        cv2.imwrite(str(folder / "masks" / f"i{index:02d}.png"), mask)
        split = ("train", "train", "val", "test")[index // 3 % 4]
        rows.append(f"i{index:02d}.png,{('normal', 'benign', 'malignant')[index % 3]},{split}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture
def discs(tmp_path: Path) -> Path:
    return dataset(tmp_path / "discs")


def recipe(folder: Path, name: str, **changes: str) -> Path:
    path = folder / f"{name}.toml"
    values = {"name": f'"{name}"', "title": f'"{name}"', "epochs": "1", **changes}
    path.write_text("".join(f"{key} = {value}\n" for key, value in values.items()))
    return path


class Trainings:
    """Stands in for the training and the engine: writes down what was asked, and makes reports of known quality."""

    def __init__(self) -> None:
        self.started: list[tuple[str, tuple[str, ...]]] = []
        self.resumed: list[Path] = []
        self.scored: list[str] = []
        self.fail_in: str = ""
        self.interrupt_at = -1
        self.broken_scores: str = ""

    def train(self, path: Path, data: list[Path], out: Path, **options: Any) -> RunResult:
        self.started.append((path.stem, tuple(options["overrides"])))
        if self.fail_in == path.stem:
            raise ModelError("There is no such encoder.")
        if len(self.started) == self.interrupt_at:
            (out / "checkpoint.pt").write_bytes(b"")
            return RunResult(out, 1, 0.5, True, ())
        return self._finish(out)

    def resume(self, out: Path, **_: Any) -> RunResult:
        self.resumed.append(out)
        return self._finish(out)

    def _finish(self, out: Path) -> RunResult:
        lines = [{"epoch": n, "loss": 1.0 / n, "seconds": 2.0, "val": {"score": 0.1 * n, "n": 4}} for n in (1, 2, 3)]
        (out / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return RunResult(out, 3, 0.5, False, ())

    def evaluate(self, trial: trials.Trial, images: trial_scores.Images, **_: Any) -> StoredReport:
        self.scored.append(f"{trial.name} on {images.name}")
        if self.broken_scores == trial.recipe.stem:
            raise ModelError("The weights do not fit.")
        quality = 0.5 + 0.1 * (trial.recipe.stem == "good") + 0.01 * trial.seed
        lines = [
            Line(
                e.source.relative,
                e.frame,
                e.class_name,
                quality,
                quality,
                3.0,
                1.0,
                0.5,
                e.class_name == "normal",
                False,
            )
            for e in images.of(trial)
        ]
        fingerprint = f"{images.name}{[line.input for line in lines]}"
        return StoredReport(trial.folder, trial.recipe.stem, "ab", fingerprint, tuple(lines), 0.02)


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> Trainings:
    made = Trainings()
    monkeypatch.setattr(training, "train", made.train)
    monkeypatch.setattr(training, "resume", made.resume)
    monkeypatch.setattr(trial_scores, "evaluate_trial", made.evaluate)
    monkeypatch.setattr(trial_scores, "count_parameters", lambda _folder: (1_000, 2_000_000))
    return made


def document(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "comparison.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture
def call(tmp_path: Path, discs: Path, trainings: Trainings) -> Callable[..., int]:
    good, base = recipe(tmp_path, "good"), recipe(tmp_path, "base")

    def run(*more: str) -> int:
        words = ["compare", base, good, "--data", discs, "--out", tmp_path / "out", "-q", *more]
        return train.main([str(word) for word in words])

    return run


def test_N17_one_command_makes_one_table_over_seeds(
    call: Callable[..., int], trainings: Trainings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("--seeds", "3") == 0
    assert [name for name, _ in trainings.started] == ["base"] * 3 + ["good"] * 3
    assert [overrides for _, overrides in trainings.started[:3]] == [("seed=0",), ("seed=1",), ("seed=2",)]
    found = document(tmp_path / "out")
    assert [(row["recipe"], row["seeds"]) for row in found["rows"]] == [("base", [0, 1, 2]), ("good", [0, 1, 2])]
    assert found["split"] == "val"
    good = found["rows"][1]
    assert good["dice_lesion"]["mean"] == pytest.approx(0.61)
    assert good["dice_lesion"]["sd"] == pytest.approx(0.01)
    assert good["dice_lesion"]["n"] == 4
    assert good["difference_to_first"]["mean"] == pytest.approx(0.1)
    assert good["difference_to_first"]["p"] == pytest.approx(0.125)  # 4 images cannot say more
    assert (good["trainable"], good["parameters"]) == (1_000, 2_000_000)
    assert (good["seconds_per_epoch"], good["seconds_per_image"]) == (2.0, 0.02)
    said = capsys.readouterr().out
    assert "0.610 ± 0.010" in said
    assert "1 k / 2.0 M" in said
    table = (tmp_path / "out" / "comparison.csv").read_text().splitlines()
    assert len(table) == 3
    page = (tmp_path / "out" / "comparison.html").read_text(encoding="utf-8")
    assert "0.610" in page and "good" in page


def test_N17_trained_on_one_centre_scored_on_another(
    call: Callable[..., int], trainings: Trainings, tmp_path: Path
) -> None:
    other = dataset(tmp_path / "elsewhere", count=12, seed=5)
    (other / "labels.csv").write_text("file,class\n" + "".join(f"i{i:02d}.png,benign\n" for i in range(12)))
    assert call("--seeds", "2", "--test-data", str(other)) == 0
    rows = document(tmp_path / "out")["rows"]
    assert [(row["recipe"], row["data"], row["dice"]["n"]) for row in rows] == [
        ("base", "discs", 6),
        ("base", "elsewhere", 12),
        ("good", "discs", 6),
        ("good", "elsewhere", 12),
    ]
    assert rows[1]["difference_to_first"] is None
    assert rows[3]["difference_to_first"]["mean"] == pytest.approx(0.1)
    assert len(trainings.started) == 4


def test_P_N10_images_of_another_dataset_that_were_trained_on_are_said(
    call: Callable[..., int], discs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = dataset(tmp_path / "elsewhere", count=12, seed=5)
    assert call("--seeds", "1", "--test-data", str(other)) == 0
    assert "flatter" not in capsys.readouterr().err
    (other / "images" / "i02.png").write_bytes((discs / "images" / "i02.png").read_bytes())
    (other / "labels.csv").write_text("file,class\n" + "".join(f"i{i:02d}.png,benign\n" for i in range(12)))
    assert call("--seeds", "1", "--test-data", str(other)) == 0
    assert "1 of 12 images of elsewhere share" in capsys.readouterr().err
    (warning,) = document(tmp_path / "out")["warnings"]
    assert warning in (tmp_path / "out" / "comparison.html").read_text(encoding="utf-8")


def test_N15_the_learning_curve_has_a_row_for_each_amount(
    call: Callable[..., int], trainings: Trainings, tmp_path: Path
) -> None:
    assert call("--seeds", "1", "--ratios", "0.05", "0.5") == 0
    assert trainings.started[0][1] == ("seed=0", "few_shot.ratio=0.05", "few_shot.seed=0")
    rows = document(tmp_path / "out")["rows"]
    assert [(row["recipe"], row["setting"], row["ratio"]) for row in rows] == [
        ("base", "5 %", 0.05),
        ("base", "50 %", 0.5),
        ("good", "5 %", 0.05),
        ("good", "50 %", 0.5),
    ]
    assert (tmp_path / "out" / "good" / "ratio-0.05" / "seed0" / "trial.json").is_file()
    assert "few-shot learning curve" in (tmp_path / "out" / "comparison.html").read_text(encoding="utf-8")


def test_N15_shots_are_images_of_each_class(call: Callable[..., int], trainings: Trainings, tmp_path: Path) -> None:
    assert call("--seeds", "1", "--shots", "1", "4") == 0
    assert trainings.started[1][1] == ("seed=0", "few_shot.per_class=4", "few_shot.seed=0")
    assert [row["setting"] for row in document(tmp_path / "out")["rows"][:2]] == ["1 shot", "4 shots"]


def test_folds_score_every_image_once(call: Callable[..., int], trainings: Trainings, tmp_path: Path) -> None:
    assert call("--seeds", "1", "--folds", "4", "--split", "test") == 0
    assert trainings.started[2][1] == ("seed=0", "fold.k=4", "fold.index=2", "fold.seed=0")
    rows = document(tmp_path / "out")["rows"]
    assert [row["dice"]["n"] for row in rows] == [24, 24]
    assert rows[1]["difference_to_first"]["n"] == 16
    assert call("--folds", "4", "--test-data", str(tmp_path / "discs")) == 2


def test_P_N10_folds_are_scored_as_they_are_trained_near_duplicates_together(
    call: Callable[..., int], discs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _with_twins(discs)
    examples, pairs = load(discs), [(n, n + 1) for n in range(0, 24, 2)]
    for looks in (True, False):
        (images,) = trial_scores.images_to_score([discs], [], split="test", folds=4, near_duplicates=looks).images
        part = {example.key: index for index, part in enumerate(images.parts) for example in part}
        assert all(part[examples[a].key] == part[examples[b].key] for a, b in pairs) == looks
        for index, scored in enumerate(images.parts):
            how: NearDuplicates = "join" if looks else "off"
            divided = divide(examples, near_duplicates=how, folds=4, index=index, seed=trials.FOLD_SEED)
            assert [e.key for e in scored] == [e.key for e in divided.examples if e.split == "test"]
    recipe(tmp_path, "good", split='{ near_duplicates = "off" }')
    assert call("--seeds", "1", "--folds", "4") == 1
    assert "make them agree" in capsys.readouterr().err
    assert call("--seeds", "1", "--folds", "4", "--set", "split.near_duplicates=off") == 0


def _with_twins(discs: Path) -> None:
    for twin in range(0, 24, 2):
        grey = cv2.imread(str(discs / "images" / f"i{twin:02d}.png"), cv2.IMREAD_GRAYSCALE)
        cv2.imwrite(str(discs / "images" / f"i{twin + 1:02d}.png"), np.clip(grey * 0.8 + 9, 0, 255).astype(np.uint8))


def test_P_N10_a_training_that_was_divided_otherwise_is_not_used_again(
    call: Callable[..., int], discs: Path, tmp_path: Path, trainings: Trainings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its recipe and its data are the same, its folds are not: it learned what would be scored."""
    _with_twins(discs)
    with monkeypatch.context() as before:
        before.setattr(trial_scores, "undeclared_twins", lambda _examples: [])
        assert call("--seeds", "1", "--folds", "4") == 0
    assert len(trainings.started) == 8
    assert call("--seeds", "1", "--folds", "4") != 0
    failed = document(tmp_path / "out")["failed"]
    assert failed and all("data that was divided otherwise" in one["reason"] for one in failed)
    assert len(trainings.started) == 8


def _finished(folder: Path, *, learned: str) -> Path:
    """Write what a trial leaves, whose model learned from the images with this fingerprint."""
    folder.mkdir(parents=True, exist_ok=True)
    encoder = EncoderConfig("usassist-lite0", (0, 1, 2, 3, 4))
    described = ModelConfig("m", "M", encoder, provenance={"data_fingerprint": learned})
    (folder / "model.json").write_text(described.to_json())
    (folder / "weights.safetensors").write_bytes(b"")
    return folder


@pytest.mark.parametrize("few", [(), ("few_shot.ratio=0.5", "few_shot.thin_val=true"), ("few_shot.per_class=1",)])
@pytest.mark.parametrize("fold", [None, (2, 4)])
def test_P_N10_what_a_trial_learns_from_is_what_a_training_stores(
    discs: Path, tmp_path: Path, few: tuple[str, ...], fold: tuple[int, int] | None
) -> None:
    _with_twins(discs)
    asked = trial_scores.images_to_score([discs], [], split="test", folds=fold[1] if fold else 0)
    trial = trials.Trial(recipe(tmp_path, "good"), trials.Setting(), 3, tmp_path / "trial", fold)
    config = read_recipe(trial.recipe, overrides=trial.overrides(few))
    examples = thinned(divided(load(discs), config).examples, config.few_shot)
    assert asked.learned(trial, config) == provenance(examples, [discs], task="segment")["data_fingerprint"]


def test_P_N10_a_model_that_learned_from_other_images_is_not_scored(discs: Path, tmp_path: Path) -> None:
    asked = trial_scores.images_to_score([discs], [], split="test", folds=4)
    trial = trials.Trial(recipe(tmp_path, "good"), trials.Setting(), 0, tmp_path / "trial", (0, 4))
    config = read_recipe(trial.recipe, overrides=trial.overrides(()))
    learned, other = asked.learned(trial, config), asked.learned(replace(trial, fold=(1, 4)), config)
    assert learned != other
    _finished(trial.folder, learned=other)
    (trial.folder / trials.TRIAL_FILE).write_text(json.dumps({"finished": True, "learned": learned}))
    with pytest.raises(TrainingError, match="learned from other images"):
        trial_scores.evaluate_trial(trial, asked.images[0], device="cpu", quiet=True)
    _finished(trial.folder, learned=learned)
    with pytest.raises(ModelError):  # it is about to be used, and is none
        trial_scores.evaluate_trial(trial, asked.images[0], device="cpu", quiet=True)


def test_P_N10_a_trial_of_an_earlier_version_is_known_by_its_model(
    call: Callable[..., int], tmp_path: Path, trainings: Trainings
) -> None:
    assert call("--seeds", "1") == 0
    path = tmp_path / "out" / "good" / "seed0" / trials.TRIAL_FILE
    now = json.loads(path.read_text())
    path.write_text(json.dumps({name: value for name, value in now.items() if name != "learned"}))
    assert call("--seeds", "1") == 0
    assert len(trainings.started) == 2
    assert json.loads(path.read_text()) == now


def test_a_recipe_with_a_fold_of_its_own_is_told_about_folds(call: Callable[..., int], tmp_path: Path) -> None:
    recipe(tmp_path, "good", fold="{ k = 4, index = 1 }")
    assert call("--seeds", "1") == 3
    assert "use --folds" in document(tmp_path / "out")["failed"][0]["reason"]
    assert call("--seeds", "1", "--folds", "4") == 0


def test_other_images_in_a_folder_of_the_same_name_are_another_question(
    call: Callable[..., int], tmp_path: Path
) -> None:
    for place in ("one", "two"):
        other = dataset(tmp_path / place / "elsewhere", count=12, seed=len(place))
        if place == "two":
            (other / "labels.csv").unlink()
        assert call("--seeds", "1", "--test-data", str(other)) == 0
    assert (tmp_path / "out" / "comparison-1.json").is_file()


def test_what_is_finished_is_kept(call: Callable[..., int], trainings: Trainings, tmp_path: Path) -> None:
    assert call("--seeds", "2") == 0
    before = document(tmp_path / "out")
    assert call("--seeds", "3") == 0
    assert [overrides for _, overrides in trainings.started[4:]] == [("seed=2",), ("seed=2",)]
    assert call("--seeds", "2") == 0
    assert len(trainings.started) == 6
    assert document(tmp_path / "out") == before


def test_another_question_in_the_same_folder_loses_no_table(
    call: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert call("--seeds", "2") == 0
    plain = {kind: (out / f"comparison.{kind}").read_bytes() for kind in ("html", "csv", "json")}
    assert call("--seeds", "2") == 0
    assert not list(out.glob("comparison-*")), "the same question again is the same comparison"
    assert call("--seeds", "2", "--ratios", "0.05", "0.5") == 0
    assert "it is kept as comparison-1.html" in capsys.readouterr().err
    assert {kind: (out / f"comparison-1.{kind}").read_bytes() for kind in plain} == plain
    assert [row["ratio"] for row in document(out)["rows"]] == [0.05, 0.5] * 2
    assert call("--seeds", "1") == 0
    assert call("--seeds", "2") == 0
    names = ["comparison"] + [f"comparison-{number}" for number in (1, 2, 3)]
    assert [json.loads((out / f"{name}.json").read_text())["asked"]["seeds"] for name in names] == [2, 2, 2, 1]
    assert call("--seeds", "1") == 0
    assert len(list(out.glob("comparison*.json"))) == 4, "an older table of the same question makes room"


def test_a_changed_recipe_that_cannot_go_on_keeps_the_table_that_was_there(
    call: Callable[..., int], tmp_path: Path
) -> None:
    assert call("--seeds", "1") == 0
    before = (tmp_path / "out" / "comparison.csv").read_bytes()
    for name in ("good", "base"):
        recipe(tmp_path, name, epochs="7")
    assert call("--seeds", "1") == 1
    assert (tmp_path / "out" / "comparison-1.csv").read_bytes() == before


def test_a_comparison_of_unknown_question_is_kept_too(call: Callable[..., int], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "comparison.json").write_text("{broken")
    assert call("--seeds", "1") == 0
    assert (tmp_path / "out" / "comparison-1.json").read_text() == "{broken"


def test_the_page_names_the_device_that_was_used(call: Callable[..., int], tmp_path: Path) -> None:
    from usassist.core.models.device import resolve

    assert call("--seeds", "1", "--device", "auto") == 0
    assert document(tmp_path / "out")["device"] == str(resolve("auto")) != "auto"


def test_an_interrupt_stops_and_the_same_command_goes_on(
    call: Callable[..., int], trainings: Trainings, tmp_path: Path
) -> None:
    trainings.interrupt_at = 3
    assert call("--seeds", "2") == 130
    assert len(trainings.started) == 3
    trainings.interrupt_at = -1
    assert call("--seeds", "2") == 0
    assert trainings.resumed == [tmp_path / "out" / "good" / "seed0"]
    assert len(trainings.started) == 4


def test_a_training_killed_before_its_first_epoch_starts_again(
    call: Callable[..., int], trainings: Trainings, tmp_path: Path
) -> None:
    trainings.fail_in = "base"
    assert call("--seeds", "1") == 3
    (tmp_path / "out" / "base" / "seed0" / "model.json").write_text("{}")
    trainings.fail_in = ""
    assert call("--seeds", "1") == 0
    assert not (tmp_path / "out" / "base" / "seed0" / "model.json").exists()


def test_a_recipe_that_fails_is_listed_and_the_rest_goes_on(
    call: Callable[..., int], trainings: Trainings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trainings.fail_in = "base"
    assert call("--seeds", "2") == 3
    found = document(tmp_path / "out")
    assert [row["recipe"] for row in found["rows"]] == ["good"]
    assert found["failed"] == [
        {"trial": "base, seed 0", "reason": "There is no such encoder."},
        {"trial": "base, seed 1", "reason": "There is no such encoder."},
    ]
    assert "base, seed 0: There is no such encoder." in capsys.readouterr().err
    page = (tmp_path / "out" / "comparison.html").read_text(encoding="utf-8")
    assert page.index("What failed") < page.index("The table")


def test_a_model_that_cannot_be_scored_is_listed(
    call: Callable[..., int], trainings: Trainings, tmp_path: Path
) -> None:
    trainings.broken_scores = "good"
    assert call("--seeds", "1") == 3
    assert document(tmp_path / "out")["failed"] == [
        {"trial": "good, seed 0 on discs", "reason": "The weights do not fit."}
    ]


def test_nothing_trained_is_status_1(call: Callable[..., int], trainings: Trainings, tmp_path: Path) -> None:
    for name in ("base", "good"):
        (tmp_path / f"{name}.toml").write_text("nonsense = 1\n")
    assert call("--seeds", "1") == 1
    assert document(tmp_path / "out")["rows"] == []


def test_another_recipe_or_other_data_do_not_mix(
    call: Callable[..., int], trainings: Trainings, tmp_path: Path, discs: Path
) -> None:
    assert call("--seeds", "1") == 0
    recipe(tmp_path, "good", epochs="7")
    assert call("--seeds", "1") == 3
    assert "another recipe" in document(tmp_path / "out")["failed"][0]["reason"]
    recipe(tmp_path, "good")
    table = discs / "labels.csv"
    table.write_text(table.read_text().replace("i00.png,normal,train", "i00.png,normal,val"))
    assert call("--seeds", "1") == 1
    assert len(trainings.started) == 2


def test_what_others_are_compared_to_can_be_named(call: Callable[..., int], tmp_path: Path) -> None:
    assert call("--seeds", "1", "--against", "good") == 0
    rows = document(tmp_path / "out")["rows"]
    assert [row["recipe"] for row in rows] == ["good", "base"]
    assert rows[1]["difference_to_first"]["mean"] == pytest.approx(-0.1)
    assert call("--against", "better") == 1


@pytest.mark.parametrize(
    "words",
    [
        ["--seeds", "0"],
        ["--ratios", "1.5"],
        ["--ratios", "0"],
        ["--shots", "0"],
        ["--ratios", "0.1", "--shots", "2"],
        ["--split", "train"],
        ["--folds", "2"],
    ],
)
def test_wrong_usage(call: Callable[..., int], words: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        call(*words)
    assert stop.value.code == 2


def test_two_folds_are_too_few_and_help_says_how_many(
    call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        call("--folds", "2")
    assert "2 is too few: at least 3" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        call("--help")
    assert "at least 3" in capsys.readouterr().out


def test_two_recipes_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="called 'a'"):
        trials.plan([tmp_path / "a.toml", tmp_path / "b" / "a.toml"], [trials.Setting()], seeds=1, out=tmp_path)


@pytest.mark.slow
def test_N18_u_net_and_resnet_train_and_stand_in_the_same_table(discs: Path, tmp_path: Path) -> None:
    recipes = paths.resources() / "recipes" / "compare"
    words = ["compare", recipes / "unet.toml", recipes / "resnet18.toml", "--data", discs, "--seeds", "2"]
    small = ["epochs=2", "batch_size=4", "preprocess.size=32", "threads=1", "head.widths=[16, 16, 8, 8]"]
    words += ["--set", *small, "--out", tmp_path / "out", "--device", "cpu", "-q"]
    assert train.main([str(word) for word in words]) == 0
    rows = document(tmp_path / "out")["rows"]
    assert [(row["recipe"], len(row["seeds"])) for row in rows] == [("unet", 2), ("resnet18", 2)]
    for row in rows:
        assert row["dice"]["n"] == 6
        assert row["dice_lesion"]["n"] == 4
        assert 0 < row["trainable"] <= row["parameters"]
        assert row["seconds_per_image"] > 0
    assert rows[1]["difference_to_first"]["n"] == 4
    one = tmp_path / "out" / "unet" / "seed0" / "evaluation" / "discs-val"
    before = (one / "report.json").stat().st_mtime_ns
    assert train.main([str(word) for word in words]) == 0
    assert (one / "report.json").stat().st_mtime_ns == before
