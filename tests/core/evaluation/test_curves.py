"""What a training wrote about its epochs."""

import json
from pathlib import Path

from usassist.core.evaluation.curves import Epoch, kept_epoch, read_epochs


def test_epochs_in_order_the_last_of_equals_and_no_broken_line(tmp_path: Path) -> None:
    lines = [
        json.dumps({"epoch": 2, "loss": 0.5, "seconds": 3.0, "val": {"score": 0.7, "n": 4}}),
        json.dumps({"epoch": 1, "loss": 0.9, "seconds": 3.5, "val": {}}),
        json.dumps({"epoch": 2, "loss": 0.4, "seconds": 2.0, "val": {"score": 0.8, "n": 4}}),
        json.dumps({"epoch": 3, "loss": None, "seconds": 2.0, "val": {}}),
        json.dumps({"epoch": 4, "loss": 0.1, "seconds": 2.0, "val": {"score": 0.0, "n": 0}}),
        "[]",
        '{"epoch": 5, "lo',
    ]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines))
    assert read_epochs(tmp_path) == (Epoch(1, 0.9, None, 3.5), Epoch(2, 0.4, 0.8, 2.0), Epoch(4, 0.1, None, 2.0))


def test_no_file_is_no_epoch(tmp_path: Path) -> None:
    assert read_epochs(tmp_path) == ()


def test_the_dice_of_masks_is_told_beside_what_chose_the_weights(tmp_path: Path) -> None:
    val = {"score": 0.7, "dice_lesion": 0.8, "n": 4}
    (tmp_path / "metrics.jsonl").write_text(json.dumps({"epoch": 1, "loss": 0.5, "seconds": 3.0, "val": val}))
    assert read_epochs(tmp_path) == (Epoch(1, 0.5, 0.7, 3.0, dice=0.8),)


def test_kept_is_the_first_of_the_best_score_though_another_has_the_better_dice() -> None:
    scored = (Epoch(1, 1.0, 0.9, 1.0, dice=0.8), Epoch(2, 1.0, 0.9, 1.0, dice=0.95), Epoch(3, 1.0, 0.2, 1.0, dice=0.9))
    assert kept_epoch(scored) == scored[0]
    unscored = (Epoch(1, 1.0, None, 1.0), Epoch(2, 1.0, None, 1.0))
    assert kept_epoch(unscored) == unscored[1], "without validation the latest is the best guess"
    assert kept_epoch(()) is None


def test_kept_is_what_the_training_says_it_kept() -> None:
    epochs = (
        Epoch(1, 1.0, 0.9, 1.0, kept=True),
        Epoch(2, 1.0, 0.3, 1.0, kept=True),
        Epoch(3, 1.0, 0.5, 1.0, kept=False),
    )
    assert kept_epoch(epochs) == epochs[1]
    assert kept_epoch(epochs[2:]) is None, "no score was finite yet"
