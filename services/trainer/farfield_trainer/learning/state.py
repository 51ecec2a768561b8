"""A learner's state in a folder: tensors as safetensors, counters as JSON."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from farfield_kernel.errors import DataLoss

TENSORS, COUNTERS = "learner.safetensors", "learner.json"
_PARTS = ("weights", "optimizer")


def write(folder: Path, state: dict[str, Any]) -> None:
    """`state` as `Learner.state` gives it."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        f"{part}:{name}": item.contiguous().cpu() for part in _PARTS for name, item in state[part].items()
    }
    save_file(tensors, folder / TENSORS)
    counters = {name: value for name, value in state.items() if name not in _PARTS}
    (folder / COUNTERS).write_text(json.dumps(counters))


def read(folder: Path, device: torch.device) -> dict[str, Any]:
    """What `write` wrote; DataLoss when a file is missing or torn."""
    try:
        tensors = load_file(folder / TENSORS, device=str(device))
        state: dict[str, Any] = json.loads((folder / COUNTERS).read_text())
    except (OSError, SafetensorError, ValueError) as error:
        raise DataLoss(f"the learner's state in {folder} cannot be read: {error}") from error
    for part in _PARTS:
        named = {name: item for name, item in tensors.items() if name.startswith(part + ":")}
        state[part] = {name.partition(":")[2]: item for name, item in named.items()}
    return state


def check_same(mine: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    """DataLoss for weights of other names or shapes."""
    wrong = sorted(
        name
        for name in mine.keys() | theirs.keys()
        if name not in mine or name not in theirs or mine[name].shape != theirs[name].shape
    )
    if wrong:
        raise DataLoss(f"the state belongs to another model or algorithm; see {', '.join(wrong[:5])}")
