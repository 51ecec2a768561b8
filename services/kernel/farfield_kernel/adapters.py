"""Adapters (LoRA) on disk, in peft's format: which folders hold one, what it goes over. Knows no torch."""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from farfield_kernel.errors import DataLoss, FailedPrecondition, NotFound

CONFIG, TENSORS = "adapter_config.json", "adapter_model.safetensors"
BASE_DIGEST = "base_digest"
"""In the header of an adapter's tensors: `model_digest` of the model that it was trained over."""
_HEAD_BYTES = 8


@dataclass(frozen=True, slots=True)
class Base:
    """What an adapter goes over: a folder as the trainer saw it, and the digest of the model in it. Adapters
    that others have made have no digest."""

    folder: Path
    digest: str


def is_adapter(folder: Path) -> bool:
    return (folder / CONFIG).is_file()


def base_of(folder: Path) -> Base:
    """Of the adapter in a folder; DataLoss where its files are torn."""
    try:
        named = json.loads((folder / CONFIG).read_bytes()).get("base_model_name_or_path") or ""
        noted = header(folder / TENSORS).get("__metadata__", {})
    except (OSError, ValueError, AttributeError) as error:
        raise DataLoss(f"the adapter in {folder} is torn: {error!r}; publish it again") from None
    return Base(Path(named), str(noted.get(BASE_DIGEST, "")))


def base_folder(folder: Path, instead: Path | None = None) -> Path:
    """Where the model is that the adapter in `folder` goes over: where the adapter says, or `instead` where
    that is the same model. FailedPrecondition where neither is."""
    base = base_of(folder)
    candidates = [base.folder, *([instead] if instead else [])]
    for candidate in candidates:
        if (candidate / "config.json").is_file() and base.digest in ("", model_digest(candidate)):
            return candidate
    looked = " or ".join(map(str, candidates))
    raise FailedPrecondition(
        f"{folder} is an adapter over {base.folder} (digest {base.digest[:12]}), and that model is not in "
        f"{looked} here: put the model that the run started from there"
    )


def whole_model(folder: Path) -> Path:
    """The folder below all adapters: itself where it is none."""
    while is_adapter(folder):
        folder = base_folder(folder)
    return folder


def model_digest(folder: Path) -> str:
    """SHA-256 over the names and sums of a model's tensors; an adapter's tensors name their base by digest,
    so this is of all of them. NotFound where there are none."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise NotFound(f"no model can be loaded from '{folder}': it has no *.safetensors")
    lines = [f"{file.name} {_sum(file, file.stat().st_size, file.stat().st_mtime_ns)}\n" for file in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@lru_cache(maxsize=256)
def _sum(file: Path, _size: int, _changed: int) -> str:
    """A base has to be read through once, and not for each adapter over it."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def header(file: Path) -> dict[str, Any]:
    """Of a file of safetensors: shape and type of each tensor by name, and `__metadata__`."""
    with file.open("rb") as opened:
        return dict(json.loads(opened.read(int.from_bytes(opened.read(_HEAD_BYTES), "little"))))
