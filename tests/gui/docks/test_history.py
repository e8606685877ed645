"""The history panel lists the steps of the frame on screen and goes to any of them."""

from usassist.gui.commands import label as label_commands
from usassist.gui.docks.history import HistoryDock


def test_steps_follow_the_frame(document, show, qtbot) -> None:
    dock = HistoryDock(document)
    qtbot.addWidget(dock)
    label_commands.toggle_flag(document)
    label_commands.nothing_to_segment(document)
    model = dock.view.model()
    words = [model.index(row, 0).data() for row in range(model.rowCount())]
    assert words == ["As opened", "Flag the frame", "Nothing to segment"]
    dock.view.setCurrentIndex(model.index(0, 0))
    assert document.annotation.status == "untouched"
    assert not document.annotation.flagged
    dock.resize(260, 200)
    dock.grab()
    show(document, 1)
    assert dock.view.model().rowCount() == 1
    show(document, 0)
    assert dock.view.model().rowCount() == 3
