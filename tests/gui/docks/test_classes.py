"""The classes panel: prompts are worded in place, numbers follow, and what is not known is said."""

from collections.abc import Callable
from typing import Any

import pytest
from PySide6.QtCore import QEvent, QModelIndex, QPoint, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit
from pytestqt.qtbot import QtBot

from usassist.core.captions.vocabulary import load_vocabulary
from usassist.core.errors import ModelError
from usassist.gui.docks.class_questions import Questions, title
from usassist.gui.docks.classes import NOT_A_DIAGNOSIS, ClassesDock
from usassist.gui.settings import Settings, Wording

TWO = Wording("own", (("benign", ("smooth oval mass",)), ("malignant", ("spiculated mass", "shadowing"))))


@pytest.fixture
def make_dock(qtbot: QtBot) -> Callable[..., ClassesDock]:
    def make(document: Any, *, read: bool = True, settings: Settings | None = None) -> ClassesDock:
        dock = ClassesDock(document, settings=settings or Settings(question="own", wordings=(TWO,)))
        qtbot.addWidget(dock)
        dock.resize(300, 360)
        dock.show()
        qtbot.waitUntil(lambda: dock.questions.is_filled)
        if read:
            qtbot.waitUntil(lambda: dock.reading is not None)
        return dock

    return make


def row(dock: ClassesDock, number: int, child: int | None = None) -> QModelIndex:
    index = dock.tree.model().index(number, 0)
    return index if child is None else dock.tree.model().index(child, 0, index)


def begin(dock: ClassesDock, index: QModelIndex) -> QLineEdit:
    dock.tree.setExpanded(index.parent(), True)
    dock.tree.setCurrentIndex(index)
    dock.tree.edit_chosen()
    return dock.tree.findChild(QLineEdit)


def spoken(dock: ClassesDock, index: QModelIndex) -> str:
    return index.data(Qt.ItemDataRole.AccessibleTextRole)


def test_N11_classes_have_probabilities_and_prompts_similarities(make_dock, document) -> None:
    dock = make_dock(document)
    shares = dock.reading.probabilities
    assert spoken(dock, row(dock, 0)) == f"benign, probability {shares['benign']:.0%}".replace("%", " %")
    similarity = dock.reading.similarities["malignant", "shadowing"]
    assert spoken(dock, row(dock, 1, 1)) == f"shadowing, similarity {similarity:.3f}"
    assert dock.caveat_text.text() == f"{NOT_A_DIAGNOSIS} · usassist-us"
    assert "not validated" in " ".join(dock.caveat_text.toolTip().split())
    assert "ffffffff" in dock.state_text.text()


def test_N11_words_count_letter_by_letter_and_esc_takes_them_back(make_dock, document, qtbot: QtBot) -> None:
    dock = make_dock(document)
    before = dict(dock.reading.probabilities)
    editor = begin(dock, row(dock, 0, 0))
    QTest.keyClicks(editor, "fatty")
    qtbot.waitUntil(lambda: ("benign", "fatty") in dock.reading.similarities)
    assert dict(dock.reading.probabilities) != before
    assert dock.question_box.currentText() == "Own classes · edited"
    QTest.keyClick(editor, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: ("benign", "smooth oval mass") in dock.reading.similarities)
    assert dict(dock.reading.probabilities) == pytest.approx(before)


def test_N11_an_editor_keeps_the_keys_that_steer_the_picture(make_dock, document) -> None:
    dock = make_dock(document)
    editor = begin(dock, row(dock, 0, 0))
    for key in (Qt.Key.Key_Return, Qt.Key.Key_Escape, Qt.Key.Key_Backspace, Qt.Key.Key_Left, Qt.Key.Key_Delete):
        event = QKeyEvent(QEvent.Type.ShortcutOverride, key, Qt.KeyboardModifier.NoModifier)
        event.ignore()
        QApplication.sendEvent(editor, event)
        assert event.isAccepted(), key


def test_N11_prompts_and_classes_are_added_and_removed(make_dock, document, qtbot: QtBot) -> None:
    dock = make_dock(document)
    dock.tree.setCurrentIndex(row(dock, 0))
    dock.tree.add_prompt()
    editor = dock.tree.findChild(QLineEdit)
    QTest.keyClicks(editor, "thin  capsule ")
    with qtbot.waitSignal(dock.settings_changed):
        QTest.keyClick(editor, Qt.Key.Key_Return)
    assert dict(dock.questions.classes)["benign"] == ("smooth oval mass", "thin capsule")
    dock.tree.add_class()
    editors = dock.tree.findChildren(QLineEdit)
    QTest.keyClicks(editors[-1], "benign")
    with qtbot.waitSignal(dock.settings_changed):
        QTest.keyClick(editors[-1], Qt.Key.Key_Return)
    assert [name for name, _prompts in dock.questions.classes] == ["benign", "malignant", "benign 2"]
    dock.tree.setCurrentIndex(row(dock, 2))
    dock.tree.remove_chosen()
    dock.tree.setCurrentIndex(row(dock, 1, 0))
    dock.tree.remove_chosen()
    qtbot.waitUntil(lambda: ("malignant", "spiculated mass") not in dock.reading.similarities)
    assert dock.questions.classes == (("benign", ("smooth oval mass", "thin capsule")), ("malignant", ("shadowing",)))


def test_what_is_left_empty_goes_away(make_dock, document, qtbot: QtBot) -> None:
    dock = make_dock(document)
    dock.tree.add_prompt()
    with qtbot.waitSignal(dock.settings_changed):
        QTest.keyClick(dock.tree.findChild(QLineEdit), Qt.Key.Key_Escape)
    assert dock.tree.classes() == TWO.classes
    assert dock.tree.model().rowCount(row(dock, 0)) == 1


def test_N11_one_class_alone_is_no_question(make_dock, document, qtbot: QtBot) -> None:
    dock = make_dock(document)
    dock.tree.setCurrentIndex(row(dock, 0))
    dock.tree.remove_chosen()
    qtbot.waitUntil(lambda: dock.reading is None)
    assert dock.state_text.text() == "Two classes with a prompt each are needed"
    assert dock.state_text.property("role") == "warning"


def test_N11_questions_are_the_vocabularys_and_go_back_to_it(make_dock, document, qtbot: QtBot) -> None:
    dock = make_dock(document, settings=Settings())
    assert set(dock.questions.names) == {*load_vocabulary().ensembles, "own"}
    assert dict(dock.questions.classes) == dict(load_vocabulary().ensemble("breast").classes)
    dock.tree.setCurrentIndex(row(dock, 0))
    dock.tree.remove_chosen()
    assert [wording.question for wording in dock.questions.wordings] == ["breast"]
    with qtbot.waitSignal(dock.settings_changed):
        dock.reset()
    assert dock.questions.wordings == ()
    with qtbot.waitSignal(dock.settings_changed):
        dock.choose("thyroid-named")
    assert dock.question_box.currentText() == "Thyroid, classes named"
    qtbot.waitUntil(lambda: dock.reading is not None)


def test_N11_the_numbers_follow_the_frame_and_never_stay_for_another(
    make_dock, document, engine: Any, show, qtbot: QtBot
) -> None:
    dock = make_dock(document)
    first = dict(dock.reading.probabilities)
    engine.gate.clear()
    show(document, 1)
    assert dock.reading is None
    assert spoken(dock, row(dock, 0)) == "benign"
    engine.gate.set()
    qtbot.waitUntil(lambda: dock.reading is not None)
    assert dict(dock.reading.probabilities) != first


def test_N11_an_answer_about_a_frame_that_was_left_is_dropped(
    make_dock, document, engine: Any, show, qtbot: QtBot
) -> None:
    dock = make_dock(document)
    seen = []
    taken = dock._take
    dock._take = lambda reading: (seen.append((reading, document.ref)), taken(reading))
    engine.gate.clear()
    document.auto_propose = False
    show(document, 1)
    qtbot.waitUntil(lambda: document.lane_inference.is_pending("classes"))
    show(document, 2)
    engine.gate.set()
    qtbot.waitUntil(lambda: dock.reading is not None)
    assert {ref.key for reading, ref in seen if reading is not None} == {document.ref.key}
    assert sum(reading is not None for reading, _ref in seen) == 1


def test_N11_a_failure_is_one_line_and_the_next_words_try_again(make_dock, document, engine: Any, qtbot: QtBot) -> None:
    dock = make_dock(document)
    told = []
    document.message.connect(lambda text, _details: told.append(text))
    engine.error = ModelError("The embeddings are gone.")
    for name in ("organ", "breast"):
        dock.choose(name)
        qtbot.waitUntil(lambda: "could not answer" in dock.state_text.text())
    assert told == ["The engine could not answer: The embeddings are gone."]
    assert dock.reading is None
    engine.error = None
    dock.choose("own")
    qtbot.waitUntil(lambda: dock.reading is not None)


def test_N11_an_engine_without_embeddings_says_why(make_dock, document, qtbot: QtBot) -> None:
    dock = make_dock(document)
    document.set_engine("classical")
    assert "knows no classes" in dock.empty.text
    assert dock.empty.isVisible()
    assert not dock.question_box.isVisible()
    assert dock.reading is None
    document.set_engine("clip_mona")
    qtbot.waitUntil(lambda: dock.reading is not None)
    assert dock.tree.isVisible()


def test_N11_a_classifier_shows_its_own_classes(make_dock, document, engine: Any, show, qtbot: QtBot) -> None:
    dock = make_dock(document)
    engine.task, engine.classes = "classify", (("benign", 0.2), ("malignant", 0.5), ("normal", 0.3))
    document.set_engine("clip_mona", "mine")
    qtbot.waitUntil(lambda: dock.reading is not None and dock.reading.trained)
    assert dock.tree.classes() == (("benign", ()), ("malignant", ()), ("normal", ()))
    assert spoken(dock, row(dock, 1)) == "malignant, probability 50 %"
    assert not dock.question_box.isEnabled()
    dock.tree.setCurrentIndex(row(dock, 1))
    dock.tree.remove_chosen()
    dock.tree.edit_chosen()
    assert dock.tree.model().rowCount() == 3
    assert dock.tree.findChild(QLineEdit) is None
    show(document, 1)
    assert dock.tree.model().rowCount() == 3
    qtbot.waitUntil(lambda: dock.reading is not None)
    engine.task = "segment"
    document.set_engine("clip_mona")
    assert dock.tree.classes() == TWO.classes
    assert dock.questions.wordings == (TWO,)


def test_nothing_is_asked_out_of_sight(document, engine: Any, qtbot: QtBot) -> None:
    dock = ClassesDock(document)
    qtbot.addWidget(dock)
    dock.fill()
    dock._ask()
    document.lane_inference.drain()
    assert engine.embedded == []
    assert dock.reading is None


def test_the_annotation_is_never_touched(make_dock, document) -> None:
    before = document.annotation
    make_dock(document)
    assert document.annotation is before
    assert document.undo_stack.count() == 0


def test_the_arrow_opens_a_class_and_a_click_does_not_take_the_keys(make_dock, document) -> None:
    dock = make_dock(document)
    index = row(dock, 0)
    at = dock.tree.visualRect(index).topLeft() + QPoint(14, 12)
    QTest.mouseClick(dock.tree.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert dock.tree.isExpanded(index)
    QTest.mouseClick(dock.tree.viewport(), Qt.MouseButton.LeftButton, pos=at + QPoint(60, 0))
    assert dock.tree.isExpanded(index)
    assert dock.tree.currentIndex() == index
    assert not dock.tree.hasFocus()


def test_every_row_is_painted_in_both_themes_and_crowded(make_dock, document, qtbot: QtBot) -> None:
    crowd = tuple((name, tuple(f"{name} prompt {n} of a breast mass" for n in range(10))) for name in ("a", "b", "c"))
    dock = make_dock(document, settings=Settings(question="own", wordings=(Wording("own", crowd),)))
    dock.tree.expandAll()
    assert len(dock.reading.similarities) == 30
    assert not dock.grab().isNull()
    assert dock.minimumSizeHint().width() <= 300
    assert dock.minimumSizeHint().height() <= 240


def test_a_question_nobody_knows_becomes_the_first() -> None:
    questions = Questions(Settings(question="gone"))
    questions.fill()
    assert questions.name == questions.names[0]
    assert [title(name) for name in ("own", "lymph_node", "breast-named")] == [
        "Own classes",
        "Lymph node",
        "Breast, classes named",
    ]


def test_a_very_long_tip_stays_on_the_screen(make_dock, document) -> None:
    long = Wording("own", (("benign", ("oval " * 390,)), ("malignant", ("dark",))))
    dock = make_dock(document, settings=Settings(question="own", wordings=(long,)))
    lines = row(dock, 0, 0).data(Qt.ItemDataRole.ToolTipRole).splitlines()
    assert len(lines) == 13
    assert max(map(len, lines)) <= 70


def test_going_elsewhere_in_the_middle_of_a_word_is_respected(make_dock, document, qtbot: QtBot) -> None:
    dock = make_dock(document)
    told = []
    dock.tree.left.connect(lambda: told.append("left"))
    editor = begin(dock, row(dock, 0, 0))
    QTest.keyClicks(editor, "fatty tissue")
    with qtbot.waitSignal(dock.settings_changed):
        dock.question_box.setFocus()
    assert told == []
    assert dock.question_box.hasFocus()
    assert dict(dock.questions.classes)["benign"] == ("fatty tissue",)
