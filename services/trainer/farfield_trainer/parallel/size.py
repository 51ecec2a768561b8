"""How large a checkpoint's model is, before it is loaded."""

import math
from pathlib import Path
from typing import Literal

from farfield_kernel.adapters import header, whole_model
from farfield_kernel.errors import NotFound
from farfield_trainer.parallel.config import Kind

SHARDED_FROM = 1_000_000_000
"""Parameters. AdamW in float32 takes 16 bytes for each on every rank that holds it."""


def kind_for(kind: Literal["auto", "ddp", "fsdp2"], base: Path) -> Kind:
    """What `auto` means for a base."""
    if kind != "auto":
        return kind
    return "fsdp2" if parameters(base) >= SHARDED_FROM else "ddp"


def parameters(base: Path) -> int:
    """As the headers of its safetensors say; what is tied is there once. Of an adapter those below it."""
    files = sorted(whole_model(base).glob("*.safetensors"))
    if not files:
        raise NotFound(f"no model can be loaded from '{base}': it has no *.safetensors")
    return sum(_elements(path) for path in files)


def _elements(path: Path) -> int:
    tensors = header(path)
    return sum(math.prod(entry["shape"]) for name, entry in tensors.items() if name != "__metadata__")
