"""The store in an object store: `<url>/<run id>/000012/`. Files first, the manifest last."""

import logging
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import TypeVar

from farfield_kernel.errors import DataLoss, NotFound, Unavailable
from farfield_kernel.weight_stores.bucket import Bucket
from farfield_kernel.weights import MANIFEST, Manifest, Weights

log = logging.getLogger(__name__)
T = TypeVar("T")

PATIENCE_SECONDS = 300.0
_LONGEST_PAUSE = 15.0


class RemoteStore:
    """`patience_seconds`: how long a store that does not answer is tried again."""

    def __init__(self, url: str, run_id: str, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._bucket = Bucket(f"{url.rstrip('/')}/{run_id}")
        self._patience_seconds = patience_seconds

    def put(self, sealed: Weights) -> Weights:
        return self._patiently(lambda: self._put(sealed))

    def _put(self, sealed: Weights) -> Weights:
        folder, name = Path(sealed.path), _name(sealed.version)
        data = (folder / MANIFEST).read_bytes()
        manifest = Manifest.read(data, sealed.path)
        if self._bucket.read(f"{name}/{MANIFEST}") != data or self._missing(name, manifest):
            self._remove(name)
            self._bucket.upload(folder, manifest.files, name)
            self._bucket.write(f"{name}/{MANIFEST}", data)
        return manifest.weights(self._address(name))

    def find(self, version: int) -> Weights:
        """That its files are there; what is in them is verified by whoever downloads them."""
        return self._patiently(lambda: self._find(_name(version)))

    def _find(self, name: str) -> Weights:
        data = self._bucket.read(f"{name}/{MANIFEST}")
        if data is None:
            raise NotFound(f"{self._address(name)} holds no sealed weights: {MANIFEST} is missing")
        manifest = Manifest.read(data, f"{self._address(name)}/{MANIFEST}")
        if missing := self._missing(name, manifest):
            raise DataLoss(f"weights {self._address(name)} are torn: {missing[0]} is missing")
        return manifest.weights(self._address(name))

    def versions(self) -> list[int]:
        return sorted(int(name) for name in self._bucket.names() if name.isdigit())

    def remove(self, version: int) -> None:
        self._remove(_name(version))

    def _remove(self, name: str) -> None:
        self._bucket.remove(f"{name}/{MANIFEST}")
        self._bucket.remove(name)

    def _missing(self, name: str, manifest: Manifest) -> list[str]:
        return sorted(manifest.files.keys() - self._bucket.every(name))

    def _address(self, name: str) -> str:
        return f"{self._bucket.url}/{name}"

    def _patiently(self, call: Callable[[], T]) -> T:
        deadline = time.monotonic() + self._patience_seconds
        for tries in count():
            try:
                return call()
            except Unavailable as error:
                pause = min(_LONGEST_PAUSE, 0.5 * 2**tries)
                if time.monotonic() + pause > deadline:
                    raise
                log.warning("%s; trying again", error)
            time.sleep(pause)
        raise AssertionError("unreachable")


def _name(version: int) -> str:
    return f"{version:06d}"
