"""The cine bar keeps the file's pace by dropping frames, and stays in step with the document."""

import pytest

from usassist.gui.commands import label as label_commands
from usassist.gui.docks.cine import CineBar


@pytest.fixture
def bar(document, qtbot) -> CineBar:
    bar = CineBar(document)
    qtbot.addWidget(bar)
    return bar


@pytest.fixture
def cine(bar: CineBar, document, show) -> CineBar:
    show(document, 3)
    return bar


def test_stills_hide_it(bar: CineBar, document, show) -> None:
    assert bar.isHidden()
    bar.toggle_play()
    assert not bar.is_playing
    show(document, 3)
    assert not bar.isHidden()
    show(document, 0)
    assert bar.isHidden()


def test_it_says_where_in_the_clip_it_is(cine: CineBar, document, show) -> None:
    show(document, 3, 5)
    assert cine.frame_text.text() == "6 / 12"
    assert cine.time_text.text() == "0.20 s"
    assert cine.pace_text.text() == "25 fps"
    assert cine.slider.value() == 5


def test_the_slider_goes_to_a_frame(cine: CineBar, document, qtbot) -> None:
    with qtbot.waitSignal(document.frame_shown):
        cine.slider.setValue(7)
    assert document.ref.index == 7
    assert cine.frame_text.text() == "8 / 12"


def test_frames_are_due_by_the_clock(cine: CineBar) -> None:
    assert cine.frame_time_ms == 40
    assert [cine.due_index(ms) for ms in (0, 39, 40, 200, 479)] == [0, 0, 1, 5, 11]
    assert cine.due_index(480) == 0
    assert cine.due_index(480 * 3 + 80) == 2
    cine.loop_button.setChecked(False)
    assert cine.due_index(480) is None


def test_playing_asks_for_the_frame_that_is_due_and_drops_the_others(cine: CineBar, document, monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(document, "seek", asked.append)
    cine.play()
    monkeypatch.setattr(cine, "_clock", Clock(330))
    cine._on_tick()
    assert asked == [8]
    monkeypatch.setattr(type(document), "ref", property(lambda _self: None))
    cine._on_tick()
    assert asked == [8]  # frame 8 has not arrived: nothing is queued behind it
    cine.pause()


def test_pointing_at_the_picture_pauses(cine: CineBar, document) -> None:
    cine.play()
    document.pointing_begun.emit()
    assert not cine.is_playing


class Clock:
    """A clock that stands still."""

    def __init__(self, elapsed: int) -> None:
        self._elapsed = elapsed

    def elapsed(self) -> int:
        return self._elapsed

    def start(self) -> None:
        self._elapsed = 0


def test_without_a_loop_it_stops_on_the_last_frame(cine: CineBar, document, monkeypatch, qtbot) -> None:
    cine.loop_button.setChecked(False)
    cine.play()
    assert cine.is_playing
    monkeypatch.setattr(cine, "_clock", Clock(100_000))
    with qtbot.waitSignal(document.frame_shown):
        cine._on_tick()
    assert not cine.is_playing
    assert document.ref.index == 11
    monkeypatch.undo()
    cine.play()
    assert cine.due_index(0) == 0
    cine.pause()


def test_it_really_plays(cine: CineBar, document, qtbot, monkeypatch) -> None:
    seen = []
    document.frame_shown.connect(lambda frame: seen.append(frame.ref.index))
    clock = Clock(0)
    clock.elapsed = lambda: 40 * (len(seen) + 1)  # each frame arrives when the next is due
    monkeypatch.setattr(cine, "_clock", clock)
    cine.toggle_play()
    assert cine.play_button.accessibleName() == "Pause"
    qtbot.waitUntil(lambda: len(seen) >= 3)
    cine.toggle_play()
    assert not cine.is_playing
    assert seen[:3] == [1, 2, 3]


def test_another_file_stops_it(cine: CineBar, document, show) -> None:
    cine.play()
    show(document, 0)
    assert not cine.is_playing


def test_annotated_frames_have_ticks_that_stay(cine: CineBar, document, show) -> None:
    show(document, 3, 4)
    label_commands.nothing_to_segment(document)
    assert cine.slider.ticks == {4: "accepted"}
    show(document, 3, 6)
    label_commands.unusable(document)
    assert cine.slider.ticks == {4: "accepted", 6: "unusable"}
    show(document, 0)
    show(document, 3)
    assert cine.slider.ticks == {4: "accepted", 6: "unusable"}
    show(document, 3, 6)
    document.undo_stack.undo()
    assert cine.slider.ticks == {4: "accepted"}
    cine.resize(800, 40)
    cine.grab()
