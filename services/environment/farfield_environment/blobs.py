"""Images by digest, for as long as a session that showed them lives."""

from collections.abc import Iterable

from farfield.types.v1 import types_pb2
from farfield_environment import meters
from farfield_kernel.errors import NotFound


class Blobs:
    """Reference-counted: sessions that show the same image share it."""

    def __init__(self) -> None:
        self._images: dict[str, types_pb2.Image] = {}
        self._holders: dict[str, int] = {}

    def hold(self, image: types_pb2.Image) -> None:
        if image.sha256 not in self._images:
            self._images[image.sha256] = types_pb2.Image()
            self._images[image.sha256].CopyFrom(image)
            meters.images.inc()
        self._holders[image.sha256] = self._holders.get(image.sha256, 0) + 1

    def release(self, digests: Iterable[str]) -> None:
        for digest in digests:
            self._holders[digest] -= 1
            if not self._holders[digest]:
                del self._holders[digest], self._images[digest]
                meters.images.dec()

    def get(self, digest: str) -> types_pb2.Image:
        if digest not in self._images:
            raise NotFound(f"no image {digest}: images live as long as the session that showed them")
        return self._images[digest]

    def __len__(self) -> int:
        return len(self._images)
