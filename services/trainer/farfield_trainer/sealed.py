"""Folders that are there whole or not at all: written aside, sealed with SHA-256 sums, fsynced, renamed."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from safetensors import SafetensorError

from farfield_kernel.errors import Exhausted
from farfield_kernel.weights import MANIFEST, Weights, seal

ASIDE = ".partial"


def write_sealed(
    target: Path, run_id: str, version: int, fill: Callable[[Path], None], *, parent: int | None = None
) -> Weights:
    """Makes `target` from what `fill` writes into an empty folder. A folder that is there with the same
    content stays untouched; Exhausted when the disk takes no more, and then nothing has changed."""
    aside = target.with_name(target.name + ASIDE)
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        fill(aside)
        sealed = seal(aside, run_id, version, parent)
        _move(aside, target)
        _sync(target.parent)
    except (OSError, SafetensorError) as error:
        raise Exhausted(f"{target} could not be written: {error}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return replace(sealed, path=str(target))


def _move(aside: Path, target: Path) -> None:
    if target.exists():
        if _same(aside, target):
            return
        shutil.rmtree(target)
    aside.rename(target)


def _same(one: Path, other: Path) -> bool:
    manifest = other / MANIFEST
    return manifest.is_file() and manifest.read_bytes() == (one / MANIFEST).read_bytes()


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
