"""What a person accepts in the window is what a model is trained on, and the new model is there to choose."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from usassist.core import paths
from usassist.core.data.dataset import load
from usassist.core.models.adding import add_model
from usassist.core.models.weights import list_models

_QUICK = [
    "epochs=1",
    "batch_size=2",
    "threads=1",
    "preprocess.size=64",
    "encoder.imagenet_start=false",
    "early_size=0",
    "frozen_stages=0",
    "head.widths=[8, 8, 8]",
]


@pytest.fixture
def annotated(sit_down: Callable, images: Path) -> Path:
    """Annotate the stills (the last as having nothing) and two frames of the cine, save, quit; return the project."""
    hand = sit_down()
    hand.open(images)
    for source, frame in ((0, 0), (1, 0), (3, 2), (3, 5)):
        if (hand.document.source_index, hand.document.ref.index) != (source, frame):
            hand.show(source, frame)
        hand.wait_for_proposal()
        hand.key(Qt.Key.Key_Return)
        assert hand.document.annotation.status == "accepted"
    hand.show(2)
    hand.wait_for_proposal()
    hand.key(Qt.Key.Key_N)
    hand.show(3, 7)  # seen, never decided: not a truth
    root = hand.document.project.root
    hand.close()
    return root


def test_accepted_frames_and_nothing_else_become_examples(annotated: Path, images: Path) -> None:
    examples = load(annotated)
    assert sorted((Path(e.source.relative).name, e.frame) for e in examples) == [
        ("still1.png", 0),
        ("still10.png", 0),
        ("still2.png", 0),
        ("z-cine.dcm", 2),
        ("z-cine.dcm", 5),
    ]
    for example in examples:
        grey = example.read_grey()
        truth = example.read_truth(grey.shape)
        if example.class_name == "normal":
            assert Path(example.source.relative).name == "still10.png"
            assert not truth.any()
        else:
            assert np.median(grey[truth]) < 60 < np.median(grey[~truth])
    frames_of_the_cine = {e.group for e in examples if e.source.relative.endswith(".dcm")}
    assert len(frames_of_the_cine) == 1


def test_a_model_trained_on_the_project_can_be_chosen_in_the_window(
    annotated: Path, images: Path, tmp_path: Path, sit_down: Callable, qtbot: QtBot
) -> None:
    from usassist.core.training.run import train

    recipe = paths.resources() / "recipes" / "usassist-us.toml"
    run = train(recipe, [annotated], tmp_path / "run", task="segment", overrides=_QUICK, device="cpu")
    assert run.epochs == 1
    assert not run.failed
    add_model(run.folder, name="from-my-own-frames")
    assert "from-my-own-frames" in [info.name for info in list_models()]

    hand = sit_down()
    hand.open(images)
    hand.document.set_engine("clip_mona", "from-my-own-frames")
    assert hand.document.model_name == "from-my-own-frames"
