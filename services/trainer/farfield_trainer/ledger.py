"""The ledger: every planned episode is consumed exactly once, however often it is delivered.

Episodes belong to *lots*: an update's batch, or a suite's episodes for one version. A lot is consumed as a
whole; from then on anything that arrives for it is a copy. What a lot had is kept as a few numbers and a
digest of its episode ids, so a checkpoint can hold the record of the whole run.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

from farfield.trajectory.v1.trajectory_pb2 import EpisodeSpec, Trajectory
from farfield_kernel.errors import FailedPrecondition
from farfield_kernel.queue.contract import Collected
from farfield_trainer.failures import classes_of
from farfield_trainer.planning import kind_of, lot_of


class Arrival(Enum):
    NEW = "new"
    REDELIVERED = "redelivered"
    """The queue gave the same entry again."""
    DUPLICATE = "duplicate"
    """The episode was committed twice, as after a wiped queue. The first copy counts."""
    CONSUMED = "consumed"
    """Its lot is done."""


@dataclass(frozen=True, slots=True)
class Lot:
    """A consumed lot. `failed` of the `episodes` had no grade; `failures` counts them by class."""

    episodes: int
    failed: int
    turns: int
    digest: str
    failures: Mapping[str, int] = field(default_factory=dict)


def digest_of(episode_ids: Iterable[str]) -> str:
    """A digest of the ids as a multiset: an id twice is another digest."""
    return hashlib.sha256("\n".join(sorted(episode_ids)).encode()).hexdigest()[:16]


@dataclass(slots=True)
class Totals:
    """Sums over the consumed lots of a kind."""

    episodes: int = 0
    failed: int = 0
    turns: int = 0
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def graded(self) -> int:
        return self.episodes - self.failed


class Ledger:
    def __init__(self, state: dict[str, Any] | None = None) -> None:
        state = state or {"lots": {}, "duplicates": 0}
        self.lots: dict[str, Lot] = {}
        self._totals: dict[str, Totals] = {}
        for name, lot in state["lots"].items():
            self._record(name, Lot(**lot))
        self.duplicates: int = state["duplicates"]
        self._waiting: dict[str, Collected] = {}
        self._settled: dict[str, None] = {}

    def state(self) -> dict[str, Any]:
        return {
            "lots": {name: asdict(lot) for name, lot in self.lots.items()},
            "duplicates": self.duplicates,
        }

    def take(self, item: Collected) -> Arrival:
        """Keeps a trajectory until its lot is consumed, or recognizes it as a copy."""
        episode = item.trajectory.spec.episode_id
        if lot_of(episode) in self.lots:
            self._settled[item.entry_id] = None
            return Arrival.CONSUMED
        before = self._waiting.setdefault(episode, item)
        if before is item:
            return Arrival.NEW
        if before.entry_id == item.entry_id:
            return Arrival.REDELIVERED
        self.duplicates += 1
        self._settled[item.entry_id] = None
        return Arrival.DUPLICATE

    def missing(self, specs: Sequence[EpisodeSpec]) -> list[EpisodeSpec]:
        """Those that have neither arrived nor been consumed."""
        return [
            spec
            for spec in specs
            if spec.episode_id not in self._waiting and lot_of(spec.episode_id) not in self.lots
        ]

    def peek(self, specs: Sequence[EpisodeSpec]) -> list[Trajectory]:
        """The complete lot in the order of its plan."""
        return [self._checked(spec).trajectory for spec in specs]

    def blobs(self, specs: Sequence[EpisodeSpec]) -> dict[str, bytes]:
        """The images of a complete lot, to be asked for before it is consumed: they go with it."""
        return {digest: data for spec in specs for digest, data in self._checked(spec).blobs.items()}

    def consume(self, specs: Sequence[EpisodeSpec]) -> list[Trajectory]:
        """The complete lot in the order of its plan. It cannot be consumed again."""
        lot = lot_of(specs[0].episode_id)
        if lot in self.lots:
            raise FailedPrecondition(f"{lot} was consumed before; an episode is trained on once")
        played = self.peek(specs)
        ids = [trajectory.spec.episode_id for trajectory in played]
        failures = classes_of(played)
        turns = sum(len(trajectory.turns) for trajectory in played)
        self._record(lot, Lot(len(played), failures.total(), turns, digest_of(ids), dict(failures)))
        self._settled.update((self._waiting.pop(episode).entry_id, None) for episode in ids)
        return played

    def settled(self) -> list[str]:
        """Entries whose effect the present state includes: to be acknowledged once it is on disk."""
        return list(self._settled)

    def acknowledged(self, entry_ids: Iterable[str]) -> None:
        for entry_id in entry_ids:
            self._settled.pop(entry_id, None)

    def totals(self, kind: str) -> Totals:
        """Of the lots of a kind, "train" or "eval"."""
        return self._totals.get(kind, Totals())

    def _record(self, name: str, lot: Lot) -> None:
        self.lots[name] = lot
        total = self._totals.setdefault(kind_of(name), Totals())
        total.episodes += lot.episodes
        total.failed += lot.failed
        total.turns += lot.turns
        total.failures.update(lot.failures)

    def _checked(self, spec: EpisodeSpec) -> Collected:
        item = self._waiting.get(spec.episode_id)
        if item is None:
            raise FailedPrecondition(f"episode {spec.episode_id} has not arrived")
        if item.trajectory.spec != spec:
            raise FailedPrecondition(
                f"episode {spec.episode_id} was played from another plan than this run's: its id was used "
                "before with another config; start under another run id"
            )
        return item
