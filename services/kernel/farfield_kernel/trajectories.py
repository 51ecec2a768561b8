"""Trajectories as people read them."""

import math
import mimetypes
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from farfield.trajectory.v1.trajectory_pb2 import Trajectory
from farfield_kernel.images import Blobs, images_in
from farfield_kernel.wire import floats_from_bytes, ids_from_bytes

_LOWEST = -99.0
"""Logprobs are kept from here up: JSON has no word for minus infinity."""


def readable(trajectory: Trajectory) -> dict[str, Any]:
    """JSON of the protobuf message. Of the tokens it has those of responses, `responseIds` and `logprobs` as
    lists of numbers, to three digits; prompts are read as messages."""
    data = json_format.MessageToDict(trajectory)
    for turn, message in zip(data.get("turns", ()), trajectory.turns, strict=True):
        turn.pop("promptIds", None)
        if message.response_ids:
            turn["responseIds"] = ids_from_bytes(message.response_ids)
        if message.logprobs:
            turn["logprobs"] = [_shown(value) for value in floats_from_bytes(message.logprobs)]
    return data


def _shown(logprob: float) -> float | None:
    return None if math.isnan(logprob) else round(max(logprob, _LOWEST), 3)


def keep_images(folder: Path, trajectories: Iterable[Trajectory], blobs: Blobs) -> None:
    """Writes what the trajectories show, e.g. as `<sha256>.png`; what is there already is left alone."""
    for trajectory in trajectories:
        for image in images_in(trajectory):
            extension = mimetypes.guess_extension(image.media_type) or ""
            path, data = folder / f"{image.sha256}{extension}", blobs[image.sha256]
            if not path.exists() or path.stat().st_size != len(data):  # a kill may have cut it short
                folder.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
