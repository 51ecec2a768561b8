"""Weight versions: a sealed folder in Hugging Face format, and its manifest of SHA-256 sums."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from farfield_kernel.adapters import base_of, is_adapter
from farfield_kernel.errors import DataLoss, NotFound

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Weights:
    """One published version. `version` counts from 0, the checkpoint that the run started from. `path`: its
    folder, or its URL in an object store."""

    run_id: str
    version: int
    digest: str
    path: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a version consists of. `files`: SHA-256 by name, relative to the version's folder."""

    run_id: str
    version: int
    files: Mapping[str, str]
    digest: str
    """Of the manifest itself, and so of the version."""

    @classmethod
    def read(cls, data: bytes, where: str) -> "Manifest":
        """DataLoss for one that is torn, or names a file outside of its folder."""
        try:
            record = json.loads(data)
            run_id, version, files = record["run_id"], int(record["version"]), dict(record["files"])
        except (ValueError, KeyError, TypeError) as error:
            raise DataLoss(f"{where} is torn: {error!r}; publish the version again") from None
        if strange := [name for name in files if not _stays_inside(name)]:
            raise DataLoss(f"{where} names a file outside of its folder: {strange[0]!r}")
        return cls(run_id, version, files, hashlib.sha256(data).hexdigest())

    def weights(self, path: str) -> Weights:
        return Weights(self.run_id, self.version, self.digest, path)


def seal(folder: Path, run_id: str, version: int, parent: int | None = None) -> Weights:
    """Writes the manifest of a complete folder, durably: after this the version may be announced. Of an
    adapter it names the model below, by digest."""
    files = {name: sum_of(folder / name) for name in _names(folder)}
    for name in files:
        sync(folder / name)
    record: dict[str, Any] = {"run_id": run_id, "version": version, "parent": parent, "files": files}
    if is_adapter(folder):
        record["base"] = base_of(folder).digest
    write_durably(folder / MANIFEST, json.dumps(record, indent=1, sort_keys=True).encode())
    return Weights(run_id, version, sum_of(folder / MANIFEST), str(folder))


def verify(folder: Path) -> Weights:
    """The sealed version in `folder`; DataLoss names the file that is torn, changed, missing or no file."""
    try:
        return _verified(folder)
    except FileNotFoundError as error:
        raise NotFound(f"{folder} was removed while it was read: {error}") from error
    except OSError as error:
        raise DataLoss(f"weights {folder} cannot be read: {error}") from error


def _verified(folder: Path) -> Weights:
    path = folder / MANIFEST
    if not os.path.exists(path):  # Path.exists raises where no file can have such a name
        raise NotFound(f"{folder} holds no sealed weights: {MANIFEST} is missing")
    manifest = Manifest.read(path.read_bytes(), str(path))
    for name, digest in manifest.files.items():
        if not (folder / name).is_file():
            raise DataLoss(f"weights {folder} are torn: {name} is missing")
        if sum_of(folder / name) != digest:
            raise DataLoss(f"weights {folder} are torn: {name} is not what was published")
    return manifest.weights(str(folder))


def fingerprint(folder: Path) -> str:
    """SHA-256 over the names and sums of every file of a checkpoint, sealed or not."""
    lines = [f"{name} {sum_of(folder / name)}\n" for name in _names(folder)]
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
    sync(path.parent)


def _stays_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts


def _names(folder: Path) -> list[str]:
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return sorted(str(path.relative_to(folder)) for path in paths)


def sum_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Returns when a file, or what a folder lists, is on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
