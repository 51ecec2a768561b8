"""Several attempts at one task: who says what after an attempt, and when the episode ends."""

from typing import Literal

from farfield_sdk.environment import State

Revision = Literal["verifier", "blind"]
"""`verifier`: the verifier says what is wrong, and the episode ends with the first right attempt or when the
budget is spent. `blind`: every episode has the same number of attempts, each but the first after a message
that asks for a correction and says nothing of the attempt before; the last attempt alone decides."""


def after_attempt(revision: Revision, right: bool, attempt: int, budget: int) -> tuple[State, bool]:
    """State and success after the `attempt`-th of `budget` attempts (from 1). The end of a blind episode is
    the task's own, never a cut."""
    last = attempt >= budget
    if revision == "blind":
        return (State.TERMINATED, right) if last else (State.CONTINUE, False)
    if right:
        return State.TERMINATED, True
    return (State.TRUNCATED if last else State.CONTINUE), False
