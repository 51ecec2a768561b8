import json

from farfield.trajectory.v1.trajectory_pb2 import Trajectory
from farfield_kernel.trajectories import readable
from farfield_kernel.wire import floats_to_bytes, ids_to_bytes


def test_of_tokens_those_of_responses_are_for_reading() -> None:
    trajectory = Trajectory(success=True)
    trajectory.turns.add(
        response_text="x y",
        prompt_ids=ids_to_bytes([1, 2]),
        response_ids=ids_to_bytes([7, 8]),
        logprobs=floats_to_bytes([-0.25, -1.23456]),
    )
    trajectory.turns.add(response_text="z")
    expected = [
        {"responseText": "x y", "responseIds": [7, 8], "logprobs": [-0.25, -1.235]},
        {"responseText": "z"},
    ]
    assert readable(trajectory) == {"success": True, "turns": expected}


def test_logprobs_are_numbers_that_json_has() -> None:
    trajectory = Trajectory()
    trajectory.turns.add(logprobs=floats_to_bytes([float("-inf"), float("nan")]))
    (turn,) = readable(trajectory)["turns"]
    assert json.loads(json.dumps(turn["logprobs"], allow_nan=False)) == [-99.0, None]
