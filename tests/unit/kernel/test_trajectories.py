from farfield.trajectory.v1.trajectory_pb2 import Trajectory
from farfield_kernel.trajectories import readable


def test_token_ids_are_not_for_reading() -> None:
    trajectory = Trajectory(success=True)
    trajectory.turns.add(response_text="x", response_ids=b"abcd", prompt_ids=b"abcd", logprobs=b"abcd")
    assert readable(trajectory) == {"success": True, "turns": [{"responseText": "x"}]}
