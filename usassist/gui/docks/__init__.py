"""The panels around the canvas; each knows the document and no other panel."""
