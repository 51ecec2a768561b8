"""The reader's end: versions of an object store in a local folder, verified, the latest used kept."""

import fcntl
import logging
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from farfield_kernel.errors import DataLoss, Exhausted, FailedPrecondition, NotFound
from farfield_kernel.weight_stores.bucket import Bucket, is_url
from farfield_kernel.weights import MANIFEST, Manifest, Weights, sum_of, verify

log = logging.getLogger(__name__)

PARTIAL = ".partial"
_LOCK = ".lock"


class WeightCache:
    """`keep` is the most versions in `folder`, one that is coming included."""

    def __init__(self, folder: Path | None, keep: int = 2) -> None:
        self._folder, self._keep = folder, keep
        self._one_at_a_time = threading.Lock()

    def fetch(self, address: str) -> Weights:
        """The verified version at an address, with its local folder as `path`. A folder is read where it is;
        of a URL only what is not here yet is downloaded. DataLoss names the file that is torn."""
        if not is_url(address):
            return verify(Path(address))
        if self._folder is None:
            raise FailedPrecondition(
                f"{address} has to be downloaded: set weights_cache to a folder with room for it"
            )
        with self._one_at_a_time, _locked(self._folder):
            return self._fetch(address, self._folder)

    def _fetch(self, url: str, folder: Path) -> Weights:
        bucket = Bucket(url)
        data = bucket.read(MANIFEST)
        if data is None:
            raise NotFound(f"{url} holds no sealed weights: {MANIFEST} is missing")
        manifest = Manifest.read(data, f"{url}/{MANIFEST}")
        target = folder / f"{manifest.version:06d}-{manifest.digest[:16]}"
        if target.is_dir():
            return _still_whole(target)
        return self._download(bucket, manifest, data, target)

    def _download(self, bucket: Bucket, manifest: Manifest, data: bytes, target: Path) -> Weights:
        """Into a folder aside, which keeps what came whole when the rest did not."""
        partial = target.with_name(target.name + PARTIAL)
        try:
            partial.mkdir(parents=True, exist_ok=True)
            self._make_room(partial)
            torn = [name for name, digest in manifest.files.items() if not _is_whole(partial / name, digest)]
            log.info("downloading %d of %d files from %s", len(torn), len(manifest.files), bucket.url)
            bucket.download(torn, partial)
            (partial / MANIFEST).write_bytes(data)
            came = verify(partial)
            partial.rename(target)
        except OSError as error:
            raise Exhausted(f"{target} cannot be written: {error}; give weights_cache more room") from error
        return replace(came, path=str(target))

    def _make_room(self, coming: Path) -> None:
        """Removes the least used versions, and what is left of other downloads."""
        others = [item for item in coming.parent.iterdir() if item.is_dir() and item != coming]
        whole = sorted(
            (item for item in others if item.suffix != PARTIAL), key=lambda item: item.stat().st_mtime
        )
        for item in [*whole[: max(0, len(whole) - self._keep + 1)], *(set(others) - set(whole))]:
            shutil.rmtree(item)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """While another process downloads into the same folder, this one waits."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / _LOCK).open("a")
    except OSError as error:
        raise Exhausted(
            f"{folder} cannot be written: {error}; give weights_cache a folder that can"
        ) from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _still_whole(folder: Path) -> Weights:
    """What was downloaded before; what has been torn since goes, to be downloaded again."""
    try:
        found = verify(folder)
    except DataLoss:
        shutil.rmtree(folder)
        raise
    os.utime(folder)
    return found


def _is_whole(path: Path, digest: str) -> bool:
    return path.is_file() and sum_of(path) == digest
