"""Images of observations: kept by digest, so that none travels twice to this worker."""

from collections import OrderedDict
from collections.abc import Iterable

from farfield.types.v1.types_pb2 import Message
from farfield_kernel.images import images_of
from farfield_rollout import meters


class ImageCache:
    """The most recently used images, up to a number of bytes."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._images: OrderedDict[str, bytes] = OrderedDict()

    def __contains__(self, digest: str) -> bool:
        return digest in self._images

    def get(self, digest: str) -> bytes | None:
        if digest in self._images:
            self._images.move_to_end(digest)
        return self._images.get(digest)

    def put(self, digest: str, data: bytes) -> None:
        self._bytes += len(data) - len(self._images.pop(digest, b""))
        self._images[digest] = data
        while self._bytes > self._max_bytes:
            _, dropped = self._images.popitem(last=False)
            self._bytes -= len(dropped)
            meters.image_evictions.inc()
        meters.image_bytes.set(self._bytes)


def by_digest(messages: Iterable[Message]) -> list[Message]:
    """The messages with images named, not held."""
    named = []
    for message in messages:
        copy = Message()
        copy.CopyFrom(message)
        named.append(copy)
    for image in images_of(named):
        image.ClearField("data")
    return named
