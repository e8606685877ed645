"""What an evaluation was about: who was asked, and on what data."""

from dataclasses import dataclass

from usassist.core.evaluation.against import Against
from usassist.core.evaluation.classification import ClassFacts, Classification
from usassist.core.evaluation.curves import Epoch
from usassist.core.evaluation.mistakes import Mistake
from usassist.core.metrics.retrieval import Retrieval


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """What was run on what; None where it does not apply, for instance an engine without weights.

    `marks` says what became of burned-in calipers and texts in what the engine saw: keep, remove or add.
    `compute_precision` is what large products were computed in: fp32, bf16 or int8.
    `data` names the data and `split` the part of it. `data_fingerprint` replaces the one over the truth masks where the
    data has one of its own. `classes` says who named the classes and what was said of each image, `classification` how
    right that was, `mistakes` the surest of those that were wrong. `against` is what became better than in an earlier
    evaluation, `epochs` how the model was trained, empty where that is not known. `failed` lists the inputs that could
    not be evaluated as (input, reason).
    """

    model: str | None = None
    engine: str | None = None
    weights_hash: str | None = None
    prompt: str | None = None
    marks: str | None = None
    device: str | None = None
    compute_precision: str | None = None
    data: str | None = None
    split: str | None = None
    data_fingerprint: str | None = None
    classification: Classification | None = None
    classes: ClassFacts | None = None
    retrieval: Retrieval | None = None
    mistakes: tuple[Mistake, ...] = ()
    against: Against | None = None
    epochs: tuple[Epoch, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
