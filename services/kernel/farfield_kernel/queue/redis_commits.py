"""What the commit script is told: trajectories, and the images that Redis does not hold yet."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from farfield_kernel.images import Blobs
from farfield_kernel.queue.contract import Played

ADDED, COMMITTED, IMAGE_MISSING = 1, 0, -1
"""The script's answers: see `redis_scripts.COMMIT`."""

_BATCH_BYTES = 4 * 1024 * 1024
"""Rough size of one script call: Redis serves nobody else while a script runs."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A played episode, serialized. `digests`: of the images that it names."""

    entry_id: str
    episode_id: str
    trajectory: bytes
    digests: Sequence[str]
    blobs: Blobs

    @classmethod
    def of(cls, played: Played, digests: Sequence[str]) -> "Parcel":
        claim, data = played.claim, played.trajectory.SerializeToString()
        return cls(claim.entry_id, claim.spec.episode_id, data, digests, played.blobs)


@dataclass(slots=True)
class Batch:
    """Parcels of one script call, and the images that go with them."""

    parcels: list[Parcel] = field(default_factory=list)
    blobs: dict[str, bytes] = field(default_factory=dict)
    size: int = 0

    @classmethod
    def whole(cls, parcels: Iterable[Parcel]) -> "Batch":
        """With every image that the parcels name."""
        batch = cls()
        for parcel in parcels:
            batch.add(parcel, set(parcel.digests))
        return batch

    def add(self, parcel: Parcel, absent: set[str]) -> None:
        """With those of its images that are `absent` from Redis and not in the batch yet."""
        self.parcels.append(parcel)
        self.size += len(parcel.trajectory)
        for digest in absent.intersection(parcel.digests).difference(self.blobs):
            self.blobs[digest] = data = parcel.blobs[digest]
            self.size += len(data)

    def arguments(self) -> list[str | bytes | int]:
        """In the script's order, from the number of images on."""
        told: list[str | bytes | int] = [len(self.blobs)]
        for digest, data in self.blobs.items():
            told += [digest, data]
        for parcel in self.parcels:
            told += [parcel.entry_id, parcel.episode_id, parcel.trajectory, " ".join(parcel.digests)]
        return told


def batches(parcels: Iterable[Parcel], absent: set[str]) -> Iterator[Batch]:
    """The parcels in calls of a bearable size. The bytes of an image that is `absent` from Redis go with
    the first parcel that names it, and it is absent no longer."""
    batch = Batch()
    for parcel in parcels:
        batch.add(parcel, absent)
        absent.difference_update(parcel.digests)
        if batch.size >= _BATCH_BYTES:
            yield batch
            batch = Batch()
    if batch.parcels:
        yield batch
