"""Several ranks on this machine: rank 0 is the test, the others are followers in processes of their own."""

import multiprocessing
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import torch
from sample_runs import run_config

from farfield_trainer.config import TrainerConfig
from farfield_trainer.learning.learner import Learner
from farfield_trainer.learning.state import PARTS, Stored
from farfield_trainer.parallel.config import World
from farfield_trainer.parallel.crew import Commander, Crew
from farfield_trainer.parallel.process import commanded, followed
from farfield_trainer.run_config import RunConfig

# One process imports torch, and followers are forked from it.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(
    ["farfield_trainer.parallel.process", "transformers.models.llama.modeling_llama"]
)


Place = Mapping[str, str]
"""The environment in which a rank finds the others."""


@contextmanager
def crew_of(
    size: int,
    kind: str,
    timeout_seconds: float = 100,
    follow: Callable[[TrainerConfig, World, Place], None] | None = None,
) -> Iterator[Crew]:
    """`follow`: another life of the followers than the true one."""
    config = TrainerConfig.model_validate({"parallel": {"kind": kind, "timeout_seconds": timeout_seconds}})
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(probe.getsockname()[1])}
    others = [
        _processes.Process(
            target=follow or _follow, args=(config, World(rank, size, rank), place), daemon=True
        )
        for rank in range(1, size)
    ]
    for process in others:
        process.start()
    os.environ |= place
    with commanded(config, World(0, size, 0), _fail) as crew:
        yield crew
    for process in others:
        process.join(60)
        assert process.exitcode == 0


def _fail(error: BaseException) -> NoReturn:
    raise error


def _follow(config: TrainerConfig, world: World, place: Place) -> None:
    os.environ |= place
    followed(config, world)


def rl_run(base: Path, **algorithm: Any) -> RunConfig:
    return run_config(algorithm={"kind": "rl", **algorithm}, base=str(base))


def sft_run(base: Path, **algorithm: Any) -> RunConfig:
    return run_config(
        algorithm={"kind": "sft", **algorithm},
        base=str(base),
        demonstrations={"style": "expert", "batch_size": 3},
    )


def alone(run: RunConfig) -> Learner:
    """One process with the same run."""
    return Learner(run.algorithm.learner(run.deterministic), Path(run.base), seed=run.seed)


def state_of(learner: Learner | Commander, folder: Path) -> dict[str, torch.Tensor]:
    """Every tensor of a learner's state, whole."""
    learner.save(folder)
    stored = Stored(folder)
    keys = [f"{part}:{name}" for part in PARTS for name in stored.names(part)]
    return {key: stored.rows(key) for key in keys}
