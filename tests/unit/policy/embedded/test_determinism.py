from collections.abc import Callable

import pytest
import torch

from farfield_kernel.errors import FailedPrecondition
from farfield_policy.embedded.decode import Decoder
from farfield_policy.embedded.determinism import prove
from farfield_policy.embedded.model import Model


def test_this_machine_is_proven_and_the_batch_left_empty(
    llama_model: Model, make_decoder: Callable[..., Decoder]
) -> None:
    decoder = make_decoder(llama_model, rows=16, deterministic=True)
    prove(decoder, 16)
    assert decoder.running == 0


class Uneven(Model):
    """Computes its last row a little differently, as a matrix library may."""

    def decode(self, *arguments: torch.Tensor) -> torch.Tensor:
        logits = super().decode(*arguments).clone()
        logits[-1] *= 1 + 1e-6
        return logits


def test_a_machine_whose_rows_differ_is_found_out(
    make_llama: Callable, make_decoder: Callable[..., Decoder]
) -> None:
    decoder = make_decoder(Uneven(make_llama(0), 128), rows=16, deterministic=True)
    with pytest.raises(FailedPrecondition, match="rows of a batch of 16 differ"):
        prove(decoder, 16)
