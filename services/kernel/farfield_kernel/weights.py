"""Weight versions: a sealed folder in Hugging Face format, and its manifest of SHA-256 sums."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from farfield_kernel.errors import DataLoss, NotFound

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Weights:
    """One published version. `version` counts from 0, the checkpoint that the run started from."""

    run_id: str
    version: int
    digest: str
    path: str


def seal(folder: Path, run_id: str, version: int, parent: int | None = None) -> Weights:
    """Writes the manifest of a complete folder, durably: after this the version may be announced."""
    files = {name: _sum(folder / name) for name in _names(folder)}
    for name in files:
        _sync(folder / name)
    record = {"run_id": run_id, "version": version, "parent": parent, "files": files}
    write_durably(folder / MANIFEST, json.dumps(record, indent=1, sort_keys=True).encode())
    return Weights(run_id, version, _sum(folder / MANIFEST), str(folder))


def verify(folder: Path) -> Weights:
    """The sealed version in `folder`; DataLoss names the file that is torn, changed or missing."""
    manifest = folder / MANIFEST
    if not os.path.exists(manifest):  # Path.exists raises where no file can have such a name
        raise NotFound(f"{folder} holds no sealed weights: {MANIFEST} is missing")
    try:
        record = json.loads(manifest.read_bytes())
        run_id, version, files = record["run_id"], record["version"], record["files"]
    except (ValueError, KeyError, TypeError) as error:
        raise DataLoss(f"{manifest} is torn: {error!r}; publish the version again") from None
    for name, digest in files.items():
        path = folder / name
        if not path.is_file():
            raise DataLoss(f"weights {folder} are torn: {name} is missing")
        if _sum(path) != digest:
            raise DataLoss(f"weights {folder} are torn: {name} is not what was published")
    return Weights(run_id, version, _sum(manifest), str(folder))


def fingerprint(folder: Path) -> str:
    """SHA-256 over the names and sums of every file of a checkpoint, sealed or not."""
    lines = [f"{name} {_sum(folder / name)}\n" for name in _names(folder)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def write_durably(path: Path, data: bytes) -> None:
    """Writes aside, fsyncs and renames: readers see the old file or the whole new one."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    _sync(path.parent)


def _names(folder: Path) -> list[str]:
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return sorted(str(path.relative_to(folder)) for path in paths)


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
