"""The half of the document that asks by clicks and a box: step by step, with an undo stack of their own."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import PurePath

from PySide6.QtCore import QObject
from PySide6.QtGui import QUndoCommand, QUndoStack

from usassist.core.domain import Annotation, Frame, Mask, Prompt, Proposal, Reader
from usassist.core.errors import ModelError
from usassist.core.models.config import Precision
from usassist.core.models.weights import read_config
from usassist.core.proposers import specs
from usassist.gui.document.asking import DocumentAsking
from usassist.gui.document.keeping import NO_PROPOSAL
from usassist.gui.document.pointed import Pointed
from usassist.gui.document.proposing import labelled, usable


class DocumentClicking(DocumentAsking):
    """Keeps the clicks on the frame on screen; they end with the frame, the label, the selection and the engine.

    Each click is a step of `click_stack`, which is what Ctrl+Z undoes while there are clicks. An answer waits like
    every other proposal; one that is about a selected region says in `refines` which. It waits as long as that region
    is selected: deselected, it is put aside, and is there again with the selection.
    """

    is_pointing = False
    """Whether a tool that points at objects is in hand: what is accepted then is not selected, nor refined next."""

    def __init__(self, parent: QObject | None, *, reader: Reader | None) -> None:
        super().__init__(parent, reader=reader)
        self._pointed: Pointed | None = None
        self._aside: dict[str, tuple[Mask | None, Proposal]] = {}
        self._no_clicks = ""
        self._finding_out = False
        self._known_of = ("", "")
        self.click_stack = QUndoStack(self)
        self.undo_group.addStack(self.click_stack)
        self.click_stack.indexChanged.connect(self._on_click_step)
        self.active_label_changed.connect(lambda _label_id: self._on_other_label())
        self.selection_changed.connect(lambda _region_id: self._on_selection())
        self.annotation_changed.connect(lambda _key: self._on_annotation())
        self.frame_shown.connect(lambda _frame: self._select_what_is_refined())

    @property
    def found_nothing(self) -> bool:
        """Return whether the engine said that nothing is there: to the clicks, or where there are none, as asked."""
        return self._pointed.is_empty if self._pointed is not None else super().found_nothing

    @property
    def clicks(self) -> Prompt | None:
        """Return the question that the clicks on the frame on screen make, None where there are none."""
        return self._pointed.prompt if self._pointed is not None else None

    @property
    def click_answer(self) -> Proposal | None:
        """Return the proposal that answers all clicks; None while the engine looks, and where it found nothing."""
        return self._pointed.answer if self._pointed is not None else None

    @property
    def why_no_clicks(self) -> str:
        """Return why the engine follows no clicks and what to do, "" where it does or nothing is known yet."""
        return self._no_clicks

    @property
    def finds_out_clicks(self) -> bool:
        """Return whether it is being looked up if the engine follows clicks."""
        return self._finding_out

    @property
    def waiting_outlines(self) -> tuple[Proposal, ...]:
        """Return the waiting proposals that a first click can correct: about what is selected, or about no region."""
        region = self.selected_region
        label_id = region.label_id if region is not None else self.asked_label_id
        wanted = label_id, region.id if region is not None else None
        return tuple(item for item in self.proposals if (self._label_id_of(item), item.refines) == wanted)

    def next_question(self, outline: Proposal | None = None) -> Prompt:
        """Return what one more click or a box is added to: the words, what was clicked, and the mask to correct.

        A first click corrects the waiting `outline`, else the selected region, else nothing; every further one the
        answer to those before it.
        """
        if self._pointed is not None:
            answer, prompt = self._pointed.answer, self._pointed.prompt
            return replace(prompt, mask=answer.mask if answer else None if self._pointed.is_empty else prompt.mask)
        region = self.selected_region
        label = next((item for item in self.labels if region is not None and item.id == region.label_id), None)
        corrected = outline or region
        return replace(self._default_prompt(label), mask=corrected.mask if corrected is not None else None)

    def push_click(self, command: QUndoCommand) -> None:
        """Do a step of the clicks; from now on it is their steps that are undone first."""
        self.click_stack.push(command)

    def ask_by_clicks(self, prompt: Prompt | None, *, corrects: tuple[Proposal, ...] = ()) -> None:
        """Ask with these clicks; None takes all of them back. Only the steps of `click_stack` call this.

        The answer to the first ones takes the place of what it `corrects`; other outlines go on waiting beside it,
        unless it holds most of them.
        """
        if prompt is None:
            self._put_back()
            return
        if self._frame is None:
            return
        if self._pointed is None:
            region = self.selected_region
            self._pointed = Pointed(prompt, region.id if region is not None else None, self.proposals, corrects)
        self._pointed.prompt, self._pointed.answer, self._pointed.is_empty = prompt, None, False
        self._tell_anew()
        answered = partial(self._on_click_answer, prompt)
        self._proposing.request(self._frame, self._understood(prompt), automatic=False, arrived=answered)
        self.clicks_changed.emit()

    def drop_clicks(self) -> None:
        """Forget the clicks: what waited before them waits again."""
        self._put_back()
        self.click_stack.clear()

    def settle_clicks(self) -> None:
        """Forget the clicks but keep their answer as it waits; one that has not arrived is dropped.

        An outline that they erased waits again as it was: nobody rejected it.
        """
        pointed, self._pointed = self._pointed, None
        self.click_stack.clear()  # also where a click was taken back: what comes now is about something else
        if pointed is None:
            return
        self._proposing.cancel()
        # Told in every case: that nothing was found there was said of the clicks.
        self._let_wait(pointed.before if pointed.has_erased(self.proposals) else self.proposals)
        self.clicks_changed.emit()

    def leave_clicks(self) -> None:
        """Settle the clicks because the frame is left, and say what becomes of an outline that nobody accepted."""
        if self._pointed is not None and self.source is not None:
            name = PurePath(self.source.relative).name
            dropped = f"The clicks on {name} are dropped"
            if self._pointed.answer is not None:
                told = f"The outline of {name} waits and was not accepted."
            elif self._pointed.has_erased(self.proposals):
                told = f"{dropped}; the outline that they erased waits as it was."
            else:
                told = f"{dropped}."
            self.message.emit(told, "")
        self.settle_clicks()

    def restore_drafts(self, drafts: Sequence[Annotation]) -> None:
        """Take what a crash left behind; clicks on such a frame were about what the draft replaces, and end."""
        if self._frame is not None and any(draft.frame_key == self._frame.ref.key for draft in drafts):
            self.settle_clicks()
        super().restore_drafts(drafts)

    def find_out_clicks(self) -> None:
        """Look on the io lane whether the engine and its model follow clicks; `engine_changed` follows."""
        engine, model = about = self.engine_name, self.model_name
        self._finding_out = about != self._known_of  # what is known of this very model counts until it is looked up
        self.lane_io.submit(
            lambda: clicks_refused(engine, model),
            done=lambda why: self._on_clicks_found_out(about, why),
            failed=lambda error: self._on_clicks_found_out(about, str(error)),
            key="clicks",
        )

    def request_proposals(self, prompt: Prompt | None = None) -> None:
        """Ask the engine about the frame on screen; clicks are forgotten, for this is another question."""
        self.settle_clicks()
        super().request_proposals(prompt)

    def set_engine(
        self, name: str, model: str | None = None, *, device: str | None = None, precision: Precision | None = None
    ) -> None:
        """Ask another engine, or another model, from now on; clicks were for the one before, and stay with the same."""
        super().set_engine(name, model, device=device, precision=precision)
        self.find_out_clicks()

    def _forget_answers(self) -> None:
        self.settle_clicks()
        self._aside.clear()
        super()._forget_answers()

    def _understood(self, prompt: Prompt) -> Prompt:
        """Return the prompt without a mask where the engine takes none: the journal says what counted."""
        spec = specs().get(self.engine_name)
        return replace(prompt, mask=None) if spec is not None and "mask" not in spec.prompts else prompt

    def _on_click_answer(self, prompt: Prompt, frame: Frame, found: tuple[Proposal, ...]) -> None:
        self._tell_anew(NO_PROPOSAL)
        self._note_warning(frame.ref, found)
        pointed, annotation = self._pointed, self._book.get(frame.ref.key)
        if pointed is None or pointed.prompt is not prompt or annotation is None:
            return
        answers = (item for item in labelled(usable(found, frame), self.labels) if item.label_id == prompt.label_id)
        good = tuple(replace(answer, refines=pointed.region_id) for answer in answers)[:1]
        pointed.answer, pointed.is_empty = good[0] if good else None, not good
        waiting = self._proposing.waiting(frame.ref.key)
        others = tuple(item for item in waiting if pointed.waits_beside(item, label_id=self._label_id_of(item)))
        self._offer(annotation, good, beside=others, erased=prompt.mask is not None)
        self.clicks_changed.emit()

    def _put_back(self) -> None:
        pointed, self._pointed = self._pointed, None
        if pointed is None or self._frame is None:
            return
        self._proposing.cancel()
        self._let_wait(pointed.before)
        self.clicks_changed.emit()
        self._propose_if_untouched()

    def _label_id_of(self, proposal: Proposal) -> str:
        """Return the label id of a waiting proposal: its class may have got a label since it was proposed."""
        return labelled((proposal,), self.labels)[0].label_id

    def _on_other_label(self) -> None:
        self.settle_clicks()
        if self._frame is not None:
            self.proposals_changed.emit(self._frame.ref.key)  # what was found, or not, was asked for the one before

    def _on_click_step(self, index: int) -> None:
        if self._frame is not None:
            steps = self._book.stack(self._frame.ref.key)
            # Also while the first click can be done again: else an older step would be, in its place.
            self.undo_group.setActiveStack(self.click_stack if index > 0 or self.click_stack.canRedo() else steps)

    def _on_annotation(self) -> None:
        if self._pointed is None:
            self.click_stack.clear()  # a click that was taken back before another step is not the next to be redone
        self._put_aside()

    def _on_selection(self) -> None:
        self.settle_clicks()
        self._put_aside(deselected=True)
        self._bring_refinement_back()

    def _put_aside(self, *, deselected: bool = False) -> None:
        """Put aside what refines a region that is gone, or one that is not selected."""
        annotation, chosen = self.annotation, self.selected_region
        if annotation is None:
            return
        known = {region.id: region.mask for region in annotation.regions}
        stays = {chosen.id} if chosen is not None else set()
        stays |= set() if deselected else set(known)
        gone = [item for item in self.proposals if item.refines is not None and item.refines not in stays]
        for item in gone:
            if item.refines is not None:
                self._aside[item.refines] = known.get(item.refines), item
        if gone:
            self._let_wait(tuple(item for item in self.proposals if item not in gone))

    def _bring_refinement_back(self) -> None:
        """Let what refines the selected region wait again, unless that was changed meanwhile."""
        region = self.selected_region
        mask, outline = self._aside.pop(region.id, (None, None)) if region is not None else (None, None)
        unchanged = region is not None and outline is not None and mask in (None, region.mask)
        if outline is not None and unchanged and all(item.refines != outline.refines for item in self.proposals):
            self._let_wait((outline, *self.proposals))

    def _let_wait(self, proposals: tuple[Proposal, ...]) -> None:
        if self._frame is None:
            return
        self._proposing.put(self._frame.ref.key, proposals)
        self.proposals_changed.emit(self._frame.ref.key)

    def _select_what_is_refined(self) -> None:
        """Select the region that an outline refines which waits on the frame that is shown again."""
        annotation = self.annotation
        refined = [item.refines for item in self.proposals if item.refines is not None]
        if annotation is not None and refined and annotation.region(refined[0]) is not None:
            self._region_id = refined[0]  # `selection_changed` follows, as after every frame

    def _on_clicks_found_out(self, about: tuple[str, str], why: str) -> None:
        self._finding_out, self._known_of = False, about
        self._no_clicks = why
        self.engine_changed.emit()


def clicks_refused(engine: str, model: str) -> str:
    """Return why an engine with a model ("" is the default) follows no clicks and what to do; "" where it does."""
    spec = specs().get(engine)
    if spec is None or not {"points", "box"} <= spec.prompts:
        return "This engine takes no clicks; choose another engine in the Proposals panel."
    if "weights" not in spec.requires:
        return ""
    try:
        config = read_config(model or None)
    except ModelError as error:
        return str(error)
    if config.task != "segment":
        return f"The model {config.name} draws no masks; choose another model in the Proposals panel."
    if not config.follows_clicks:
        return f"The model {config.name} follows no clicks; choose another model or engine in the Proposals panel."
    return ""
