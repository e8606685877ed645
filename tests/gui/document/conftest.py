"""What tests of the document share: opening a folder again, and hearing what is told."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from usassist.gui.document import Document


@pytest.fixture
def reopened(make_document: Callable[..., Document], images: Path, qtbot: QtBot) -> Callable[..., Document]:
    """Return a function that opens the images, in the window of a document or in a new one, and waits."""

    def reopen(document: Document | None = None) -> Document:
        document = document or make_document(auto_propose=False)
        with qtbot.waitSignals([document.opened, document.frame_shown]):
            document.open_paths([images])
        return document

    return reopen


@pytest.fixture
def heard() -> Callable[[Document], list[str]]:
    """Return a function that gives a list which grows with what a document tells."""

    def listen(document: Document) -> list[str]:
        told: list[str] = []
        document.message.connect(lambda text, _details: told.append(text))
        return told

    return listen
