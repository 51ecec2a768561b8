"""The queue between planners, workers and trainers: exactly one trajectory per planned episode.

A run has two streams. `work` holds planned episodes; a worker claims one under a lease, and when the
lease runs out another worker takes it over. `trajectories` holds committed episodes; one is committed at
most once whoever plays it, and stays until it is acknowledged, which a trainer does only after the
checkpoint with its effect is on disk.

An image is named in a trajectory by its digest, and its bytes travel beside: a run keeps them once per
digest, for as long as an unacknowledged trajectory names them.

A *lane* is the set of processes (one trainer, its policy replicas, its rollout workers) that serves one
run at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from farfield.trajectory.v1.trajectory_pb2 import EpisodeSpec, Trajectory
from farfield_kernel.images import NO_BLOBS, Blobs
from farfield_kernel.weights import Weights

LEASE_SECONDS = 60.0
PATIENCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Claim:
    """A planned episode that this worker may play until its lease ends. `attempt` counts from 1;
    `given_back` of those before were given back, and say nothing against the episode."""

    entry_id: str
    spec: EpisodeSpec
    attempt: int
    given_back: int = 0


@dataclass(frozen=True, slots=True)
class Played:
    """What a worker made of its claim. `blobs` holds every image that the trajectory's messages name."""

    claim: Claim
    trajectory: Trajectory
    blobs: Blobs = field(default_factory=lambda: NO_BLOBS)


@dataclass(frozen=True, slots=True)
class Collected:
    """A committed trajectory, to be acknowledged by its entry id. `blobs` holds every image that its
    messages name; trajectories that show the same image share its bytes."""

    entry_id: str
    trajectory: Trajectory
    blobs: Blobs = field(default_factory=lambda: NO_BLOBS)


@dataclass(frozen=True, slots=True)
class Backlog:
    """Episodes of a run by where they are."""

    queued: int
    """Planned, and claimed by nobody yet."""
    claimed: int
    """Being played."""
    uncollected: int
    """Committed, and not yet delivered to the trainer."""
    unacknowledged: int
    """Delivered, and not yet in a checkpoint."""
    oldest_seconds: float = field(default=0, compare=False)
    """Age of the plan that has waited longest for its trajectory; 0 where none waits."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """What the store takes of its room."""

    used_bytes: int = 0
    limit_bytes: int = 0
    """0: none is set."""
    evicted: int = 0
    """Keys that the store has dropped to make room. A queue needs every one of its keys."""


class Queue(Protocol):
    """Every method is safe to repeat. A queue that cannot be reached raises Unavailable.

    What a store loses when it crashes (the last second of writes, or everything) costs work, never
    correctness: the trainer plans the missing episodes again, and knows by their ids the episodes that
    it has already consumed.
    """

    async def plan(self, run_id: str, specs: Sequence[EpisodeSpec]) -> int:
        """Adds the episodes that are neither planned nor committed yet; returns how many were new."""
        ...

    async def claim(self, run_id: str, worker: str, count: int, block_seconds: float) -> list[Claim]:
        """Up to `count` episodes: first those whose lease ran out, then new ones; waits for the first."""
        ...

    async def renew(self, run_id: str, worker: str, entry_ids: Sequence[str]) -> list[str]:
        """Starts the leases of claimed episodes anew. Returns those that this worker holds no longer:
        committed, or taken over."""
        ...

    async def release(
        self, run_id: str, worker: str, entry_ids: Sequence[str], *, failed: bool = False
    ) -> None:
        """Gives claimed episodes back: others may claim them at once, as a further attempt. `failed`: this
        one is not counted as given back, but as if its worker were lost."""
        ...

    async def commit(self, run_id: str, worker: str, played: Played) -> bool:
        """In one atomic step: adds the trajectory with its images, marks its episode, acknowledges the
        claim. False when the episode was already committed; then only the claim is acknowledged.
        InvalidArgument where the bytes of an image are not given."""
        ...

    async def commit_many(self, run_id: str, worker: str, played: Sequence[Played]) -> list[bool]:
        """Commits each of many; an episode is atomic, the batch is not."""
        ...

    async def recover(self, run_id: str) -> int:
        """Makes `collect` deliver every unacknowledged trajectory again, from the first on; returns how
        many there are. A trainer calls it when it starts."""
        ...

    async def collect(self, run_id: str, count: int, block_seconds: float) -> list[Collected]:
        """Up to `count` trajectories not yet delivered; waits for the first. One whose images the store
        has lost is never delivered: it is taken out, and its episode may be planned again."""
        ...

    async def acknowledge(self, run_id: str, entry_ids: Sequence[str]) -> None:
        """Forgets trajectories whose effect is on disk, and the images that no other names."""
        ...

    async def backlog(self, run_id: str) -> Backlog: ...

    async def footprint(self) -> Footprint:
        """Of the whole store, whoever else uses it."""
        ...

    async def drop(self, run_id: str) -> None:
        """Removes all that is known of a run. What a late worker commits to it afterwards goes by itself
        in time, unless the run is planned again."""
        ...

    async def activate(self, lane: str, run_id: str) -> None:
        """Makes the lane's workers play this run."""
        ...

    async def deactivate(self, lane: str, run_id: str) -> None:
        """Leaves the lane idle, if this run still holds it."""
        ...

    async def active_run(self, lane: str) -> str | None: ...

    async def announce(self, lane: str, weights: Weights) -> None:
        """Tells the lane's policies to serve these weights."""
        ...

    async def weights(self, lane: str) -> Weights | None:
        """The weights last announced."""
        ...

    async def watch_weights(self, lane: str, seen: Weights | None, block_seconds: float) -> Weights | None:
        """Waits until the announced weights are not `seen`; None when the time is over."""
        ...

    async def close(self) -> None: ...
