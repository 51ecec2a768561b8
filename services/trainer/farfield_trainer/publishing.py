"""Weight versions on disk: `<folder>/000012/` in Hugging Face format, sealed. Version v is the state after v
updates; 0 is the base."""

import logging
import shutil
from collections.abc import Callable, Collection
from pathlib import Path

from farfield_kernel.errors import Exhausted
from farfield_kernel.weights import Weights, verify
from farfield_trainer.sealed import write_sealed

log = logging.getLogger(__name__)


class Publisher:
    """The published versions of one run."""

    def __init__(self, folder: Path, run_id: str, keep: int) -> None:
        self._folder, self._run_id, self._keep = folder, run_id, keep

    def publish(self, version: int, parent: int | None, save_pretrained: Callable[[Path], None]) -> Weights:
        """Writes a version; the same weights again change nothing."""
        try:
            return write_sealed(self._path(version), self._run_id, version, save_pretrained, parent=parent)
        except Exhausted as error:
            raise Exhausted(f"version {version} was not published: {error}; free space and resume") from error

    def find(self, version: int) -> Weights:
        """A version published before; DataLoss or NotFound when it is torn or gone."""
        return verify(self._path(version))

    def prune(self, needed: Collection[int]) -> None:
        """Removes all but the last few versions and those that are needed."""
        versions = sorted(int(item.name) for item in self._folder.iterdir() if item.name.isdigit())
        for version in versions[: -self._keep]:
            if version not in needed:
                shutil.rmtree(self._path(version))

    def _path(self, version: int) -> Path:
        return self._folder / f"{version:06d}"
