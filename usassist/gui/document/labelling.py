"""The half of the document that knows the labels, and adds one where an accepted class has none."""

from collections.abc import Iterable

from PySide6.QtCore import QObject

from usassist.core.captions.asked_label import name_of_title
from usassist.core.domain import Annotation, Label, Reader
from usassist.core.errors import ProjectError
from usassist.core.project.labels import label_for, label_of_class
from usassist.gui.document.clicking import DocumentClicking


class DocumentLabelling(DocumentClicking):
    """A region's label is one of the project's: what a model names otherwise is only a proposal's name until then."""

    def __init__(self, parent: QObject | None, *, reader: Reader | None) -> None:
        super().__init__(parent, reader=reader)
        self._made: dict[str, Label] = {}
        self._to_drop: dict[str, Label] = {}

    def set_labels(self, labels: tuple[Label, ...]) -> None:
        """Use other labels in this project; at least one, with ids that differ, and none that is in use may vanish."""
        if not labels or len({label.id for label in labels}) != len(labels):
            raise ProjectError("A project needs at least one label, and every label an id of its own.")
        if self._session is not None and self._saver is not None:
            self._session.set_labels(labels)
            self._saver.write_labels(labels, answered=self._update_dirty)
            self.labels_changed.emit()
            self.active_label_changed.emit(self.active_label.id)

    def label_of(self, label_id: str) -> Label | None:
        """Return the label that stands for a proposal's label id, which may be a class's name; None where none does."""
        return label_for(self._class_of(label_id), self.labels)

    def label_name(self, label_id: str) -> str:
        """Return the name of the label that stands for a proposal's label id, else the class's own."""
        label = self.label_of(label_id) or self._made.get(label_id)
        return label.name if label is not None else label_id

    def labels_for(self, label_ids: Iterable[str]) -> tuple[Label, ...]:
        """Return a label for each proposal's label id; classes that no label stands for get one, each its own.

        Only commands call this; `take_back_labels` is the way back.
        """
        labels, found = self.labels, []
        for label_id in label_ids:
            label = label_for(self._class_of(label_id, labels), labels)
            if label is None:
                label = self._new_label(label_id, labels)
                labels = (*labels, label)
            found.append(label)
        if labels != self.labels:
            self.set_labels(labels)
        return tuple(found)

    def take_back_labels(self) -> None:
        """Remove the labels that `labels_for` added; one that was edited since, is drawn with or is in use stays."""
        used = self._book.label_ids() | {self.active_label.id}
        gone = [label for label in self._made.values() if label in self.labels and label.id not in used]
        if gone:
            self._to_drop.update({label.id: label for label in gone})
            self.set_labels(tuple(label for label in self.labels if label not in gone))
            self._drop_labels()

    def _class_of(self, label_id: str, labels: tuple[Label, ...] | None = None) -> str:
        """Return the class that a label, which was added for it and is gone, stood for; any other id as it is."""
        known = any(label.id == label_id for label in (self.labels if labels is None else labels))
        return self._made[label_id].caption if not known and label_id in self._made else label_id

    def _new_label(self, label_id: str, labels: tuple[Label, ...]) -> Label:
        """Return the label that was added for this class before and is gone now, else a new one."""
        known = {label.id for label in labels}
        gone = [label for label in self._made.values() if label.id not in known]
        label = label_for(label_id, gone) or label_of_class(
            label_id, labels, taken=self._made.keys(), wanted_id=name_of_title(label_id)
        )
        self._made[label.id] = label
        return label

    def _bring_back(self, annotation: Annotation) -> None:
        """Add again what was taken back and a region has once more, for instance after a redo."""
        known = {label.id for label in self.labels}
        wanted = dict.fromkeys(region.label_id for region in annotation.regions if region.label_id not in known)
        back = tuple(self._made[label_id] for label_id in wanted if label_id in self._made)
        if back:
            self.set_labels((*self.labels, *back))

    def _drop_labels(self) -> None:
        """Remove from project.json what was taken back and no saved frame has either: a crash leaves no orphan."""
        if not self._to_drop:
            return
        doubtful = (annotation for tried in self._doubtful.values() for annotation in tried)
        saved = self._book.label_ids(on_disk=True, writing=(*self._saving.values(), *doubtful))
        known = {label.id for label in self.labels}
        self._to_drop = {label_id: label for label_id, label in self._to_drop.items() if label_id not in known}
        free = [label for label in self._to_drop.values() if label.id not in saved]
        if free and self._saver is not None:
            self._saver.drop_labels(free)
            self._to_drop = {key: label for key, label in self._to_drop.items() if label not in free}

    def _on_saved(self, annotation: Annotation) -> None:
        super()._on_saved(annotation)
        self._drop_labels()

    def _forget_work(self) -> None:
        super()._forget_work()
        self._made.clear()
        self._to_drop.clear()
