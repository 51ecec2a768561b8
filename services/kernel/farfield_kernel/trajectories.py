"""Trajectories as people read them."""

import mimetypes
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from farfield.trajectory.v1.trajectory_pb2 import Trajectory
from farfield_kernel.images import Blobs, images_in

_NOT_FOR_READING = ("promptIds", "responseIds", "logprobs")


def readable(trajectory: Trajectory) -> dict[str, Any]:
    """JSON of the protobuf message, without token ids and logprobs."""
    data = json_format.MessageToDict(trajectory)
    for turn in data.get("turns", ()):
        for name in _NOT_FOR_READING:
            turn.pop(name, None)
    return data


def keep_images(folder: Path, trajectories: Iterable[Trajectory], blobs: Blobs) -> None:
    """Writes what the trajectories show, e.g. as `<sha256>.png`; what is there already is left alone."""
    for trajectory in trajectories:
        for image in images_in(trajectory):
            extension = mimetypes.guess_extension(image.media_type) or ""
            path, data = folder / f"{image.sha256}{extension}", blobs[image.sha256]
            if not path.exists() or path.stat().st_size != len(data):  # a kill may have cut it short
                folder.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
