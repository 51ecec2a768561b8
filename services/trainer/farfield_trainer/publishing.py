"""Weight versions for the lane's policies, in Hugging Face format. Version v is the state after v updates."""

import logging
from collections.abc import Callable, Collection
from pathlib import Path

from farfield_kernel.errors import Exhausted, FarfieldError
from farfield_kernel.weight_stores.contract import WeightStore
from farfield_kernel.weights import Weights
from farfield_trainer.sealed import staged

log = logging.getLogger(__name__)


class Publisher:
    """The published versions of one run. Each is written and sealed in `folder` before the store takes it."""

    def __init__(self, store: WeightStore, folder: Path, run_id: str, keep: int) -> None:
        self._store, self._folder, self._run_id, self._keep = store, folder, run_id, keep

    def publish(self, version: int, parent: int | None, save_pretrained: Callable[[Path], None]) -> Weights:
        """Writes a version; the same weights again change nothing."""
        target = self._folder / f"{version:06d}"
        try:
            with staged(target, self._run_id, version, save_pretrained, parent=parent) as sealed:
                return self._store.put(sealed)
        except Exhausted as error:
            raise Exhausted(f"version {version} was not published: {error}; free space and resume") from error

    def find(self, version: int) -> Weights:
        """A version published before; DataLoss or NotFound when it is torn or gone."""
        return self._store.find(version)

    def prune(self, needed: Collection[int]) -> list[int]:
        """Removes all but the last few versions and those that are needed; those that are left. What cannot
        be removed now is removed with the next."""
        left: list[int] = []
        try:
            left = self._store.versions()
            for version in left[: -self._keep]:
                if version not in needed:
                    self._store.remove(version)
                    left = [one for one in left if one != version]
        except FarfieldError as error:
            log.warning("old versions are still there: %s", error)
        return left
