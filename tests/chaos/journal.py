"""What was committed, by the journal that Redis keeps of every write: nothing is missed that a trainer
acknowledges, and so deletes."""

from collections.abc import Iterator
from pathlib import Path

import hiredis

from farfield.trajectory.v1.trajectory_pb2 import Trajectory


def committed(state: Path, run_id: str) -> dict[str, Trajectory]:
    """The run's trajectories by the part of their ids that other runs share. `state`: the stack's folder."""
    key, found = f"farfield:{{{run_id}}}:trajectories".encode(), {}
    for words in _commands(state / "redis" / "appendonlydir"):
        if words[0].upper() == b"XADD" and words[1] == key:
            trajectory = Trajectory.FromString(words[words.index(b"trajectory") + 1])
            found[trajectory.spec.episode_id.removeprefix(f"{run_id}/")] = trajectory
    return found


def _commands(folder: Path) -> Iterator[list[bytes]]:
    for path in sorted(folder.glob("*.incr.aof")):
        reader = hiredis.Reader()
        reader.feed(path.read_bytes())
        while words := reader.gets():
            yield words


def essence(trajectory: Trajectory) -> Trajectory:
    """What must be the same whoever played it, under whatever run id: ids, logprobs, verdicts, digests."""
    copy = Trajectory()
    copy.CopyFrom(trajectory)
    for name in ("episode_id", "run_id", "group"):
        copy.spec.ClearField(name)
    for name in ("worker", "attempt", "restores", "started_at", "finished_at"):
        copy.provenance.ClearField(name)
    for turn in copy.turns:
        for name in ("generate_seconds", "environment_seconds", "verify_seconds"):
            turn.ClearField(name)
    return copy
