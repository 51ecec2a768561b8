"""The frozen checkpoint that the KL term compares with: a second model, or the policy without its adapter."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from farfield_model import lora
from farfield_trainer.learning.album import Album
from farfield_trainer.learning.layout import Wanted
from farfield_trainer.learning.model import Policy
from farfield_trainer.learning.packing import MicroBatch


class Reference:
    """Asked with the same arguments as the policy, and never trained."""

    def __init__(self, policy: Policy, aside: Callable[[], AbstractContextManager[None]]) -> None:
        self._policy, self._aside = policy, aside

    @classmethod
    def apart(cls, policy: Policy) -> "Reference":
        """A model of its own."""
        return cls(policy, nullcontext)

    @classmethod
    def within(cls, policy: Policy) -> "Reference":
        """The policy that is trained, whose adapter is switched off meanwhile."""
        return cls(policy, lambda: lora.switched_off(policy.model))

    @torch.no_grad()
    def logprobs(self, micro: MicroBatch, want: Wanted, temperatures: Tensor, album: Album | None) -> Tensor:
        """[wanted tokens]."""
        with self._aside():
            return self._policy(
                micro, want.sources, want.targets, temperatures[want.tokens], want.prompts, album
            ).logprobs
