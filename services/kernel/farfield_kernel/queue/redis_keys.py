"""Names in Redis. Every key of a run carries the run as its hash tag."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keys:
    """Of one run. `redis_scripts` says what they hold."""

    work: str
    trajectories: str
    episodes: str
    blobs: str
    references: str
    looked: str
    """There while nobody need look for leases that ran out; goes by itself."""

    @classmethod
    def of(cls, run_id: str) -> "Keys":
        return cls(*(f"farfield:{{{run_id}}}:{name}" for name in cls.__slots__))

    def all(self) -> list[str]:
        """What holds the run."""
        return [self.work, self.trajectories, self.episodes, self.blobs, self.references]


def lane_key(lane: str, what: str) -> str:
    return f"farfield:lane:{{{lane}}}:{what}"
