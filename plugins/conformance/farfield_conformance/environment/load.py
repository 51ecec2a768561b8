"""Many sessions at once."""

import time
from pathlib import Path

from farfield.environment.v1 import environment_pb2 as pb
from farfield_conformance.check import Level, Skipped, environment_check, expect
from farfield_conformance.environment.subject import EnvironmentSubject

SESSIONS, TURNS = 256, 3
WARM_ROUNDS, ROUNDS = 2, 4
MOST_GROWTH = 24_000_000
"""Bytes that the service may grow by after it is warm: the allocator's slack."""


@environment_check(Level.LOAD)
def many_sessions_play(subject: EnvironmentSubject) -> str:
    """256 sessions play some turns in batches, without an error. The speed is told, not judged.

    Read the service's log: it names the plugin's exception.
    """
    began, steps = time.monotonic(), _round(subject)
    seconds = time.monotonic() - began
    return f"{steps} steps of {SESSIONS} sessions, {steps / seconds:,.0f} steps/s with creation and closing"


@environment_check(Level.LOAD)
def memory_stays_flat(subject: EnvironmentSubject) -> str:
    """Sessions that are closed leave no memory behind: after two rounds of 256, four more grow the service by
    less than 24 MB.

    Look for caches without a bound and for lists on the class or module.
    """
    if subject.pid is None or not _status(subject.pid).exists():
        raise Skipped("for services that are started here, on Linux")
    for _ in range(WARM_ROUNDS):
        _round(subject)
    before = _resident(subject.pid)
    for _ in range(ROUNDS):
        _round(subject)
    grown = _resident(subject.pid) - before
    expect(grown < MOST_GROWTH, f"it grew by {grown / 1e6:.0f} MB over {ROUNDS * SESSIONS} sessions")
    return f"{before / 1e6:.0f} MB, grown by {grown / 1e6:.1f} MB over {ROUNDS * SESSIONS} sessions"


def _round(subject: EnvironmentSubject) -> int:
    """Plays and closes; how many steps were taken."""
    episodes, steps = subject.start(*range(SESSIONS)), 0
    for turn in range(TURNS):
        alive = [one for one in episodes if not one.ended]
        results = subject.steps(*[pb.Action(session_id=one.id, turn=turn, response="x") for one in alive])
        errors = [result.error.message for result in results if result.HasField("error")]
        expect(not errors, f"{len(errors)} of {len(results)} steps failed: {errors[:1]}")
        for episode, result in zip(alive, results, strict=True):
            episode.take("x", result.outcome)
        steps += len(results)
    subject.tidy()
    return steps


def _status(pid: int) -> Path:
    return Path(f"/proc/{pid}/status")


def _resident(pid: int) -> int:
    """Bytes of the process in memory."""
    lines = _status(pid).read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))
