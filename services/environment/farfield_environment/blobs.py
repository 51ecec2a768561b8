"""Images by digest, for as long as a session that showed them lives."""

from collections.abc import Iterable

from farfield.types.v1 import types_pb2
from farfield_environment import meters
from farfield_kernel.errors import NotFound


class Blobs:
    """Reference-counted: sessions that show the same image share it."""

    def __init__(self) -> None:
        self._images: dict[str, tuple[str, bytes]] = {}
        """Media type and bytes."""
        self._holders: dict[str, int] = {}

    def hold(self, image: types_pb2.Image) -> int:
        """Until it is released as often. Returns its size in bytes."""
        digest = image.sha256
        if digest not in self._images:
            self._images[digest] = image.media_type, image.data
            meters.images.inc()
        self._holders[digest] = self._holders.get(digest, 0) + 1
        return len(self._images[digest][1])

    def release(self, digests: Iterable[str]) -> None:
        for digest in digests:
            self._holders[digest] -= 1
            if not self._holders[digest]:
                del self._holders[digest], self._images[digest]
                meters.images.dec()

    def get(self, digest: str) -> types_pb2.Image:
        if digest not in self._images:
            raise NotFound(f"no image {digest}: images live as long as the session that showed them")
        media_type, data = self._images[digest]
        return types_pb2.Image(media_type=media_type, sha256=digest, data=data)

    def __len__(self) -> int:
        return len(self._images)
