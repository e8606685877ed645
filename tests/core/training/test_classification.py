"""Supervised classification: it learns, what is saved is what was measured, and train and inference agree."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from usassist.core.cli.main import main
from usassist.core.data.dataset import load
from usassist.core.errors import TrainingError
from usassist.core.geometry.cv import cv2
from usassist.core.metrics.ranking import auc
from usassist.core.models.config import Calibration, ModelConfig
from usassist.core.models.weights import load_model
from usassist.core.training import classification
from usassist.core.training.config import read_recipe
from usassist.core.training.distributed import Shard
from usassist.core.training.run import train
from usassist.core.training.sections import ClassifyConfig


@pytest.fixture
def phantoms(tmp_path) -> Path:
    """Return 96 lesions in speckle, a third for the test: benign ones enhance what lies below, malignant shadow it."""
    rng = np.random.default_rng(3)
    root = tmp_path / "phantoms"
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    rows = ["file,class,split"]
    for index in range(96):
        tissue = rng.gamma(4.0, 25.0, (48, 48))
        mask = np.zeros((48, 48), np.uint8)
        x, y = (int(value) for value in rng.integers(16, 32, 2))
        cv2.ellipse(mask, (x, y), (10, 7), float(rng.uniform(-30, 30)), 0, 360, 255, -1)
        tissue[y:, x - 8 : x + 8] *= 1.8 if index % 2 else 0.35
        tissue[mask > 0] *= 0.2
        cv2.imwrite(str(root / "images" / f"p{index:03d}.png"), tissue.clip(0, 255).astype(np.uint8))
        cv2.imwrite(str(root / "masks" / f"p{index:03d}.png"), mask)
        split = ("train", "train", "train", "val", "test", "test")[index // 2 % 6]
        rows.append(f"p{index:03d}.png,{'benign' if index % 2 else 'malignant'},{split}")
    (root / "labels.csv").write_text("\n".join(rows) + "\n")
    return root


def run_folder(recipe: Path, data: Path, out: Path, *overrides: str) -> Path:
    return train(recipe, [data], out, task="classify", overrides=list(overrides), device="cpu").folder


def evaluated(data: Path, model: Path, out: Path, split: str) -> dict:
    assert (
        main(["evaluate", "-q", "--data", str(data), "--split", split, "--model", str(model), "--out", str(out)]) == 0
    )
    return json.loads((out / "report.json").read_text())


@pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
def test_N12_two_classes_of_phantoms_are_told_apart_and_the_saved_model_says_the_same(
    loss, tiny_recipe, phantoms, tmp_path
) -> None:
    overrides = ("epochs=12", "batch_size=16", f"classify.loss={loss}")
    run = run_folder(tiny_recipe, phantoms, tmp_path / "run", *overrides)
    config = ModelConfig.read(run)
    assert (config.task, config.classes) == ("classify", ("benign", "malignant"))
    assert config.calibration.link == ("sigmoid" if loss == "focal" else "softmax")
    test = evaluated(phantoms, run, tmp_path / "test", "test")
    assert test["classification"]["auc"] >= 0.95
    assert test["classification"]["ci95"][0] > 0.7
    assert test["classification"]["n"] == {"benign": 16, "malignant": 16}
    assert test["class_judge"]["by"] == "trained"
    assert test["dice"]["mean"] is None  # no mask was asked for
    lines = [json.loads(line)["val"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    best = max(lines, key=lambda line: line["auc"])
    again = evaluated(phantoms, run, tmp_path / "val", "val")["classification"]
    assert again["auc"] == pytest.approx(best["auc"], abs=1e-9)
    assert again["accuracy"] == pytest.approx(best["accuracy"], abs=1e-9)


def test_P_N12_what_is_trained_is_what_is_inferred() -> None:
    # Logits whose softmax and whose sigmoids rank two images differently: the link decides, and it follows the loss.
    first, second = [3.0, 3.5], [-3.0, -2.4]
    focal = Calibration(link=classification.link_of(ClassifyConfig(loss="focal")))
    plain = Calibration(link=classification.link_of(ClassifyConfig()))
    assert plain.class_probabilities(first)[1] < plain.class_probabilities(second)[1]
    assert focal.class_probabilities(first)[1] < 0.51 < focal.class_probabilities(second)[1]
    assert plain.class_probabilities(first)[1] > 0.6
    # Where the focal loss is least, the sigmoids are the truth: nothing is left to the softmax.
    logits = torch.tensor([[12.0, -12.0]])
    assert float(classification.class_loss(logits, torch.tensor([0]), ClassifyConfig(loss="focal"))) < 1e-6
    assert focal.class_probabilities(logits[0].tolist())[0] == pytest.approx(1.0, abs=1e-4)


def test_P_N12_a_validation_metric_of_zero_is_still_saved(tiny_recipe, phantoms, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(
        classification, "class_scores", lambda *_: {"auc": 0.0, "balanced_accuracy": 0.0, "accuracy": 0.0, "n": 8.0}
    )
    run = run_folder(tiny_recipe, phantoms, tmp_path / "run", "epochs=2")
    model, _ = load_model(str(run))
    assert model.config.classes == ("benign", "malignant")


def test_P_N12_selection_is_not_by_accuracy_on_unbalanced_data() -> None:
    labels = np.array([0] * 9 + [1])
    always_benign = np.tile([0.9, 0.1], (10, 1))
    scores = classification.class_scores(always_benign, labels)
    assert scores["accuracy"] == 0.9
    assert scores["balanced_accuracy"] == 0.5
    assert scores["auc"] == 0.5
    assert "auc" not in classification.class_scores(always_benign[:9], labels[:9])


def test_the_focal_loss_is_the_published_one() -> None:
    logits = torch.tensor([[0.3, -1.2, 2.0], [0.0, 0.5, -0.5]], dtype=torch.float64)
    labels = torch.tensor([2, 0])
    p = logits.sigmoid()
    expected = []
    for row, label in zip(p, labels, strict=True):
        total = 0.0
        for index, value in enumerate(row.tolist()):
            truth = value if index == label else 1 - value
            total += (1 - truth) ** 2 * -np.log(truth)
        expected.append(total)
    found = classification.class_loss(logits, labels, ClassifyConfig(loss="focal", gamma=2.0))
    assert found.tolist() == pytest.approx(expected)
    plain = classification.class_loss(logits, labels, ClassifyConfig(loss="focal", gamma=0.0))
    bce = F.binary_cross_entropy_with_logits(logits, F.one_hot(labels, 3).double(), reduction="none").sum(1)
    assert plain.tolist() == pytest.approx(bce.tolist())


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_the_focal_loss_of_sure_answers_has_finite_gradients(gamma: float) -> None:
    """A power below 1 has an infinite gradient at 0, where every well-learned image ends."""
    logits = torch.tensor([[20.0, -20.0], [-20.0, 20.0], [0.0, 200.0]], requires_grad=True)
    classification.class_loss(
        logits, torch.tensor([0, 0, 1]), ClassifyConfig(loss="focal", gamma=gamma)
    ).sum().backward()
    assert logits.grad is not None and bool(logits.grad.isfinite().all())
    assert logits.grad[1, 0] < -0.9 and logits.grad[1, 1] > 0.9  # what is surely wrong is still pulled back


def test_balanced_weights_let_every_class_count_the_same() -> None:
    weights = classification.class_weights(np.array([30, 10]), ClassifyConfig())
    assert (weights * [30, 10]).tolist() == pytest.approx([20, 20])
    assert classification.class_weights(np.array([30, 10]), ClassifyConfig(weights="none")).tolist() == [1, 1]


def test_classes_come_from_the_training_labels_in_the_recipes_order(tiny_recipe, discs) -> None:
    examples = load(discs)
    assert classification.classes(examples, read_recipe(tiny_recipe)) == ("benign", "normal")
    config = read_recipe(tiny_recipe, overrides=['classes=["normal", "benign"]'])
    assert classification.classes(examples, config) == ("normal", "benign")
    with pytest.raises(TrainingError, match="found benign"):
        classification.classes(examples, read_recipe(tiny_recipe, overrides=['classes=["benign", "cyst"]']))


def test_the_test_split_is_never_opened(tiny_recipe, phantoms, tmp_path) -> None:
    for path in (phantoms / "images").glob("*.png"):
        if (int(path.stem[1:]) // 2) % 6 >= 4:
            path.write_bytes(b"\x89PNG\r\n\x1a\n broken")
    result = train(tiny_recipe, [phantoms], tmp_path / "run", task="classify", overrides=["epochs=1"], device="cpu")
    assert not result.failed


def test_a_temperature_is_fitted_on_validation_images(tiny_recipe, phantoms, tiny_towers) -> None:
    logits = np.array([[8.0, 0.0]] * 9 + [[8.0, 0.0]])
    labels = np.array([0] * 9 + [1])
    for link in ("softmax", "sigmoid"):
        temperature = classification.fitted_temperature(logits, labels, Calibration(link=link))
        cooled = Calibration(link=link, temperature=temperature).class_probabilities([8.0, 0.0])[0]
        uncooled = Calibration(link=link).class_probabilities([8.0, 0.0])[0]
        assert abs(cooled - 0.9) <= abs(uncooled - 0.9) + 1e-9
    with pytest.raises(TrainingError, match="names no classes"):
        towers, _ = load_model(str(tiny_towers))
        classification.build(read_recipe(tiny_recipe), towers, load(phantoms), shard=Shard())


def test_auc_of_the_task_is_the_metrics_auc() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(2), 30)
    labels = rng.integers(0, 2, 30)
    assert classification.class_scores(probabilities, labels)["auc"] == pytest.approx(
        auc(probabilities[:, 1], labels == 1)
    )


def test_a_classifier_that_diverged_is_never_the_best_and_stops_nothing(tiny_recipe, phantoms, tmp_path) -> None:
    run = run_folder(tiny_recipe, phantoms, tmp_path / "run", "epochs=1")
    model, _ = load_model(str(run))
    task = classification.build(read_recipe(tiny_recipe), model, load(phantoms), shard=Shard())
    with torch.no_grad():
        next(model.head.parameters()).fill_(float("nan"))
    scores = task.validate(model)
    assert np.isnan(scores["score"])
    assert scores["n"] == 16
