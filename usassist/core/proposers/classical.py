"""An engine without weights: the most lesion-like dark spot of a frame, or the one a box or clicks point at.

For comparison with trained models, and for a machine that has none. How it works, on a picture whose longer side is
at most 224 pixels: the grey levels are smoothed and flattened; every dark connected spot at a series of grey levels
is a candidate; a candidate is rated by how much darker it is than the rim around it, how convex it is, where it lies
and how large it is (weights chosen on the training part of BUSI, never on its test part); a box replaces
the search by the ellipse in it, a click asks for the spot under it. After a prompt the outline is settled by GrabCut in
a band around it. Holes are filled.

`presence` is the rating through a logistic curve, `quality` the solidity (area over area of the convex hull) times the
share of the outline across which the picture gets brighter outwards. Neither is calibrated as a probability.
"""

import math
import time
from dataclasses import dataclass

import numpy as np

from usassist.core.domain import Box, Frame, Mask, Prompt, Proposal
from usassist.core.geometry.cv import cv2
from usassist.core.io.display import to_grey8
from usassist.core.proposers.dark_spots import Bits, Stats, View, largest_filled, look, rate, solidity, spots
from usassist.core.proposers.proposer import BuildOptions, ProposerSpec

_CLICK_PULL = 5.0
"""Rating lost by a spot whose edge, not its middle, was clicked; chosen on BUSI's training part."""

_PRESENCE = (1.1, -0.9)
"""Slope and offset of the logistic curve from the rating to the presence, fitted on BUSI's training part."""


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A dark spot of the small picture with its rating."""

    bits: Bits
    rating: float


class ClassicalProposer:
    """The engine; it keeps the last frame's small picture, so a second prompt about a frame costs less."""

    weights_hash = ""

    def __init__(self, *, threshold: float = 0.0) -> None:
        self._threshold = threshold
        self._warm: tuple[Frame, Box, View] | None = None

    @property
    def spec(self) -> ProposerSpec:
        """Return what the engine is."""
        return SPEC

    def warm(self, frame: Frame) -> None:
        """Make the small picture of the frame's largest scan region."""
        self._view(frame, _largest_scan(frame))

    def propose(self, frame: Frame, prompt: Prompt) -> tuple[Proposal, ...]:
        """Answer with one mask for the prompt's label: box and clicks choose among spots; other prompts change nothing.

        A presence below the threshold given when the engine was built makes the mask empty.
        """
        started = time.perf_counter()
        area = _scan_for(frame, prompt)
        view = self._view(frame, area)
        mask, presence, quality = Mask.empty(frame.shape), 0.0, 0.0
        found = _search(view, prompt)
        if found is not None:
            settled = _settle(view, found.bits, prompt) if prompt.kinds & SPEC.prompts else largest_filled(found.bits)
            presence, quality = _presence(found.rating), _quality(view, settled)
            if presence >= self._threshold:
                mask = _to_frame(frame, view, settled, prompt)
        return (
            Proposal(
                frame_key=frame.ref.key,
                label_id=prompt.label_id,
                mask=mask,
                presence=presence,
                quality=quality,
                engine=SPEC.name,
                weights_hash="",
                prompt=prompt,
                seconds=time.perf_counter() - started,
            ),
        )

    def close(self) -> None:
        """Forget the last frame."""
        self._warm = None

    def _view(self, frame: Frame, area: Box) -> View:
        if self._warm is None or self._warm[0] is not frame or self._warm[1] != area:
            self._warm = (frame, area, look(to_grey8(frame), area))
        return self._warm[2]


def _largest_scan(frame: Frame) -> Box:
    """Return the largest part of the frame that shows tissue in grey; the whole frame where nothing is declared."""
    scans = [region.box for region in frame.regions if region.kind in {"b_mode", "sector", "colour_doppler"}]
    whole = Box(0, 0, *frame.shape)
    boxes = [whole.intersection(box) for box in scans or [region.box for region in frame.regions]]
    return max(boxes, key=lambda box: box.height * box.width, default=whole)


def _scan_for(frame: Frame, prompt: Prompt) -> Box:
    """Return the scan region the prompt points at, else the largest one."""
    spot: tuple[float, float] | None = None
    if prompt.box is not None:
        spot = (prompt.box.top + prompt.box.bottom) / 2, (prompt.box.left + prompt.box.right) / 2
    elif any(point.positive for point in prompt.points):
        spot = next((point.y, point.x) for point in prompt.points if point.positive)
    region = frame.region_at(*spot) if spot is not None else None
    return _largest_scan(frame) if region is None else region.box.intersection(Box(0, 0, *frame.shape))


def _search(view: View, prompt: Prompt) -> _Candidate | None:
    """Return the best candidate that the prompt allows, None where there is none."""
    if not view.scan.any():
        return None
    wanted, refused = _clicks(view, prompt)
    box = _box(view, prompt)
    if box is not None:  # a box already says where and how large: no spot beats the ellipse in it as a start
        return _start(view, wanted, box)
    best: _Candidate | None = None
    for spot, stats in spots(view):
        bits = largest_filled(spot) if wanted else spot  # a click may hit a bright grain inside
        if any(not bits[at] for at in wanted) or any(bits[at] for at in refused):
            continue
        rating = rate(view, bits, stats) - _off_centre(stats, wanted)
        if best is None or rating > best.rating:
            best = _Candidate(bits, rating)
    return best if best is not None else _start(view, wanted, None)


def _off_centre(stats: Stats, wanted: list[tuple[int, int]]) -> float:
    """Return what a spot loses because the clicks are not in its middle: people click the middle of what they mean."""
    if not wanted:
        return 0.0
    x, y, width, height = (float(value) for value in stats[:4])
    row, col = np.mean(wanted, axis=0)
    return _CLICK_PULL * math.hypot((col - x) / width - 0.5, (row - y) / height - 0.5)


def _clicks(view: View, prompt: Prompt) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return the (row, col) of positive and negative clicks in the small picture; clicks elsewhere are left out."""
    row_scale, col_scale = view.scale
    places: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
    for point in prompt.points:
        row = int((point.y + 0.5 - view.box.top) * row_scale)
        col = int((point.x + 0.5 - view.box.left) * col_scale)
        if 0 <= row < view.flat.shape[0] and 0 <= col < view.flat.shape[1]:
            places[0 if point.positive else 1].append((row, col))
    return places


def _box(view: View, prompt: Prompt) -> Bits | None:
    """Return the prompt's box in the small picture, None where there is none."""
    if prompt.box is None:
        return None
    row_scale, col_scale = view.scale
    inner = prompt.box.intersection(view.box)
    bits = np.zeros(view.flat.shape, dtype=np.bool_)
    top, left = int((inner.top - view.box.top) * row_scale), int((inner.left - view.box.left) * col_scale)
    bottom = math.ceil((inner.bottom - view.box.top) * row_scale)
    right = math.ceil((inner.right - view.box.left) * col_scale)
    bits[top:bottom, left:right] = True
    return bits


def _start(view: View, wanted: list[tuple[int, int]], box: Bits | None) -> _Candidate | None:
    """Return a start drawn from the prompt alone: the ellipse in the box, or a disc around the first click."""
    rows, cols = view.flat.shape
    start = np.zeros((rows, cols), dtype=np.uint8)
    if box is not None and box.any():
        ys, xs = np.nonzero(box)
        centre = (int(xs.min() + xs.max()) // 2, int(ys.min() + ys.max()) // 2)
        axes = (max(1, int(np.ptp(xs)) * 45 // 100), max(1, int(np.ptp(ys)) * 45 // 100))
        cv2.ellipse(start, centre, axes, 0, 0, 360, 1, cv2.FILLED)
    elif wanted:
        cv2.circle(start, (wanted[0][1], wanted[0][0]), max(2, max(rows, cols) // 16), 1, cv2.FILLED)
    bits = (start > 0) & view.scan
    if not bits.any():
        return None
    stats = cv2.connectedComponentsWithStats(bits.astype(np.uint8))[2][1]
    return _Candidate(bits, rate(view, bits, stats))


def _settle(view: View, bits: Bits, prompt: Prompt) -> Bits:
    """Return the spot with its outline settled by GrabCut in a band around it, one part, holes filled."""
    radius = max(2, round(0.16 * math.sqrt(bits.sum())))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    core = cv2.erode(bits.astype(np.uint8), kernel) > 0
    reach = (cv2.dilate(bits.astype(np.uint8), kernel) > 0) & view.scan
    box = _box(view, prompt)
    if box is not None:
        reach &= box
    wanted, refused = _clicks(view, prompt)
    marks = np.full(bits.shape, cv2.GC_BGD, dtype=np.uint8)
    marks[reach] = cv2.GC_PR_BGD
    marks[reach & bits] = cv2.GC_PR_FGD
    marks[core] = cv2.GC_FGD
    for at in wanted:
        marks[at] = cv2.GC_FGD
    for at in refused:
        marks[at] = cv2.GC_BGD
    if (marks == cv2.GC_BGD).any() and core.any():
        cv2.setRNGSeed(0)
        cv2.grabCut(view.colour, marks, None, np.zeros((1, 65)), np.zeros((1, 65)), 2, cv2.GC_INIT_WITH_MASK)
        bits = (marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD)
    smooth = cv2.morphologyEx(bits.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    return largest_filled(smooth > 0 if smooth.any() else bits)


def _presence(rating: float) -> float:
    """Return the rating through a logistic curve."""
    slope, offset = _PRESENCE
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, slope * rating + offset))))


def _quality(view: View, bits: Bits) -> float:
    """Return solidity times the share of the outline across which the picture gets brighter outwards."""
    outer = cv2.dilate(bits.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    inner = cv2.erode(bits.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    rim = outer & ~bits & view.scan
    if not rim.any() or not bits.any():
        return 0.0
    level = float(view.flat[inner if inner.any() else bits].mean())
    return solidity(bits) * float((view.flat[rim] > level + 0.05).mean())


def _to_frame(frame: Frame, view: View, bits: Bits, prompt: Prompt) -> Mask:
    """Return the small picture's spot at the frame's own size, inside the scan region and the prompt's box."""
    size = (view.box.width, view.box.height)
    fine = cv2.resize(bits.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    full = np.zeros(frame.shape, dtype=np.bool_)
    full[view.box.slices] = fine >= 0.5
    if prompt.box is not None:
        allowed = np.zeros(frame.shape, dtype=np.bool_)
        allowed[prompt.box.intersection(Box(0, 0, *frame.shape)).slices] = True
        full &= allowed
    return Mask.from_array(full)


def _build(options: BuildOptions) -> ClassicalProposer:
    return ClassicalProposer(threshold=options.threshold if options.threshold is not None else 0.0)


SPEC = ProposerSpec("classical", "Classical (no weights)", frozenset({"box", "points"}), (), _build)
