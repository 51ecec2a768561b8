import os
import weakref
from collections.abc import Mapping
from pathlib import Path

import torch
from sample_crews import crew_of, rl_run
from sample_runs import HashLearner

from farfield_kernel.errors import Exhausted
from farfield_trainer.config import TrainerConfig
from farfield_trainer.parallel.config import Kind, World
from farfield_trainer.parallel.crew import follow
from farfield_trainer.parallel.process import joined
from farfield_trainer.run_config import RunConfig


def follow_with_room_for_one(config: TrainerConfig, world: World, place: Mapping[str, str]) -> None:
    held: weakref.WeakSet[HashLearner] = weakref.WeakSet()

    def build(run: RunConfig, kind: Kind) -> HashLearner:
        if held:
            raise Exhausted("no memory for a second learner")
        learner = HashLearner()
        held.add(learner)
        return learner

    os.environ |= place
    with joined(config.parallel, world, torch.device("cpu")) as channel:
        follow(channel, build)


def test_a_follower_lets_go_of_a_run_before_the_next(checkpoint: Path) -> None:
    with crew_of(2, "ddp", follow=follow_with_room_for_one) as crew:
        for _ in range(3):
            crew.open(rl_run(checkpoint))
