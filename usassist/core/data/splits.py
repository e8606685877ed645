"""Splits by group: near-duplicates and frames of one patient never stand on both sides."""

import hashlib
from typing import Literal


def split_of_group(group: str, *, val_share: float = 0.2) -> Literal["train", "val"]:
    """Return the side a group belongs to, from a hash of its name: stable as the data grows, the same everywhere."""
    value = int.from_bytes(hashlib.sha256(group.encode()).digest()[:8], "big") / 2**64
    return "val" if value < val_share else "train"
