from farfield.trajectory.v1.trajectory_pb2 import Trajectory
from farfield_trainer.reporting.compute import Compute, buffer_tokens


def test_the_compute_axis() -> None:
    compute = Compute(parameters=10, tokens_init=100, tokens_train=20, tokens_buffer=7)
    assert compute.flops == 6 * 10 * 120 + 2 * 10 * 7
    assert compute.metrics()["compute"] == compute.flops


def test_a_continued_context_is_read_once() -> None:
    trajectory = Trajectory()
    trajectory.turns.add(prompt_ids=bytes(4 * 10), response_ids=bytes(4 * 5))
    trajectory.turns.add(prompt_ids=bytes(4 * 18), response_ids=bytes(4 * 5), continues=True)
    trajectory.turns.add(prompt_ids=bytes(4 * 10), response_ids=bytes(4 * 1))
    assert buffer_tokens([trajectory]) == 23 + 11
