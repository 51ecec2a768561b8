"""What an update learns from: episodes that the lane plays, or demonstrations.

`ready` waits for an update's batch and may be cancelled and called again. `learn` takes the batch, which is
final, and trains on it.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from farfield.trajectory.v1.trajectory_pb2 import EpisodeSpec, Trajectory
from farfield_kernel.images import Blobs
from farfield_kernel.weights import Weights
from farfield_trainer import planning
from farfield_trainer.collecting import Collector
from farfield_trainer.demonstrations import Demonstrations
from farfield_trainer.failures import check_failures
from farfield_trainer.learning.sft import SupervisedSample
from farfield_trainer.progress import Progress
from farfield_trainer.reporting.compute import buffer_tokens
from farfield_trainer.reporting.measures import staleness
from farfield_trainer.run_config import RunConfig

Metrics = dict[str, float]


class Learner(Protocol):
    """As `farfield_trainer.learning.learner.Learner`."""

    parameters: int
    tokens_trained: int

    def update(self, trajectories: Sequence[Trajectory], blobs: Blobs) -> Metrics: ...
    def fit(self, demonstrations: Sequence[SupervisedSample]) -> Metrics: ...
    def save(self, folder: Any) -> None: ...
    def load(self, folder: Any) -> None: ...
    def save_pretrained(self, folder: Any) -> None: ...


class Source(Protocol):
    waiting: str
    """Name of the phase in which `ready` waits."""

    async def prepare(self, update: int, weights: Weights | None) -> None:
        """Has what the update (and those that may run ahead) needs made under these weights."""
        ...

    async def ready(self, update: int) -> None: ...

    def take(self, update: int, learner: Learner) -> Callable[[], Metrics]:
        """Consumes the batch; the call trains on it."""
        ...

    async def close(self) -> None: ...


class Episodes:
    """Reinforcement learning."""

    waiting = "wait_for_episodes"

    def __init__(self, run_id: str, config: RunConfig, progress: Progress, collector: Collector) -> None:
        self._run_id, self._config = run_id, config
        self._progress, self._collector = progress, collector
        self._plans: dict[int, list[EpisodeSpec]] = {}

    async def prepare(self, update: int, weights: Weights | None) -> None:
        if weights is None:
            return
        for ahead in planning.planned_ahead(self._config, update):
            await self._collector.play(self._plan(ahead), weights)

    async def ready(self, update: int) -> None:
        specs = self._plan(update)
        await self._collector.arrived(specs)
        played = self._progress.ledger.peek(specs)
        check_failures(f"update {update}", played, self._config.max_failed_fraction)

    def take(self, update: int, learner: Learner) -> Callable[[], Metrics]:
        specs, ledger = self._plans.pop(update), self._progress.ledger
        blobs, played = ledger.blobs(specs), ledger.consume(specs)
        self._progress.tokens_buffer += buffer_tokens(played)
        return lambda: {**learner.update(played, blobs), **staleness(played)}

    async def close(self) -> None:
        """Nothing is held."""

    def _plan(self, update: int) -> list[EpisodeSpec]:
        if update not in self._plans:
            self._plans[update] = planning.training_episodes(self._run_id, self._config, update)
        return self._plans[update]


class Imitation:
    """Supervised fine-tuning."""

    waiting = "wait_for_demonstrations"

    def __init__(self, config: RunConfig, progress: Progress, demonstrations: Demonstrations) -> None:
        self._config, self._progress, self._demonstrations = config, progress, demonstrations
        self._batch: list[SupervisedSample] = []

    async def prepare(self, update: int, weights: Weights | None) -> None:
        """Demonstrations need no weights; they are fetched a batch ahead."""

    async def ready(self, update: int) -> None:
        self._batch = await self._demonstrations.batch(update)

    def take(self, update: int, learner: Learner) -> Callable[[], Metrics]:
        batch, self._batch = self._batch, []
        self._progress.demonstrations += len(batch)
        return lambda: learner.fit(batch)

    async def close(self) -> None:
        await self._demonstrations.close()
