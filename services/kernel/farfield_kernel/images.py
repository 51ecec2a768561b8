"""Images as trajectories carry them: named by digest in their messages, with the bytes beside."""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from farfield.trajectory.v1.trajectory_pb2 import Trajectory
from farfield.types.v1.types_pb2 import Image, Message

Blobs = Mapping[str, bytes]
"""Image files by the lowercase hex SHA-256 of their bytes."""
NO_BLOBS: Blobs = MappingProxyType({})


def images_of(messages: Iterable[Message]) -> Iterator[Image]:
    """Every image part, in order."""
    for message in messages:
        for part in message.parts:
            if part.HasField("image"):
                yield part.image


def images_in(trajectory: Trajectory) -> Iterator[Image]:
    """Those of all its turns, as often as they are shown."""
    for turn in trajectory.turns:
        yield from images_of(turn.messages)


def named_in(trajectory: Trajectory) -> list[str]:
    """Digests of its images, each once."""
    return list(dict.fromkeys(image.sha256 for image in images_in(trajectory)))
