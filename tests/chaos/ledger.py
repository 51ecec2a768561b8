"""What happened under fire, and whether it mattered."""

from collections import defaultdict
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.chaos.faults import Fault


@dataclass(frozen=True, slots=True)
class Injected:
    """`healed_seconds`: from a fault's beginning until it is over and the next trajectory committed."""

    fault: Fault
    after: int
    """Trajectories committed before it."""
    healed_seconds: float


@dataclass(slots=True)
class Ledger:
    """One run's end. `weights`: SHA-256 of the last version's model."""

    summary: dict[str, Any]
    weights: str
    seconds: float
    restarts: dict[str, int] = field(default_factory=dict)
    left_in_redis: list[str] = field(default_factory=list)
    sessions: int = 0
    """Left in the environments."""
    planned_faults: int = 0
    faults: list[Injected] = field(default_factory=list)

    def wrong(self, undisturbed: "Ledger") -> list[str]:
        """Each invariant that does not hold; empty when all do."""
        episodes, found = self.summary["episodes"], []
        if not self.summary["trained_exactly_once"]:
            found.append("the trainer's ledger is not the plan")
        if episodes["planned"] != episodes["trained"]:
            found.append(f"planned {episodes['planned']}, trained {episodes['trained']}")
        if episodes["failed"] or episodes["evaluated_failed"]:
            found.append(f"{episodes['failed'] + episodes['evaluated_failed']} episodes failed")
        if self.weights != undisturbed.weights:
            found.append("the final weights are not those of the undisturbed run")
        if self.left_in_redis:
            found.append(f"left in Redis: {', '.join(self.left_in_redis)}")
        if len(self.faults) < self.planned_faults:
            found.append(f"only {len(self.faults)} of {self.planned_faults} faults came and healed")
        if self.sessions:
            found.append(f"{self.sessions} sessions are left in the environments")
        return found

    def by_kind(self) -> dict[str, list[Injected]]:
        kinds: dict[str, list[Injected]] = defaultdict(list)
        for one in self.faults:
            kinds[one.fault.kind].append(one)
        return dict(sorted(kinds.items()))

    def data(self) -> dict[str, Any]:
        return asdict(self)

    def table(self) -> str:
        lines = [f"{'fault':<12} {'count':>5}   worst s   targets"]
        for kind, items in self.by_kind().items():
            targets: dict[str, int] = defaultdict(int)
            for one in items:
                targets[one.fault.target] += 1
            worst = max(one.healed_seconds for one in items)
            named = ", ".join(f"{name} {count}" for name, count in sorted(targets.items()))
            lines.append(f"{kind:<12} {len(items):>5} {worst:>9.1f}   {named}")
        return "\n".join(lines)
