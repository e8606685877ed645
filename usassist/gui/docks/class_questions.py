"""The questions of the classes panel: the vocabulary's ensembles, the person's own, and how a person worded them."""

from usassist.core.errors import UsassistError
from usassist.core.evaluation.zero_shot import PromptSet
from usassist.gui.settings import Settings, Wording

Classes = tuple[tuple[str, tuple[str, ...]], ...]
"""Each class with its prompts, in order."""
OWN = "own"
"""The question that belongs to the person; it begins with the classes that training captions have."""


class Questions:
    """Which question is asked, and in which words; the vocabulary is read by `fill`, not with the window."""

    def __init__(self, settings: Settings) -> None:
        self.name = settings.question
        self._worded: dict[str, Classes] = {wording.question: wording.classes for wording in settings.wordings}
        self._shipped: dict[str, Classes] = {}

    @property
    def is_filled(self) -> bool:
        return bool(self._shipped)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._shipped)

    @property
    def classes(self) -> Classes:
        """Return the classes of the question that is asked, in the person's words or the vocabulary's."""
        return self._worded.get(self.name, self._shipped.get(self.name, ()))

    @property
    def prompts(self) -> PromptSet | None:
        """Return the prompts of the classes that have any, None where fewer than two are left."""
        try:
            return PromptSet.of({name: prompts for name, prompts in self.classes if prompts})
        except UsassistError:
            return None

    @property
    def wordings(self) -> tuple[Wording, ...]:
        """Return the questions that are worded in another way than the vocabulary does."""
        return tuple(Wording(question, classes) for question, classes in sorted(self._worded.items()))

    def fill(self) -> None:
        """Read the vocabulary; a question that is not among its ensembles becomes the first one."""
        from usassist.core.captions.vocabulary import load_vocabulary  # the first paint does not wait for it

        vocabulary = load_vocabulary()
        self._shipped = {name: tuple(found.classes.items()) for name, found in vocabulary.ensembles.items()}
        self._shipped[OWN] = tuple(vocabulary.captions.items())
        if self.name not in self._shipped:
            self.name = next(iter(self._shipped))

    def reword(self, classes: Classes) -> None:
        """Ask the question in these words from now on."""
        if classes == self._shipped.get(self.name):
            self._worded.pop(self.name, None)
        else:
            self._worded[self.name] = classes

    def reset(self) -> None:
        """Ask the question in the vocabulary's words again."""
        self._worded.pop(self.name, None)

    def is_reworded(self, name: str) -> bool:
        """Return whether a question is asked in a person's words."""
        return name in self._worded


def title(question: str) -> str:
    """Return a question's name as people write it."""
    if question == OWN:
        return "Own classes"
    words = question.removesuffix("-named").replace("_", " ").capitalize()
    return f"{words}, classes named" if question.endswith("-named") else words
