"""The images of a queue's trajectories: which are committed with one, and one copy for all that show it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from weakref import WeakValueDictionary

from farfield_kernel.errors import InvalidArgument
from farfield_kernel.images import named_in
from farfield_kernel.queue.contract import Played

_DIGEST = re.compile("[0-9a-f]{64}")


def to_keep(played: Played) -> list[str]:
    """Digests of the images that are committed with the trajectory: those that it names."""
    digests = named_in(played.trajectory)
    for digest in digests:
        if not _DIGEST.fullmatch(digest):
            raise InvalidArgument(f"{_of(played)} names an image '{digest[:80]}'; write its SHA-256 in hex")
        if digest not in played.blobs:
            raise InvalidArgument(f"{_of(played)} shows image {digest}; commit its bytes too")
    return digests


def _of(played: Played) -> str:
    return f"the trajectory of episode {played.claim.spec.episode_id}"


class Held:
    """Bytes, as something that a weak reference can point to."""

    __slots__ = ("__weakref__", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data


class Shown(Mapping[str, bytes]):
    """The images of one trajectory. One that others show too is the same object there."""

    def __init__(self, images: Mapping[str, Held]) -> None:
        self._images = images

    def __getitem__(self, digest: str) -> bytes:
        return self._images[digest].data

    def __iter__(self) -> Iterator[str]:
        return iter(self._images)

    def __len__(self) -> int:
        return len(self._images)


class Gallery:
    """One copy of each image, for as long as a trajectory that shows it is held somewhere."""

    def __init__(self) -> None:
        self._images: WeakValueDictionary[str, Held] = WeakValueDictionary()

    def find(self, digests: Iterable[str]) -> dict[str, Held]:
        """Those that are here."""
        found = {digest: self._images.get(digest) for digest in digests}
        return {digest: image for digest, image in found.items() if image}

    def add(self, digest: str, data: bytes) -> Held:
        image = self._images[digest] = Held(data)
        return image
