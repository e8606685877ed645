"""The files panel shows how far every file is, finds files at once, and stays in step with the document."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QApplication

from usassist.core.domain import Source
from usassist.gui.commands import label as label_commands
from usassist.gui.docks.files import FilesDock, FilesModel
from usassist.gui.docks.rows import ROW_ROLE


@pytest.fixture
def dock(document, qtbot) -> FilesDock:
    dock = FilesDock(document)
    qtbot.addWidget(dock)
    return dock


def test_rows_are_the_sources_in_their_order(dock: FilesDock, document) -> None:
    names = [dock.model.index(row).data() for row in range(dock.model.rowCount())]
    assert names == ["still1.png", "still2.png", "still10.png", "z-cine.dcm"]
    assert dock.view.currentIndex().row() == document.source_index == 0
    assert dock.view.uniformItemSizes()


def test_choosing_a_row_shows_the_file_once(dock: FilesDock, document, qtbot, monkeypatch) -> None:
    shown = []
    real = document.show
    monkeypatch.setattr(document, "show", lambda index, *rest: (shown.append(index), real(index, *rest)))
    with qtbot.waitSignal(document.frame_shown):
        dock.view.setCurrentIndex(dock.model.index(2))
    assert shown == [2]
    assert document.source_index == 2


def test_the_row_follows_the_document_without_asking_again(dock: FilesDock, document, show, monkeypatch) -> None:
    show(document, 1)
    assert dock.view.currentIndex().row() == 1
    monkeypatch.setattr(document, "show", lambda *_: pytest.fail("the panel asked for a file on its own"))
    dock.search_field.setText("still")
    dock.search_field.setText("")
    assert dock.view.currentIndex().row() == 1


def test_search_takes_words_in_any_order_and_case(dock: FilesDock) -> None:
    dock.search_field.setText("PNG still1")
    assert [dock.model.index(row).data() for row in range(dock.model.rowCount())] == ["still1.png", "still10.png"]
    dock.search_field.setText("nothing like it")
    assert dock.model.rowCount() == 0
    assert "No file matches" in dock.empty.text
    assert dock._stack.currentWidget() is dock.empty


def test_a_search_shows_its_results_from_the_top(document, qtbot, tmp_path) -> None:
    many = tuple(Source(f"s{n}", tmp_path / f"f{n}.png", f"f{n}.png", 1, 1) for n in range(300))
    stub = SimpleNamespace(
        sources=many,
        source_index=150,
        failure_of=lambda _key: None,
        status_of=lambda _key: "untouched",
        warning_about=lambda _key: "",
    )
    dock = FilesDock(document)
    qtbot.addWidget(dock)
    dock.resize(300, 400)
    dock.show()
    dock.model._document = stub
    dock.model.reload()
    dock.view.scrollTo(dock.model.index(150))
    dock.search_field.setText("f2")
    assert dock.view.verticalScrollBar().value() == 0
    assert dock.model.rowCount() > 20


def test_enter_in_the_search_opens_the_first_result_and_marks_it(dock: FilesDock, document, qtbot) -> None:
    dock.show()
    dock.search_field.setFocus()
    dock.search_field.setText("still10")
    with qtbot.waitSignal(document.frame_shown):
        qtbot.keyClick(dock.search_field, Qt.Key.Key_Return)
        dock.view.setCurrentIndex(dock.model.index(0))
        dock.view.selectionModel().clearSelection()
    assert document.source_index == 2
    assert dock.view.selectionModel().isSelected(dock.model.index(0))


def test_a_row_found_by_search_shows_the_right_file(dock: FilesDock, document, qtbot) -> None:
    dock.search_field.setText("cine")
    with qtbot.waitSignal(document.frame_shown):
        dock.view.setCurrentIndex(dock.model.index(0))
    assert document.source_index == 3


def test_status_and_progress_follow_the_work(dock: FilesDock, document) -> None:
    spoken = Qt.ItemDataRole.AccessibleTextRole
    assert dock.model.index(0).data(spoken) == "still1.png, to do"
    assert dock.progress_text.text() == "0 of 4 frames annotated"
    label_commands.nothing_to_segment(document)
    assert dock.model.index(0).data(spoken) == "still1.png, accepted"
    assert dock.progress_text.text() == "1 of 4 frames annotated"
    assert dock.progress_bar.value() == 1
    label_commands.toggle_flag(document)
    assert dock.model.index(0).data(spoken) == "still1.png, accepted, flagged"
    document.undo_stack.undo()
    document.undo_stack.undo()
    assert dock.model.index(0).data(spoken) == "still1.png, to do"
    assert dock.progress_text.text() == "0 of 4 frames annotated"


def test_what_cannot_be_read_says_why(dock: FilesDock, document, images, qtbot) -> None:
    (images / "still10.png").write_bytes(b"")
    with qtbot.waitSignal(document.frame_failed):
        document.show(2)  # the next one, 1, was decoded ahead
    row = dock.model.index(2).data(ROW_ROLE)
    reason = document.failure_of(document.sources[2].key)
    assert reason
    assert (row.trailing, row.trailing_tone) == ("cannot be read", "danger")
    assert reason in row.tip and reason in row.spoken
    assert dock.view.currentIndex().row() == 2


def test_without_files_it_says_what_to_do(make_document, qtbot) -> None:
    dock = FilesDock(make_document())
    qtbot.addWidget(dock)
    assert "Ctrl+O" in dock.empty.text
    assert "Drop" in dock.empty.text
    assert dock._footer.isHidden()


class ManyFiles(QObject):
    """A document of 10,000 sources that counts what it is asked."""

    opened = Signal()
    frame_loading = Signal()
    frame_shown = Signal(object)
    frame_failed = Signal(str, str)
    source_state_changed = Signal(str)
    annotation_changed = Signal(str)
    source_index = 0
    annotation = None

    def __init__(self) -> None:
        super().__init__()
        folder = SimpleNamespace()
        names = (f"patient {n // 100:03d}/frame {n:05d}.png" for n in range(10_000))
        self.sources = tuple(Source(f"key-{n}", folder, name, 1) for n, name in enumerate(names))
        self.asked = 0

    def status_of(self, _key: str) -> str:
        self.asked += 1
        return "untouched"

    def failure_of(self, _key: str) -> None:
        return None

    def warning_about(self, _key: str) -> str:
        return ""

    def counts(self) -> tuple[int, int]:
        return 12, 10_000


def test_ten_thousand_files_are_asked_about_only_when_painted(qtbot) -> None:
    document = ManyFiles()
    dock = FilesDock(document)
    qtbot.addWidget(dock)
    dock.resize(300, 600)
    dock.grab()
    assert dock.model.rowCount() == 10_000
    assert document.asked < 400
    assert dock.progress_text.text() == "12 of 10\u202f000 frames annotated"
    before = document.asked
    dock.search_field.setText("patient 042 17")
    assert dock.model.rowCount() > 0
    assert document.asked - before < 400


def test_the_model_translates_positions(qtbot) -> None:
    model = FilesModel(ManyFiles())
    model.reload()
    model.search("frame 00777")
    assert model.rowCount() == 1
    assert model.source_index(0) == 777
    assert model.row_of(777) == 0
    assert model.row_of(778) == -1


def test_a_file_that_is_unlike_the_training_images_says_so(dock: FilesDock, document, engine, show, qtbot) -> None:
    engine.warning = "Unlike the images this model was trained on; check everything it says."
    show(document, 1)
    qtbot.waitUntil(lambda: document.warning != "")
    ordinary, strange = (dock.model.index(row).data(ROW_ROLE) for row in (0, 1))
    assert ordinary.trailing_icon == "" and "unlike" not in ordinary.spoken
    assert strange.trailing_icon == "ph.warning-circle-fill"
    assert "unlike the training images" in strange.spoken
    assert engine.warning in strange.tip


def test_a_row_is_one_line_that_names_the_folder(dock: FilesDock, document, monkeypatch) -> None:
    row = dock.model.index(0).data(ROW_ROLE)
    assert (row.title, row.subtitle, row.trailing) == ("still1.png", "", "")
    assert row.tip == "still1.png\nTo do", "the icon's meaning in words"
    source = replace(document.sources[0], relative="patient 7/left/a.png")
    row = dock.model._row(source)
    assert (row.title, row.trailing, row.trailing_tone) == ("a.png", "patient 7/left", "faint")
    assert row.spoken == "a.png, to do, patient 7/left"
    label_commands.toggle_flag(document)
    row = dock.model.index(0).data(ROW_ROLE)
    assert (row.trailing_icon, row.trailing_icon_tone) == ("ph.flag-fill", "warning")
    assert row.tip == "still1.png\nTo do\nFlagged for another look"


def test_the_search_stands_in_the_title_among_tabs_too(dock: FilesDock, qtbot) -> None:
    bar = dock.titleBarWidget()
    assert bar.isAncestorOf(dock.search_field)
    bar.set_tabbed(True)
    dock.resize(300, 240)
    dock.show()
    QApplication.processEvents()
    assert dock.search_field.isVisible()
    assert bar.maximumHeight() > dock.search_field.height() >= dock.search_field.minimumSizeHint().height()
    assert dock.search_field.width() > 200
