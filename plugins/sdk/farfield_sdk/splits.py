"""Tasks that training never plays."""

from hashlib import sha256
from typing import Literal

Split = Literal["all", "train", "heldout"]
"""`heldout`: about one task in five; `train`: the others."""
_HELD_OUT_ONE_IN = 5


def in_split(task: str, split: Split) -> bool:
    """Whether a task belongs to the split, by a hash of what names it: its text, or what is the same under
    every rule and look. Seeds that differ may draw the same task, so they part nothing."""
    held_out = int.from_bytes(sha256(task.encode()).digest()[:8], "big") % _HELD_OUT_ONE_IN == 0
    return split == "all" or held_out == (split == "heldout")
