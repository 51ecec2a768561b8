"""Folders that are there whole or not at all: written aside, sealed with SHA-256 sums, fsynced, renamed."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from farfield_kernel.errors import Exhausted, FailedPrecondition
from farfield_kernel.weight_stores.folder import moved
from farfield_kernel.weights import Weights, seal

ASIDE = ".partial"
_FULL = re.compile(r"no space left|quota exceeded", re.IGNORECASE)
"""Not every error has a number: those of safetensors and of other ranks are words."""


@contextmanager
def staged(
    target: Path, run_id: str, version: int, fill: Callable[[Path], None], *, parent: int | None = None
) -> Iterator[Weights]:
    """A sealed folder beside `target` with what `fill` writes, gone at the end of the block. Exhausted when
    the disk takes no more, FailedPrecondition when it cannot be written otherwise."""
    aside = target.with_name(target.name + ASIDE)
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        fill(aside)
        yield seal(aside, run_id, version, parent)
    except (OSError, SafetensorError) as error:
        said = f"{target} could not be written: {error}"
        if _FULL.search(said):
            raise Exhausted(said) from error
        raise FailedPrecondition(f"{said}; cure it and resume the run") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def write_sealed(target: Path, run_id: str, version: int, fill: Callable[[Path], None]) -> Weights:
    """Makes `target` from what `fill` writes into an empty folder. A folder that is there with the same
    content stays untouched; on a failure nothing has changed."""
    with staged(target, run_id, version, fill) as sealed:
        return moved(sealed, target)
