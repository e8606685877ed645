"""The half of the document that asks the engine: requests, proposals that wait, what a person answered."""

from collections.abc import Callable, Sequence
from typing import Literal, TypeVar, cast

from usassist.core.captions.asked_label import label_of_text, target_of_text
from usassist.core.captions.wording import shortened
from usassist.core.domain import Annotation, Frame, FrameRef, Label, Prompt, Proposal
from usassist.core.models.config import Precision
from usassist.core.project.labels import is_called, label_for
from usassist.core.proposers import BuildOptions, Proposer, specs
from usassist.core.proposers.proposer import EmbeddingProposer
from usassist.gui.document import provenance
from usassist.gui.document.keeping import NO_PROPOSAL, DocumentKeeping
from usassist.gui.document.proposing import labelled, usable

T = TypeVar("T")
_FOUND_NOTHING = "The engine found nothing in this frame."
_NOT_FOUND = "Nothing found for"
_NOTHING_LEFT = "Nothing is left of the outline; click what belongs to the object, or press Esc."


class DocumentAsking(DocumentKeeping):
    """Requests proposals for untouched frames and hands them to commands; only a person makes a region of one."""

    auto_propose: bool
    _upcoming: Frame | None = None
    _prompt_text = ""
    _told = ("", "")

    @property
    def found_nothing(self) -> bool:
        """Return whether the engine said of the frame on screen that nothing of what is asked now is there."""
        asked = self._without.get(self._frame.ref.key) if self._frame is not None else None
        return asked is not None and not self.proposals and asked == self._default_prompt()

    @property
    def warning(self) -> str:
        """Return what the engine warns of about the frame on screen: that it is unlike its training; "" for nothing."""
        if self._frame is None:
            return ""
        return self._warnings.get(self._frame.ref.source_key, {}).get(self._frame.ref.key, "")

    def warning_about(self, source_key: str) -> str:
        """Return what the engine warned of about a frame of a source, the first of them; "" for nothing."""
        return next(iter(self._warnings.get(source_key, {}).values()), "")

    def set_prompt_text(self, text: str) -> None:
        """Ask for this from now on, of every frame; without a text the active label's own words are asked."""
        before, self._prompt_text = self.found_nothing, text.strip()
        if self._frame is not None and self.found_nothing != before:
            self.proposals_changed.emit(self._frame.ref.key)

    def _drop_other_text(self) -> bool:
        """Forget a text that does not ask for the label that was just chosen; return whether there was one."""
        if self.asked_label_id == self.active_label.id:
            return False
        self._prompt_text = ""
        self.text_dropped.emit()
        self.message.emit(f"Asking for {self.active_label.name} again.", "")
        return True

    @property
    def asked_label_id(self) -> str:
        """Return the label id that a question about the frame is meant for.

        A text of the person's own that asks for what another label stands for, or for a target of the vocabulary, is
        not about the label they draw with: what is found for "fetal head" would be kept as a lesion. Where several
        labels stand for it, this is the one that `labelled` keeps its name under; where none does, the name of one that
        accepting adds, as for a class of a model. Other words may be the active label's in a new wording or something
        else; nothing tells, so the label stays and the panel says what was asked.
        """
        active = self.active_label
        if not self._prompt_text or not self._follows_text:
            return active.id
        label, target = label_of_text(self._prompt_text, self.labels, active=active), target_of_text(self._prompt_text)
        if label is None and target is not None:
            label = label_for(target.title, self.labels)
            return label.id if label is not None else target.title
        return (label or active).id

    def own_words(self, proposal: Proposal) -> str:
        """Return the text that a proposal was asked with, where it is no label's and not what it is called; else ""."""
        text = " ".join((proposal.prompt.text or "").split())
        is_said = (
            any(is_called(label, text) for label in self.labels) or text.casefold() == proposal.label_id.casefold()
        )
        return "" if is_said else text

    def stop_asking(self) -> None:
        """Drop a question whose answer has not arrived: the person has answered it."""
        self._proposing.cancel()

    @property
    def draws_masks(self) -> bool:
        """Return whether the engine proposes masks, as far as is known: a model may only name classes."""
        return self._proposing.draws_masks

    @property
    def embeds(self) -> bool:
        """Return whether the engine compares frames with texts; one that does not knows no classes either."""
        spec = specs().get(self.engine_name)
        return spec is not None and spec.embeds

    def ask_engine(
        self,
        work: Callable[[EmbeddingProposer], T],
        *,
        about: Literal["classes", "tokens"],
        done: Callable[[T], None],
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        """Ask an engine that embeds on the inference lane; a newer question about the same supersedes this one.

        `work` runs there, `done` here. An error is one message, then `failed` is called. Nothing is asked of an engine
        that failed before or does not embed.
        """

        def went_wrong(error: Exception) -> None:
            self._complain("The engine could not answer", error)
            if failed is not None:
                failed(error)

        def asked(engine: Proposer) -> T:
            return work(cast("EmbeddingProposer", engine))  # the spec says so

        if self.embeds:
            self._proposing.ask(asked, done=done, failed=went_wrong, key=about)

    def drop_question(self, about: Literal["classes", "tokens"]) -> None:
        """Drop a question of `ask_engine` whose answer has not arrived."""
        self._proposing.stop_asking(about)

    def request_proposals(self, prompt: Prompt | None = None) -> None:
        """Ask the engine about the frame on screen; `proposals_changed` follows.

        Without a prompt the text of `set_prompt_text` is asked, else the label's own words.
        """
        if self._frame is not None:
            self._tell_anew()
            self._proposing.request(self._frame, prompt or self._default_prompt(), automatic=False)

    def set_engine(
        self, name: str, model: str | None = None, *, device: str | None = None, precision: Precision | None = None
    ) -> None:
        """Ask another engine, or another model, from now on; the frame on screen is asked again if it is untouched."""
        chosen = BuildOptions(model=model, device=device or self.device, precision=precision or self.precision)
        if (name, chosen) != (self._proposing.engine, self._proposing.options):
            self._forget_answers()
            self._proposing.choose(name, chosen)
            self._tell_anew()
            self.engine_changed.emit()
            if self._frame is not None:
                self.proposals_changed.emit(self._frame.ref.key)
            self._propose_if_untouched()

    def _forget_answers(self) -> None:
        """Forget what the engine said until now: another model may find more, and have seen such images."""
        self._without.clear()
        warned, self._warnings = list(self._warnings), {}
        for source_key in warned:
            self.source_state_changed.emit(source_key)

    def take_proposal(self, proposal: Proposal, *, region_id: str) -> Proposal | None:
        """Note that a proposal became the region with this id; return what that region came from before."""
        before = self._accepted.get(region_id)
        self._accepted[region_id] = proposal
        self._remove(proposal)
        return before

    def give_back(self, region_id: str, before: Proposal | None) -> None:
        """Note that a region comes from what `take_proposal` returned, again."""
        self._accepted.pop(region_id, None)
        if before is not None:
            self._accepted[region_id] = before

    def drop_proposal(self, proposal: Proposal) -> None:
        """Note that a person refused a proposal; it waits no longer."""
        self._rejected.setdefault(proposal.frame_key, []).append(proposal)
        self._remove(proposal)

    def restore_proposal(self, proposal: Proposal, index: int) -> None:
        """Let a proposal wait again at its old place, as if it had not been answered."""
        refused = self._rejected.get(proposal.frame_key, [])
        self._rejected[proposal.frame_key] = [other for other in refused if other is not proposal]
        waiting = list(self._proposing.waiting(proposal.frame_key))
        waiting.insert(index, proposal)
        self._proposing.put(proposal.frame_key, tuple(waiting))
        self.proposals_changed.emit(proposal.frame_key)

    def _remove(self, proposal: Proposal) -> None:
        waiting = self._proposing.waiting(proposal.frame_key)
        self._proposing.put(proposal.frame_key, tuple(other for other in waiting if other is not proposal))
        self.proposals_changed.emit(proposal.frame_key)

    def _default_prompt(self, label: Label | None = None) -> Prompt:
        """Return the question about the frame, or about what has a label: a text about another one is not for that."""
        label_id = self.asked_label_id
        written = self._prompt_text if label is None or label.id == label_id else ""
        words = label or self.active_label
        text = written or words.caption or words.name  # the same words as the field shows
        return Prompt(label.id if label is not None else label_id, text=text if self._follows_text else None)

    @property
    def _follows_text(self) -> bool:
        spec = specs().get(self.engine_name)
        return spec is not None and "text" in spec.prompts

    def _say_which_label(self, proposal: Proposal) -> None:
        """Say, once for a text and a label, that what was found for words that may mean another thing gets it."""
        words, label = self.own_words(proposal), label_for(proposal.label_id, self.labels)
        told = words, proposal.label_id
        is_guessed = label is not None and label_of_text(words, self.labels, active=label) is None
        if words and label is not None and is_guessed and told != self._told:
            self._told = told
            kept = f"Accepting keeps '{shortened(words)}' as {label.name}"
            self.message.emit(f"{kept}; right-click it for another label.", "")

    def _propose_if_untouched(self) -> None:
        annotation = self.annotation
        if self._frame is None or annotation is None or not self.auto_propose:
            return
        if annotation.status == "untouched" and not annotation.regions and not self.proposals:
            self._proposing.request(self._frame, self._default_prompt(), automatic=True)

    def _on_proposals(self, frame: Frame, prompt: Prompt, found: tuple[Proposal, ...], automatic: bool) -> None:
        self._tell_anew(NO_PROPOSAL)
        self._note_warning(frame.ref, found)
        annotation = self._book.get(frame.ref.key)
        if annotation is None or (automatic and (annotation.regions or annotation.status != "untouched")):
            # The person was quicker: a late proposal would lie over their drawing.
            return
        good = labelled(usable(found, frame), self.labels)
        self._without.pop(frame.ref.key, None)
        if good:
            self._say_which_label(good[0])
        else:
            self._without[frame.ref.key] = prompt
        self._offer(annotation, good, words=self._prompt_text if prompt.text == self._prompt_text else "")
        self._warm_upcoming()

    def _note_warning(self, ref: FrameRef, found: Sequence[Proposal]) -> None:
        """Remember what the engine warns of about a frame, also where it found nothing in it."""
        warning = next((item.image_warning for item in found if item.image_warning), "")
        of_source = self._warnings.setdefault(ref.source_key, {})
        before = of_source.pop(ref.key, "")
        if warning:
            of_source[ref.key] = warning
        if warning != before:
            self.source_state_changed.emit(ref.source_key)

    def _offer(
        self,
        annotation: Annotation,
        good: tuple[Proposal, ...],
        *,
        beside: tuple[Proposal, ...] = (),
        words: str = "",
        erased: bool = False,
    ) -> None:
        """Let an answer wait in the place of what waited before, `beside` what stays of that, and tell the journal.

        `words` are what a person wrote and is answered here, "" where nothing was written. `erased` says that an empty
        answer is what a person's corrections left of an outline.
        """
        key = annotation.frame_key
        self._proposing.put(key, (*good, *beside))
        if self._saver is not None:
            self._saver.log(
                [
                    provenance.event(annotation, "proposed", proposal=proposal, seconds=proposal.seconds)
                    for proposal in good
                ]
            )
        if not good:
            self.message.emit(_NOTHING_LEFT if erased else nothing_found(words), "")
        self.proposals_changed.emit(key)

    def _on_engine_state(self) -> None:
        self.busy_changed.emit("Loading the engine" if self.engine_state == "starting" else "")
        self.engine_changed.emit()

    def _on_prefetched(self, frame: Frame) -> None:
        self._upcoming = frame
        self._warm_upcoming()

    def _warm_upcoming(self) -> None:
        frame = self._upcoming
        if (
            frame is not None
            and self.auto_propose
            and frame.ref.key not in self._book.statuses_of(frame.ref.source_key)
        ):
            self._proposing.warm(frame)


def nothing_found(words: str = "") -> str:
    """Return what is said where nothing was found, for what a person wrote or for the label's own words."""
    if not words:
        return _FOUND_NOTHING
    return f"{_NOT_FOUND} '{shortened(words)}'; point at it with Q, or empty the text to ask for the label."


def says_nothing_found(text: str) -> bool:
    """Return whether a message says that nothing was found, or that nothing is left of an outline."""
    return text.startswith((_FOUND_NOTHING, _NOT_FOUND, _NOTHING_LEFT))
