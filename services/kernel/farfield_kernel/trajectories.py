"""Trajectories as people read them."""

from typing import Any

from google.protobuf import json_format

from farfield.trajectory.v1.trajectory_pb2 import Trajectory

_NOT_FOR_READING = ("promptIds", "responseIds", "logprobs")


def readable(trajectory: Trajectory) -> dict[str, Any]:
    """JSON of the protobuf message, without token ids and logprobs."""
    data = json_format.MessageToDict(trajectory)
    for turn in data.get("turns", ()):
        for name in _NOT_FOR_READING:
            turn.pop(name, None)
    return data
