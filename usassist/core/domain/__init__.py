"""The nouns of usassist: frozen values without input, output, torch or Qt."""

from usassist.core.domain.annotation import Annotation, Project, Reader, SourceEntry, Status
from usassist.core.domain.box import Box
from usassist.core.domain.frame import Frame, FrameRef, ModalityFacts, RegionKind, ScanRegion, Source, Study
from usassist.core.domain.mask import Contour, Mask
from usassist.core.domain.proposal import Prompt, PromptKind, PromptPoint, Proposal
from usassist.core.domain.region import Label, Origin, Region

__all__ = [
    "Annotation",
    "Box",
    "Contour",
    "Frame",
    "FrameRef",
    "Label",
    "Mask",
    "ModalityFacts",
    "Origin",
    "Project",
    "Prompt",
    "PromptKind",
    "PromptPoint",
    "Proposal",
    "Reader",
    "Region",
    "RegionKind",
    "ScanRegion",
    "Source",
    "SourceEntry",
    "Status",
    "Study",
]
