"""The engine in its child process: the window goes on whatever happens to it, and never imports torch."""

import csv
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from usassist.gui.document.proposing import start_remote


def test_a_killed_engine_is_one_message_and_starts_again(sit_down: Callable, images: Path, qtbot: QtBot) -> None:
    hand = sit_down(engine="classical", device="cpu", start_engine=start_remote)
    document = hand.document
    hand.open(images)
    qtbot.waitUntil(lambda: document.engine_state == "ready")
    # What looks at the next frame has done so: else it would be the one that finds the engine dead.
    document.lane_io.drain()
    document.lane_inference.drain()
    process = document._proposing._proposer._process
    process.kill()
    process.join()
    with qtbot.waitSignal(document.message) as told:
        hand.key(Qt.Key.Key_I)
    assert "stopped unexpectedly" in told.args[0]
    hand.key(Qt.Key.Key_B)
    hand.window.tools["brush"].size.radius = 2
    hand.drag((50, 8), (55, 10))
    assert document.annotation.regions
    with qtbot.waitSignal(document.proposals_changed):
        hand.key(Qt.Key.Key_I)
    assert document._proposing._proposer._process.pid != process.pid


WORK = """
import sys
from pathlib import Path
from PySide6.QtCore import QTimer
from usassist.gui.app import make_app
from usassist.gui.document import Document
from usassist.gui.main_window import MainWindow
from usassist.gui.settings import Settings

def main():
    app = make_app()
    document = Document(engine="classical", device="cpu")
    window = MainWindow(document, settings=Settings(engine="classical", device="cpu"))
    window.show()

    def look():
        if document.engine_state == "ready":
            app.quit()
            window.preferences.edit()
            window.bindings["about"].trigger()
            print(sorted({"torch", "open_clip", "timm", "usassist.core.cli.main"} & set(sys.modules)))

    document.engine_changed.connect(look)
    window.open_paths([Path(sys.argv[1])])
    app.exec()
    document.close()

if __name__ == "__main__":
    main()
"""


def test_the_window_never_imports_torch_while_it_works(images: Path, tmp_path: Path) -> None:
    script = tmp_path / "work.py"
    script.write_text(WORK, "utf-8")
    done = subprocess.run(
        [sys.executable, str(script), str(images)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.data
def test_the_shipped_model_proposes_on_a_real_lesion(sit_down: Callable, data_root: Path, qtbot: QtBot) -> None:
    hand = sit_down(device="cpu", start_engine=start_remote)
    with (data_root / "busi" / "labels.csv").open(encoding="utf-8") as table:
        name = next(row["file"] for row in csv.DictReader(table) if row["class"] == "benign")
    hand.open(data_root / "busi" / "images" / name)
    hand.wait_for_proposal()
    proposal = hand.document.proposals[0]
    assert proposal.engine == "clip_mona"
    assert proposal.mask.shape == hand.document.frame.shape
    hand.key(Qt.Key.Key_Return)
    assert hand.document.annotation.regions[0].mask == proposal.mask
