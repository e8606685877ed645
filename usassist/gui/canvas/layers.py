"""Everything that lies on the scene, from the picture up to what the tool draws."""

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QGraphicsScene

from usassist.core.domain import Mask, Proposal, Region
from usassist.gui.canvas.contour_item import ContourItem
from usassist.gui.canvas.frame_item import FrameItem
from usassist.gui.canvas.mask_item import MaskItem
from usassist.gui.canvas.overlay_item import ScanRegionItem, ToolItem
from usassist.gui.canvas.preview_item import PreviewItem
from usassist.gui.commands.paint import target_of
from usassist.gui.document import Document

_UNKNOWN = "#999999"
_FADED = 0.4
"""How much is seen of a region while an outline waits that would replace it."""
_FRAME, _SCAN, _MASK, _CONTOUR, _PROPOSAL, _PREVIEW, _TOOL = (float(z) for z in range(0, 7000, 1000))


@dataclass(frozen=True)
class _RegionItems:
    mask: MaskItem
    contour: ContourItem


class Layers:
    """The items of the scene, kept in step with a document: an item is made once and rebuilt only when it changed."""

    def __init__(self, scene: QGraphicsScene) -> None:
        self._scene = scene
        self.frame = FrameItem()
        self.scan = ScanRegionItem()
        self.preview = PreviewItem()
        self.tool = ToolItem()
        for item, z in ((self.frame, _FRAME), (self.scan, _SCAN), (self.preview, _PREVIEW), (self.tool, _TOOL)):
            item.setZValue(z)
            scene.addItem(item)
        self.scan.hide()
        self._regions: dict[str, _RegionItems] = {}
        self._proposals: list[ContourItem] = []
        self._opacity = 0.35
        self._scale = 1.0
        self._visible = True
        self._standing_in: Region | Proposal | None = None
        self._previewing = False

    @property
    def opacity(self) -> float:
        return self._opacity

    @property
    def visible(self) -> bool:
        return self._visible

    def set_opacity(self, opacity: float) -> None:
        """Set how much of the picture every mask covers, 0 to 1."""
        self._opacity = min(max(opacity, 0.0), 1.0)
        for items in self._regions.values():
            items.mask.set_opacity(self._opacity * items.contour.opacity())

    def set_visible(self, document: Document | None, *, visible: bool) -> None:
        """Show or hide regions and proposals."""
        self._visible = visible
        self._show(document)

    def set_scale(self, scale: float, *, bounds: QRectF) -> None:
        """Follow the view: screen pixels per image pixel, and how far the scene reaches."""
        self.tool.scale_of_view = scale
        self.tool.set_bounds(bounds)
        self.preview.set_scale(scale)
        self._scale = scale
        for item in (*self._proposals, *(items.contour for items in self._regions.values())):
            item.set_scale(scale)

    def sync(self, document: Document) -> None:
        """Bring regions, proposals and scan regions in line with the document's current frame."""
        regions = document.annotation.regions if document.annotation is not None else ()
        self.scan.set_regions(document.frame.regions if document.frame is not None else ())
        for region_id in self._regions.keys() - {region.id for region in regions}:
            self._drop(region_id)
        colours = {label.id: label.colour for label in document.labels}
        selected = document.selected_region
        for rank, region in enumerate(regions):
            chosen = selected is not None and region.id == selected.id
            self._set_region(region, QColor(colours.get(region.label_id, _UNKNOWN)), rank=rank, selected=chosen)
        self._set_proposals(document)
        self._fade({proposal.refines for proposal in document.proposals})
        self._show(document)

    def preview_stroke(
        self, document: Document, added: Mask, *, whole: Mask, erase: bool, waiting: Sequence[Proposal]
    ) -> None:
        """Show a stroke on the region it will change, which may become another one while the stroke goes on."""
        target = target_of(document, whole, erase=erase, waiting=waiting)
        if self._previewing and target is self._standing_in:
            self.preview.apply(added, erase=erase)
            return
        self._standing_in, self._previewing = target, True
        mask = target.mask if target is not None else Mask.empty(whole.shape)
        self.preview.begin(mask, self._colour_of(document, target), opacity=self._opacity)
        self.preview.apply(whole, erase=erase)
        self._show(document)

    def preview_mask(self, document: Document, region_id: str, mask: Mask) -> None:
        """Show another mask in place of a region's own."""
        if not self._previewing:
            region = document.annotation.region(region_id) if document.annotation is not None else None
            if region is None:
                return
            self._standing_in, self._previewing = region, True
            self.preview.begin(region.mask, self._colour_of(document, region), opacity=self._opacity)
            self._show(document)
        self.preview.replace(mask)

    def clear_preview(self, document: Document | None) -> None:
        """Show the annotation as it is."""
        if self._previewing:
            self._previewing, self._standing_in = False, None
            self.preview.end()
            self._show(document)

    def _set_region(self, region: Region, colour: QColor, *, rank: int, selected: bool) -> None:
        items = self._regions.get(region.id)
        if items is None:
            items = self._regions[region.id] = _RegionItems(MaskItem(), ContourItem())
            items.mask.set_opacity(self._opacity)
            items.contour.set_scale(self._scale)
            self._scene.addItem(items.mask)
            self._scene.addItem(items.contour)
        items.mask.setZValue(_MASK + rank)
        items.contour.setZValue(_CONTOUR + rank + (500 if selected else 0))
        items.mask.set_mask(region.mask, colour)
        items.contour.set_mask(region.mask, colour, selected=selected)

    def _set_proposals(self, document: Document) -> None:
        proposals = document.proposals
        while len(self._proposals) > len(proposals):
            self._scene.removeItem(self._proposals.pop())
        while len(self._proposals) < len(proposals):
            item = ContourItem(waiting=True)
            item.setZValue(_PROPOSAL)
            item.set_scale(self._scale)
            self._scene.addItem(item)
            self._proposals.append(item)
        for item, proposal in zip(self._proposals, proposals, strict=True):
            item.set_mask(proposal.mask, self._colour_of(document, proposal))

    def _fade(self, refined: set[str | None]) -> None:
        for region_id, items in self._regions.items():
            seen = _FADED if region_id in refined else 1.0
            items.contour.setOpacity(seen)
            items.mask.set_opacity(self._opacity * seen)

    def _drop(self, region_id: str) -> None:
        items = self._regions.pop(region_id)
        self._scene.removeItem(items.mask)
        self._scene.removeItem(items.contour)

    def _show(self, document: Document | None) -> None:
        """Show what is to be seen: all but what the preview stands in for, or nothing while masks are hidden."""
        hidden = self._standing_in
        for region_id, items in self._regions.items():
            seen = self._visible and not (isinstance(hidden, Region) and hidden.id == region_id)
            items.mask.setVisible(seen)
            items.contour.setVisible(seen)
        proposals = document.proposals if document is not None else ()
        for index, item in enumerate(self._proposals):
            item.setVisible(self._visible and not (index < len(proposals) and proposals[index] is hidden))

    def _colour_of(self, document: Document, target: Region | Proposal | None) -> QColor:
        if target is None:
            return QColor(document.active_label.colour)
        if isinstance(target, Proposal):
            stands_for = document.label_of(target.label_id)
            return QColor(stands_for.colour if stands_for is not None else _UNKNOWN)
        return QColor(next((label.colour for label in document.labels if label.id == target.label_id), _UNKNOWN))
