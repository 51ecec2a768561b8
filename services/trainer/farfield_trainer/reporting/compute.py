"""The compute axis, in FLOPs, as the paper counts it (arXiv 2501.17161):

    X_SFT = 6 N (D_init + D_train)
    X_RL  = 6 N (D_init + D_train) + 2 N D_buffer

N: parameters of the policy. D_init: tokens that the base was trained on, as the run's config states.
D_train: tokens of prompts and responses that went through training passes, over all epochs. D_buffer: tokens
that the policy read and wrote for the training episodes, each once per context that it appears in (what a
prefix cache reads), failed episodes included. Tokens of evaluations are not counted.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from farfield.trajectory.v1.trajectory_pb2 import Trajectory
from farfield_kernel.wire import ids_in


@dataclass(frozen=True, slots=True)
class Compute:
    parameters: int
    tokens_init: int
    tokens_train: int
    tokens_buffer: int

    @property
    def flops(self) -> float:
        trained = 6.0 * self.parameters * (self.tokens_init + self.tokens_train)
        return trained + 2.0 * self.parameters * self.tokens_buffer

    def metrics(self) -> dict[str, float]:
        return {
            "compute": self.flops,
            "tokens_init": float(self.tokens_init),
            "tokens_train": float(self.tokens_train),
            "tokens_buffer": float(self.tokens_buffer),
        }


def buffer_tokens(trajectories: Iterable[Trajectory]) -> int:
    """Tokens of all contexts: a turn that continues adds what it has beyond the turn before."""
    total = 0
    for trajectory in trajectories:
        before = 0
        for turn in trajectory.turns:
            length = ids_in(turn.prompt_ids) + ids_in(turn.response_ids)
            total += length - before if turn.continues and length >= before else length
            before = length
    return total
