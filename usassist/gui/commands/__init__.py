"""Every change of an annotation: undo commands, and the functions that tools, docks and keys call."""

from usassist.gui.commands import label, paint, proposal, region

__all__ = ["label", "paint", "proposal", "region"]
