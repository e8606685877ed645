"""Training on the frames a person accepted: one window for the question, the progress and the answer."""

import json
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from PySide6.QtCore import QUrl, Signal
from PySide6.QtGui import QDesktopServices, QShowEvent
from PySide6.QtWidgets import QPushButton, QStackedWidget, QWidget

from usassist.core.data.accepted import AcceptedFrames, accepted_frames
from usassist.core.errors import UsassistError
from usassist.core.paths import resources, user_home, user_models
from usassist.core.proposers import specs
from usassist.core.training.offers import Offer, segmentation_recipes
from usassist.gui.dialogs.dialog import Dialog
from usassist.gui.dialogs.train_result import FailurePage, ResultPage, RunPage
from usassist.gui.dialogs.train_setup import SetupPage
from usassist.gui.document import Document
from usassist.gui.jobs import Lane
from usassist.gui.jobs.training import Plan, Training

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ENGINE = "clip_mona"
"""The engine that loads what is trained here."""
_INTRO = (
    "A model learns from the frames that were accepted in this project. It runs on this computer, beside your work."
)


class TrainDialog(Dialog):
    """Modeless: closing it leaves a training running, opening it again shows where that is.

    `training` outlives every page; `model_added` says that a new model can be chosen. `close_down` ends everything.
    """

    model_added = Signal(str)

    def __init__(self, document: Document, *, parent: QWidget | None = None) -> None:
        super().__init__("Train on accepted frames", intro=_INTRO, parent=parent)
        self._document = document
        self._lane = Lane("train", self)
        self.training = Training(self)
        self._wants_setup = True
        self._counted: Path | None = None
        self.setup, self.running, self.outcome, self.failure = SetupPage(), RunPage(), ResultPage(), FailurePage()
        self.pages = QStackedWidget()
        for page in (self.setup, self.running, self.outcome, self.failure):
            self.pages.addWidget(page)
        self.body.addWidget(self.pages, 1)
        self._add_buttons()
        self.setup.show_place(user_home() / "runs")
        self.setup.device_box.setCurrentIndex(max(0, self.setup.device_box.findData(document.device)))
        self.setup.changed.connect(self._show_buttons)
        self.outcome.name_field.textChanged.connect(lambda _text: self._show_buttons())
        self.training.changed.connect(self._on_training)
        self.training.added.connect(self._on_added)
        document.opened.connect(self._on_document_moved)
        document.annotation_saved.connect(lambda _key: self._on_document_moved())
        document.labels_changed.connect(self._on_document_moved)
        self._show_page()
        self.prefer_size(620, 570)

    def _add_buttons(self) -> None:
        self.folder_button = self.add_button("Open folder", self._open_folder, left=True)
        self.again_button = self.add_button("Back", self.start_over)
        self.close_button = self.add_button("Close", self.reject)
        self.stop_button = self.add_button("Stop", self.training.stop, kind="danger")
        self.stop_button.setToolTip("End the training; what was kept so far stays")
        self.start_button = self.add_button("Start training", self.start, kind="primary", default=True)
        self.use_button = self.add_button("Use this model", self.use_model, kind="primary")

    # What a person does

    def start(self) -> None:
        """Save what is open, then train on it; refused where the frames that were counted are another project's."""
        root = self._document.project_root
        if root is None or root != self._counted:
            self.refresh()
            if root is not None:
                self.setup.show_problem("The frames of this project are not counted yet; start once they are.")
            return
        offer, sides, accepted = self.setup.offer, self.setup.sides, self.setup.accepted
        if offer is None or sides is None or accepted is None or not self._can_start:
            return
        now = datetime.now().astimezone()
        folder = _slug(self._document.project.images_root.name)
        engine = self._document.engine_name
        spec = specs().get(engine)
        plan = Plan(
            recipe=offer.path,
            epochs=offer.config.epochs,
            project=root,
            out=user_home() / "runs" / f"{folder}-{now:%Y%m%d-%H%M%S}",
            device=str(self.setup.device_box.currentData()),
            overrides=(
                *self.setup.part.overrides(),
                *_facts(accepted, title=f"{folder}, {sides.train} frames, {now:%Y-%m-%d}"),
            ),
            validates=sides.val,
            engine=engine,
            model=self._document.model_name if spec is not None and "weights" in spec.requires else "",
            chooses=offer.config.keep == "best",
        )
        self._wants_setup = False
        self.outcome.name_field.setText(_free_name(folder))
        self._document.save()
        # What was just saved is on disk before the child reads it.
        self._document.lane_save.submit(lambda: None, done=lambda _nothing: self.training.start(plan))
        self.start_button.setEnabled(False)

    def start_over(self) -> None:
        """Go back to the first page."""
        self._wants_setup = True
        self._show_page()
        self.refresh()

    def use_model(self) -> None:
        """Add the new model under its name; the engine changes to it as soon as it is there."""
        if self.use_button.isEnabled():
            self.training.add(self.outcome.name_field.text().strip())

    def close_down(self, *, timeout_ms: int) -> None:
        """End the training and the counting, for when the window closes."""
        self.training.abandon(timeout_ms=timeout_ms)
        self._lane.close(wait=False)

    # What happens

    def refresh(self) -> None:
        """Count again what was accepted, and look for recipes."""
        root = self._document.project_root
        if root != self._counted:
            self._counted = None
            self.setup.show_accepted(None)
        if root is None:
            self.setup.show_problem("Nothing is open; open images and accept some frames first.")
            return

        def count() -> tuple[AcceptedFrames, list[Offer]]:
            return accepted_frames(root), segmentation_recipes()

        def submit() -> None:
            self._lane.submit(
                count, done=lambda found: self._on_counted(root, found), failed=self._on_not_counted, key="count"
            )

        self._document.save()
        self._document.lane_save.submit(lambda: None, done=lambda _nothing: submit())

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._wants_setup:
            self.refresh()

    def _on_document_moved(self) -> None:
        if self.isVisible() and self._wants_setup:
            self.refresh()

    def _on_counted(self, root: Path, found: tuple[AcceptedFrames, Sequence[Offer]]) -> None:
        if root != self._document.project_root:
            return
        self._counted = root
        accepted, offers = found
        self.setup.show_offers(offers)
        self.setup.show_accepted(accepted)

    def _on_not_counted(self, error: Exception) -> None:
        words = str(error) if isinstance(error, UsassistError) else f"{type(error).__name__}: {error}"
        self.setup.show_problem(f"The accepted frames cannot be counted: {words}")

    def _on_training(self) -> None:
        self._show_page()

    def _on_added(self, name: str) -> None:
        self._document.set_engine(_ENGINE, name)
        self.model_added.emit(name)

    # Showing

    def _show_page(self) -> None:
        stage = self.training.stage
        if self.training.is_running:
            page: QWidget = self.running
            self.running.show_training(self.training)
        elif self._wants_setup or stage == "idle":
            page = self.setup
        elif stage == "failed":
            page = self.failure
            self.failure.show_training(self.training)
        else:
            page = self.outcome
            self.outcome.show_training(self.training)
        moved = page is not self.pages.currentWidget()
        self.pages.setCurrentWidget(page)
        self._show_buttons()
        if moved and page is self.failure:
            self.again_button.setFocus()

    @property
    def _can_start(self) -> bool:
        return self.setup.is_ready and not self.training.is_adding

    def _show_buttons(self) -> None:
        page = self.pages.currentWidget()
        finished = page in (self.outcome, self.failure)
        if self.training.plan is not None:
            self.folder_button.setToolTip(f"The run with its recipe, numbers and reports:\n{self.training.plan.out}")
        for button, shown in (
            (self.folder_button, finished),
            (self.again_button, finished),
            (self.stop_button, page is self.running),
            (self.start_button, page is self.setup),
            (self.use_button, page is self.outcome),
        ):
            button.setVisible(shown)
        self.close_button.setText("Hide" if page is self.running else "Close")
        self.start_button.setEnabled(self._can_start)
        self.again_button.setEnabled(not self.training.is_adding)  # else nobody would see why it could not be added
        self.stop_button.setEnabled(not self.training.stopped)
        name = self.outcome.name_field.text().strip()
        is_added = bool(self.training.name)
        can_be_added = not is_added and not self.training.is_adding
        self.use_button.setText("Added" if is_added else "Use this model")
        self.use_button.setEnabled(bool(_NAME.fullmatch(name)) and can_be_added)
        self.outcome.name_field.setEnabled(can_be_added)
        self._set_default(self.use_button if page is self.outcome else self.start_button)

    def _set_default(self, button: QPushButton) -> None:
        if not button.isDefault():
            button.setDefault(True)

    def _open_folder(self) -> None:
        if self.training.plan is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.training.plan.out)))


def _facts(accepted: AcceptedFrames, *, title: str) -> tuple[str, ...]:
    """Return what a recipe has to be told about the project: what is learned, and by which words."""
    said = [f"title={json.dumps(title)}"]
    if accepted.learned is not None:
        said.append(f"classes={json.dumps([accepted.learned.id])}")
    if accepted.target:
        said.append(f"target={json.dumps(accepted.target)}")
    else:  # the words of another target would teach it that this one is absent
        said += ["prompts.without=1.0", "prompts.wrong=0.0"]
    return tuple(said)


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-")[:40] or "images"


def _free_name(stem: str) -> str:
    """Return a name that no model has: the stem with the first free number."""
    taken = {path.name for home in (resources() / "models", user_models()) if home.is_dir() for path in home.iterdir()}
    number = 1
    while f"{stem}-{number}" in taken:
        number += 1
    return f"{stem}-{number}"
