"""The store in a local folder, or a volume that trainer and policies share: `<folder>/000012/`."""

import shutil
from dataclasses import replace
from pathlib import Path

from farfield_kernel.weights import MANIFEST, Weights, sync, verify


class FolderStore:
    """Versions are moved in, so they are sealed on the same file system."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, sealed: Weights) -> Weights:
        return moved(sealed, self._path(sealed.version))

    def find(self, version: int) -> Weights:
        return verify(self._path(version))

    def versions(self) -> list[int]:
        if not self._folder.is_dir():
            return []
        return sorted(int(item.name) for item in self._folder.iterdir() if item.name.isdigit())

    def remove(self, version: int) -> None:
        path = self._path(version)
        (path / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(path, ignore_errors=True)

    def _path(self, version: int) -> Path:
        return self._folder / f"{version:06d}"


def moved(sealed: Weights, target: Path) -> Weights:
    """Moves a sealed folder to `target`, durably. What is there with the same content stays untouched."""
    aside = Path(sealed.path)
    if not _same(aside, target):
        shutil.rmtree(target, ignore_errors=True)
        aside.rename(target)
        sync(target.parent)
    return replace(sealed, path=str(target))


def _same(one: Path, other: Path) -> bool:
    manifest = other / MANIFEST
    return manifest.is_file() and manifest.read_bytes() == (one / MANIFEST).read_bytes()
