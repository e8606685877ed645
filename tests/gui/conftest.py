"""What tests of the window share: a folder of small images and a cine, an engine without a model, a document."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from usassist.core.domain import Frame, Mask, Prompt, Proposal, Reader
from usassist.core.errors import ModelError
from usassist.core.geometry.cv import cv2
from usassist.core.models.token_count import TokenCount
from usassist.core.proposers import BuildOptions, ProposerSpec
from usassist.gui.document import Document

SIZE = (48, 64)


def picture(seed: int, *, shape: tuple[int, int] = SIZE) -> np.ndarray:
    """Return a grey picture with a dark blob, uint8 HxW."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(90, 200, shape, dtype=np.uint8)
    cv2.circle(pixels, (20 + seed % 20, 24), 9, 20, -1)
    return pixels


def write_cine(path: Path, frames: np.ndarray, *, frame_time_ms: float = 40.0) -> None:
    """Write NxHxW uint8 as an uncompressed multi-frame Ultrasound DICOM."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.3.1"
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid()
    data.Modality, data.PhotometricInterpretation = "US", "MONOCHROME2"
    data.SamplesPerPixel, data.BitsAllocated, data.BitsStored, data.HighBit = 1, 8, 8, 7
    data.PixelRepresentation = 0
    data.NumberOfFrames, data.Rows, data.Columns = frames.shape
    data.FrameTime = f"{frame_time_ms:g}"
    data.FrameIncrementPointer = 0x00181063
    data.PixelData = frames.tobytes()
    data.save_as(path, enforce_file_format=True)


def _dark(grey: np.ndarray) -> np.ndarray:
    return cv2.medianBlur(grey, 3) < 60


def pointed_at(prompt: Prompt, shape: tuple[int, int]) -> Mask:
    """Return what the engine of these tests answers to clicks, a box and a mask before them."""
    inside = np.zeros(shape, dtype=np.uint8) if prompt.mask is None else prompt.mask.to_array().astype(np.uint8)
    if prompt.box is not None:
        inside[prompt.box.slices] = 1
    for point in prompt.points:
        cv2.circle(inside, (round(point.x), round(point.y)), 5, int(point.positive), -1)
    return Mask.from_array(inside > 0)


class FakeEngine:
    """Proposes the dark blob at once; `gate` can hold it back, `error` makes it fail.

    Clicks and a box are answered with discs of 5 pixels and the box, on top of the mask that is corrected.
    A frame's embedding follows its mean, a text's its letters; it reads eight words with start and end.
    """

    spec = ProposerSpec("fake", "Fake", frozenset(), (), lambda _options: FakeEngine())
    weights_hash = "f" * 64
    logit_scale = 10.0

    def __init__(self) -> None:
        self.task = "segment"
        self.classes: tuple[tuple[str, float], ...] = ()
        self.embedded: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.start_error: Exception | None = None
        self.asked: list[str] = []
        self.prompts: list[Prompt] = []
        self.warmed: list[str] = []
        self.starts = 0
        self.closed = 0
        self.warning = self.text_warning = ""
        self.finds_nothing = False

    def start(self, _name: str, _options: BuildOptions) -> "FakeEngine":
        self.starts += 1
        if self.start_error is not None:
            raise self.start_error
        return self

    def warm(self, frame: Frame) -> None:
        self.warmed.append(frame.ref.key)

    def propose(self, frame: Frame, prompt: Prompt) -> tuple[Proposal, ...]:
        if not self.gate.wait(60):
            raise ModelError("The test never opened the gate.")
        self.asked.append(frame.ref.key)
        self.prompts.append(prompt)
        if self.error is not None:
            raise self.error
        grey = frame.pixels if frame.pixels.ndim == 2 else frame.pixels[..., 0]
        pointed = prompt.points or prompt.box is not None
        mask = pointed_at(prompt, frame.shape) if pointed else Mask.from_array(_dark(np.ascontiguousarray(grey)))
        key = frame.ref.key
        mask = Mask.empty(frame.shape) if self.finds_nothing else mask
        found = Proposal(key, prompt.label_id, mask, 0.9, 0.8, "fake", self.weights_hash, prompt, 0.001)
        strangeness, warning = 2.0 if self.warning else 0.4, f"{self.warning} {self.text_warning}".strip()
        return (replace(found, strangeness=strangeness, warning=warning, text_warning=self.text_warning),)

    def _answer_embedding(self) -> None:
        if not self.gate.wait(60):
            raise ModelError("The test never opened the gate.")
        if self.error is not None:
            raise self.error

    def embed(self, frame: Frame) -> np.ndarray:
        self._answer_embedding()
        angle = float(frame.pixels.mean()) / 10
        return np.array([np.cos(angle), np.sin(angle)], dtype=np.float32)

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        self.embedded += texts
        angles = np.array([sum(map(ord, text)) for text in texts]) / 40
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)

    def count_tokens(self, texts: Sequence[str]) -> tuple[TokenCount, ...]:
        return tuple(TokenCount(len(text.split()) + 2, 10, " ".join(text.split()[8:])) for text in texts)

    def classify(self, frame: Frame) -> tuple[tuple[str, float], ...]:
        self._answer_embedding()
        return self.classes

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def engine() -> FakeEngine:
    """Return an engine without a model."""
    return FakeEngine()


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Return a folder with three stills and a cine of twelve frames, named so that the cine is last."""
    folder = tmp_path / "images of mine"
    folder.mkdir()
    for number in (1, 2, 10):
        cv2.imwrite(str(folder / f"still{number}.png"), picture(number))
    write_cine(folder / "z-cine.dcm", np.stack([picture(40 + number) for number in range(12)]))
    return folder


@pytest.fixture
def make_document(qtbot: QtBot, engine: FakeEngine) -> Iterator[Callable]:
    """Return a function that makes documents, all of which are closed at the end."""
    made = []

    def make(**options: object) -> Document:
        document = Document(**{"reader": Reader("ann", "Ann"), "start_engine": engine.start, **options})
        made.append(document)
        return document

    yield make
    engine.gate.set()
    for document in made:
        document.close()
        document.deleteLater()


@pytest.fixture
def document(make_document: Callable, images: Path, qtbot: QtBot) -> Document:
    """Return a document that shows the first still and has its proposal."""
    document = make_document()
    with qtbot.waitSignals([document.opened, document.frame_shown]):
        document.open_paths([images])
    qtbot.waitUntil(lambda: bool(document.proposals))
    return document


@pytest.fixture
def show(qtbot: QtBot) -> Callable:
    """Return a function that goes to a frame and waits until it is on screen."""

    def go(document: Document, source_index: int, frame_index: int = 0) -> None:
        with qtbot.waitSignal(document.frame_shown):
            document.show(source_index, frame_index)

    return go


class Hand:
    """A hand on a canvas: real mouse, wheel and key events, at image points (x, y) with centres at integers."""

    def __init__(self, canvas) -> None:
        from PySide6.QtCore import Qt

        self.canvas = canvas
        self.modifiers = {
            "": Qt.KeyboardModifier.NoModifier,
            "ctrl": Qt.KeyboardModifier.ControlModifier,
            "shift": Qt.KeyboardModifier.ShiftModifier,
            "alt": Qt.KeyboardModifier.AltModifier,
        }
        self.buttons = {
            "none": Qt.MouseButton.NoButton,
            "left": Qt.MouseButton.LeftButton,
            "right": Qt.MouseButton.RightButton,
            "middle": Qt.MouseButton.MiddleButton,
        }

    def _mouse(self, kind: str, x: float, y: float, *, button: str, held: str, modifier: str) -> None:
        from PySide6.QtCore import QEvent, QPointF
        from PySide6.QtGui import QMouseEvent
        from PySide6.QtWidgets import QApplication

        at = self.canvas.viewportTransform().map(QPointF(x, y))
        everywhere = QPointF(self.canvas.viewport().mapToGlobal(at))
        event = QMouseEvent(
            getattr(QEvent.Type, kind),
            at,
            everywhere,
            self.buttons[button],
            self.buttons[held],
            self.modifiers[modifier],
        )
        QApplication.sendEvent(self.canvas.viewport(), event)
        QApplication.processEvents()

    def press(self, x: float, y: float, button: str = "left", *, modifier: str = "") -> None:
        self._mouse("MouseButtonPress", x, y, button=button, held=button, modifier=modifier)

    def move(self, x: float, y: float, held: str = "none", *, modifier: str = "") -> None:
        self._mouse("MouseMove", x, y, button="none", held=held, modifier=modifier)

    def release(self, x: float, y: float, button: str = "left", *, modifier: str = "") -> None:
        self._mouse("MouseButtonRelease", x, y, button=button, held="none", modifier=modifier)

    def click(self, x: float, y: float, button: str = "left", *, modifier: str = "") -> None:
        self.press(x, y, button, modifier=modifier)
        self.release(x, y, button, modifier=modifier)

    def double_click(self, x: float, y: float) -> None:
        """Send what Qt sends: press, release, double click, release."""
        self.click(x, y)
        self._mouse("MouseButtonDblClick", x, y, button="left", held="left", modifier="")
        self.release(x, y)

    def drag(self, points: list[tuple[float, float]], button: str = "left", *, modifier: str = "") -> None:
        self.press(*points[0], button, modifier=modifier)
        for point in points[1:]:
            self.move(*point, button, modifier=modifier)
        self.release(*points[-1], button, modifier=modifier)

    def wheel(self, x: float, y: float, notches: float, *, modifier: str = "", sideways: bool = False) -> None:
        from PySide6.QtCore import QPoint, QPointF, Qt
        from PySide6.QtGui import QWheelEvent
        from PySide6.QtWidgets import QApplication

        at = self.canvas.viewportTransform().map(QPointF(x, y))
        turned = round(notches * 120)
        event = QWheelEvent(
            at,
            QPointF(self.canvas.viewport().mapToGlobal(at)),
            QPoint(),
            QPoint(turned, 0) if sideways else QPoint(0, turned),
            Qt.MouseButton.NoButton,
            self.modifiers[modifier],
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(self.canvas.viewport(), event)
        QApplication.processEvents()

    def key(self, name: str) -> None:
        from PySide6.QtCore import Qt
        from PySide6.QtTest import QTest

        QTest.keyClick(self.canvas, getattr(Qt.Key, f"Key_{name}"))


def gradient(shape: tuple[int, int], *, seed: int = 0) -> np.ndarray:
    """Return a grey picture in which neighbouring pixels differ, uint8 HxW, never dark enough to be proposed."""
    return np.random.default_rng(seed).integers(100, 220, shape, dtype=np.uint8)


@pytest.fixture
def canvas(make_document: Callable, tmp_path: Path, qtbot):
    """Return a canvas of 500x400 that shows the first of three 150x200 stills; the fourth is 90x120."""
    from usassist.gui.canvas import CanvasView

    folder = tmp_path / "canvas"
    folder.mkdir()
    for number, shape in enumerate([(150, 200), (150, 200), (150, 200), (90, 120)]):
        cv2.imwrite(str(folder / f"{number}.png"), gradient(shape, seed=number))
    document = make_document(auto_propose=False)
    view = CanvasView()
    qtbot.addWidget(view)
    view.set_document(document)
    view.resize(500, 400)
    view.show()
    with qtbot.waitSignals([document.opened, document.frame_shown]):
        document.open_paths([folder])
    return view


@pytest.fixture
def hand_on() -> type[Hand]:
    """Return what makes a hand for any canvas."""
    return Hand


@pytest.fixture
def hand(canvas) -> Hand:
    """Return a hand on the canvas."""
    return Hand(canvas)


@pytest.fixture
def tools() -> dict:
    """Return the tools by id."""
    from usassist.gui.tools import all_tools

    return {tool.id: tool for tool in all_tools()}


@pytest.fixture
def on_screen() -> Callable:
    """Return a function that returns what a widget painted so far, repaint by repaint, as HxWx3.

    `grab` would paint everything anew, and never show what a partial repaint left behind.
    """
    from PySide6.QtGui import QImage
    from PySide6.QtWidgets import QApplication

    def look(widget) -> np.ndarray:
        QApplication.processEvents()
        image = widget.screen().grabWindow(widget.winId()).toImage().convertToFormat(QImage.Format.Format_RGB32)
        return np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.width(), 4)[..., :3].copy()

    return look
