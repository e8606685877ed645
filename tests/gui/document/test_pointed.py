"""What becomes of an outline that clicks erased: nothing is lost that nobody rejected."""

from collections.abc import Callable
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from tests.gui.document.test_clicking import point
from tests.gui.strokes import dab
from usassist.gui.commands import click, label
from usassist.gui.document import Document


@pytest.mark.parametrize("leave", ["frame", "tool", "a command", "another click on its way"])
def test_an_outline_that_clicks_erased_waits_again_where_they_are_left(
    document: Document, engine: Any, show: Callable[..., None], qtbot: QtBot, leave: str
) -> None:
    told: list[str] = []
    document.message.connect(lambda text, _details: told.append(text))
    document.auto_propose = False
    (waiting,) = document.proposals
    engine.finds_nothing = True
    click.add_point(document, 21, 24, positive=False)
    qtbot.waitUntil(lambda: document.found_nothing)
    asked = len(engine.prompts)
    if leave == "frame":
        show(document, 1)
        assert told[-1] == "The clicks on still1.png are dropped; the outline that they erased waits as it was."
        show(document, 0)
    elif leave == "a command":
        dab(document, 55, 40)
    else:
        if leave != "tool":
            engine.gate.clear()
            click.add_point(document, 22, 24, positive=True)
        document.settle_clicks()
        engine.gate.set()
        document.lane_inference.drain()
    assert document.proposals == (waiting,) and not document.found_nothing and document.clicks is None
    assert leave == "another click on its way" or len(engine.prompts) == asked


def test_who_erases_the_outline_and_says_that_there_is_nothing_rejects_it(
    document: Document, engine: Any, qtbot: QtBot
) -> None:
    (waiting,) = document.proposals
    engine.finds_nothing = True
    click.add_point(document, 21, 24, positive=False)
    qtbot.waitUntil(lambda: document.found_nothing)
    label.nothing_to_segment(document)
    assert document.annotation.status == "accepted" and document.proposals == ()
    document.undo_group.undo()
    assert document.proposals == (waiting,)


def test_an_answer_that_waits_stays_where_a_further_click_is_not_answered(
    document: Document, engine: Any, qtbot: QtBot
) -> None:
    point(document, qtbot, 22, 24)
    answer = document.click_answer
    engine.gate.clear()
    click.add_point(document, 24, 24, positive=True)
    document.settle_clicks()
    engine.gate.set()
    assert document.proposals == (answer,)
