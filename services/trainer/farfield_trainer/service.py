"""Puts the parts of the service together."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from farfield_kernel.errors import FailedPrecondition
from farfield_kernel.queue.contract import Queue
from farfield_kernel.queue.opening import connect
from farfield_kernel.server import Mount
from farfield_trainer.config import TrainerConfig
from farfield_trainer.demonstrations import Demonstrations
from farfield_trainer.loop import Station
from farfield_trainer.peers import Peers, connected
from farfield_trainer.preflight import Preflight
from farfield_trainer.reporting.queue_watch import QueueWatch
from farfield_trainer.run_config import RunConfig
from farfield_trainer.runs import Runs
from farfield_trainer.servicer import TrainerServicer, mount
from farfield_trainer.sources import Learner

_QUEUE_PATIENCE_SECONDS = 2.0
"""The collector itself waits for ever, and says so; a single call need not wait long."""


@dataclass(frozen=True, slots=True)
class Service:
    """What a server mounts, and the core behind it."""

    mount: Mount
    runs: Runs
    queue_watch: QueueWatch


@asynccontextmanager
async def assembled(
    config: TrainerConfig, make_learner: Callable[[RunConfig], Learner] | None = None
) -> AsyncIterator[Service]:
    """The service for the length of a block. The run that works is suspended at its end."""
    async with AsyncExitStack() as stack:
        peers = await stack.enter_async_context(connected(config))
        queue = connect(config.queue_url, patience_seconds=_QUEUE_PATIENCE_SECONDS)
        stack.push_async_callback(queue.close)
        station = _station(config, queue, peers, make_learner or partial(_learner, config))
        runs = Runs(config.runs, station)
        runs.load()
        stack.push_async_callback(runs.close, config.server.drain_seconds / 2)
        watch = QueueWatch(queue, config.lane, config.queue_watch_seconds)
        yield Service(mount(TrainerServicer(runs, Preflight(peers))), runs, watch)


def _station(
    config: TrainerConfig,
    queue: Queue,
    peers: Peers,
    make_learner: Callable[[RunConfig], Learner],
) -> Station:
    def make_demonstrations(run: RunConfig) -> Demonstrations:
        if peers.environment is None:
            raise FailedPrecondition("this trainer knows no environment service: set environment.address")
        return Demonstrations(peers.environment, run)

    from farfield_trainer.reporting.tensorboard_log import TensorboardLog

    return Station(
        queue=queue,
        lane=config.lane,
        replan_seconds=config.replan_seconds,
        make_learner=make_learner,
        make_demonstrations=make_demonstrations,
        open_scalars=TensorboardLog,
        weights=config.weights,
    )


def _learner(config: TrainerConfig, run: RunConfig) -> Learner:
    from farfield_trainer.learning.learner import Learner as TorchLearner

    settings = run.algorithm.learner(run.deterministic)
    return TorchLearner(
        settings, Path(run.base), seed=run.seed, device=config.device, threads=config.torch_threads
    )
