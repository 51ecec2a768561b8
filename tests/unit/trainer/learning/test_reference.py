"""What the KL term compares with."""

from collections.abc import Callable
from pathlib import Path

import pytest

from farfield.trajectory.v1.trajectory_pb2 import Trajectory
from farfield_kernel.errors import FailedPrecondition
from farfield_trainer.learning.algorithm_config import LearnerConfig
from farfield_trainer.learning.learner import Learner

LORA = {"rank": 2, "target_modules": ("q_proj",)}


@pytest.fixture
def episodes(make_episode: Callable[..., Trajectory]) -> list[Trajectory]:
    return [make_episode(([3, 5, 4], [7, 8, 1], reward)) for reward in (0.0, 1.0)]


def learner_of(base: Path, lora: dict | None = None, **kl: object) -> Learner:
    config = LearnerConfig.model_validate({"kl": {"coefficient": 0.1, **kl}, "lora": lora})
    return Learner(config, base, seed=0)


@pytest.mark.parametrize("lora", [None, LORA])
def test_it_is_the_base_or_another_checkpoint(
    checkpoint: Path, make_checkpoint: Callable[..., Path], episodes: list[Trajectory], lora: dict | None
) -> None:
    other = make_checkpoint(seed=4)
    assert learner_of(checkpoint, lora).update(episodes)["kl"] == pytest.approx(0, abs=1e-9)
    assert learner_of(checkpoint, lora, reference=checkpoint).update(episodes)["kl"] == pytest.approx(
        0, abs=1e-9
    )
    there = learner_of(checkpoint, lora, reference=other).update(episodes)["kl"]
    back = learner_of(other, lora, reference=checkpoint).update(episodes)["kl"]
    assert min(there, back) > 1e-3
    assert there != pytest.approx(back)


def test_a_reference_of_another_vocabulary_is_refused(checkpoint: Path, vision_checkpoint: Path) -> None:
    with pytest.raises(FailedPrecondition, match=r"kl\.reference: .* of \d+ words, and the base one of 31"):
        learner_of(checkpoint, reference=vision_checkpoint)
