from pathlib import Path

import pytest
import torch
from torch import nn

from farfield_kernel.errors import FailedPrecondition
from farfield_model.loading import load_module
from farfield_trainer.learning.layers import layers_of
from farfield_trainer.learning.model import Policy
from farfield_trainer.parallel.sharded import check_apart, rows_of


@pytest.fixture
def policy(checkpoint: Path) -> Policy:
    return Policy(load_module(checkpoint), with_values=True)


def test_layers_of_the_text_model_are_gathered_apart(policy: Policy) -> None:
    layers = layers_of(policy.model)
    assert [type(layer).__name__ for layer in layers] == ["LlamaDecoderLayer"] * 2
    check_apart(policy, layers)


def test_weights_tied_across_layers_are_refused(policy: Policy) -> None:
    first, second = layers_of(policy.model)
    second.mlp.up_proj.weight = first.mlp.up_proj.weight
    with pytest.raises(FailedPrecondition, match=r"layers.1.mlp.up_proj.weight is the same .*kind: ddp"):
        check_apart(policy, [first, second])


def test_embeddings_tied_to_the_head_are_no_hindrance(policy: Policy) -> None:
    policy.model.lm_head.weight = policy.model.get_input_embeddings().weight
    check_apart(policy, layers_of(policy.model))


def test_single_numbers_are_refused(policy: Policy) -> None:
    policy.model.gate = nn.Parameter(torch.zeros(()))
    with pytest.raises(FailedPrecondition, match=r"model.gate is one number.*kind: ddp"):
        check_apart(policy, layers_of(policy.model))


@pytest.mark.parametrize(("total", "size"), [(8, 2), (5, 2), (1, 4), (7, 4), (3, 4)])
def test_rows_are_those_of_chunk(total: int, size: int) -> None:
    tensor = torch.arange(total)
    parts = [tensor[slice(*rows_of(tensor, rank, size))].tolist() for rank in range(size)]
    chunks = [part.tolist() for part in tensor.chunk(size)]
    assert parts == chunks + [[]] * (size - len(chunks))
