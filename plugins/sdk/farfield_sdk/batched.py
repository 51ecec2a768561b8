"""Environments that hold many sessions in one object, as vectorised simulators do."""

from collections.abc import Sequence
from typing import ClassVar

from farfield_sdk.environment import Environment, OptionsT, Outcome, Start


class BatchedEnvironment(Environment[OptionsT]):
    """Many sessions with the same options, each in a slot, 0 … `slots` − 1.

    The service gives a session its slot and gathers what comes at the same time into one call; calls on
    one object never overlap. A slot's episode depends on its own seed and responses alone, so that it is
    the same whoever sits beside it. What a call raises fails the sessions of that call. An object that
    hangs, or takes its process with it, is given up: its other sessions are lost, and are rebuilt in
    another object from their seeds and responses.
    """

    slots: ClassVar[int] = 32
    """Most sessions of one object."""

    def reset_many(self, slots: Sequence[int], seeds: Sequence[int]) -> Sequence[Start]:
        """Starts an episode in each of these slots, whatever it held before."""
        raise NotImplementedError

    def step_many(self, slots: Sequence[int], responses: Sequence[str]) -> Sequence[Outcome]:
        """Applies a response in each of these slots; an outcome for each, in their order."""
        raise NotImplementedError

    def reset(self, seed: int) -> Start:
        """As an environment of one session."""
        (start,) = self.reset_many([0], [seed])
        return start

    def step(self, response: str) -> Outcome:
        (outcome,) = self.step_many([0], [response])
        return outcome
