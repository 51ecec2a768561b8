"""Episodes played by a rollout worker in this process, over a queue in its memory: no trainer, no Redis."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from farfield.trajectory.v1.trajectory_pb2 import EpisodeSpec, Trajectory
from farfield_cli.evaluation.place import Place
from farfield_kernel.discovery.contract import Directory
from farfield_kernel.queue.memory import MemoryQueue
from farfield_kernel.server import ServerConfig
from farfield_rollout.config import PolicyConfig, RetryConfig, RolloutConfig
from farfield_rollout.services import Services
from farfield_rollout.worker import Worker

WITH_PICTURES = 6
"""Episodes of each variant whose pictures are kept to be looked at."""
_RUN = "eval"
_PATIENCE_SECONDS = 120
"""How long a service that is away is waited for, before its episodes count as failed."""
_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Episode:
    """`pictures`: files by SHA-256, where they are kept."""

    trajectory: Trajectory
    pictures: Mapping[str, bytes]


def rollout_config(place: Place, concurrency: int) -> RolloutConfig:
    policy = PolicyConfig(**place.policy.model_dump(exclude={"timeout_seconds"}))
    return RolloutConfig(
        lane=place.lane,
        worker="eval",
        server=ServerConfig(drain_seconds=0),
        environment=place.environment,
        verifier=place.verifier,
        policy=policy,
        concurrency=concurrency,
        retry=RetryConfig(patience_seconds=_PATIENCE_SECONDS),
    )


async def played(
    config: RolloutConfig,
    specs: Sequence[EpisodeSpec],
    news: Callable[[Trajectory], None],
    directory: Directory | None = None,
) -> list[Episode]:
    """One for each planned episode, in the order of the plan; `news` is told of each as it is finished.
    With a directory, at the services that it knows."""
    queue, services = MemoryQueue(), Services.connect(config, directory)
    worker = Worker(config, queue, services)
    await queue.plan(_RUN, specs)
    await queue.activate(config.lane, _RUN)
    working = asyncio.ensure_future(worker.run())
    try:
        arrived = await _collected(queue, len(specs), news, working)
    finally:
        working.cancel()
        await asyncio.wait({working})
        await worker.drain()
        await services.close()
    return [arrived[spec.episode_id] for spec in specs]


async def _collected(
    queue: MemoryQueue, count: int, news: Callable[[Trajectory], None], working: asyncio.Future[None]
) -> dict[str, Episode]:
    arrived: dict[str, Episode] = {}
    while len(arrived) < count:
        if working.done():
            working.result()
        batch = await queue.collect(_RUN, count, _LOOK_SECONDS)
        await queue.acknowledge(_RUN, [one.entry_id for one in batch])
        for one in batch:
            spec = one.trajectory.spec
            arrived[spec.episode_id] = Episode(
                one.trajectory, one.blobs if spec.index < WITH_PICTURES else {}
            )
            news(one.trajectory)
    return arrived
