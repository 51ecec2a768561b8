from collections.abc import Callable
from pathlib import Path

import pytest
from sample_crews import rl_run, sft_run

from farfield.trajectory.v1.trajectory_pb2 import Trajectory
from farfield_kernel.errors import DataLoss, NotFound
from farfield_trainer.parallel.crew import Crew


def test_errors_of_the_domain_leave_the_crew_at_work(
    pair: Crew, checkpoint: Path, make_episode: Callable[..., Trajectory], tmp_path: Path
) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        pair.open(rl_run(tmp_path / "nowhere"))
    learner = pair.open(rl_run(checkpoint))
    with pytest.raises(DataLoss, match="logprobs"):
        learner.update([make_episode(([3, 4], [5, 6], 1.0), logprobs=[[-1.0]])], {})
    with pytest.raises(DataLoss, match="cannot be read"):
        learner.load(tmp_path)
    assert learner.update([make_episode(([3, 4], [5, 6], 1.0))], {})["episodes_trained"] == 1
    assert learner.tokens_trained == 4


def test_an_error_of_a_follower_alone_is_told_by_rank_0(pair: Crew, checkpoint: Path, tmp_path: Path) -> None:
    """As a disk that is full on its machine. A crew that shares the weights out has each rank write."""
    learner = pair.open(sft_run(checkpoint))
    (tmp_path / "learner-00001-of-00002.safetensors").mkdir()
    if pair.kind_of(sft_run(checkpoint)) == "ddp":
        learner.save(tmp_path)
        return
    with pytest.raises(OSError, match=r"rank 1: .*directory"):
        learner.save(tmp_path)
    learner.save(tmp_path / "elsewhere")
