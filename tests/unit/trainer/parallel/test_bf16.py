"""bfloat16 over float32 weights: what of them is alive between the forward and the backward pass."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from sample_crews import alone, crew_of, rl_run

from farfield.trajectory.v1.trajectory_pb2 import Trajectory
from farfield_trainer.learning.layers import layers_of
from farfield_trainer.learning.learner import Learner


@pytest.fixture
def episodes(make_episode: Callable[..., Trajectory]) -> list[Trajectory]:
    return [make_episode(([3, 4], [5 + place, 6, 1], float(place)), name=str(place)) for place in range(4)]


def copies_after_forward(learner: Learner, train: Callable[[], object]) -> int:
    """Bytes of bfloat16 copies of the first layer's matrices that wait for the backward pass."""
    layers = layers_of(learner._policy.model)
    shapes = {frozenset(item.shape) for item in layers[0].parameters() if item.ndim == 2}
    kept: list[torch.Tensor] = []
    found: list[int] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.dtype == torch.bfloat16 and tensor.ndim == 2 and frozenset(tensor.shape) in shapes:
            kept.append(tensor.detach())
        return tensor

    def count(*_: object) -> None:
        storages = {item.untyped_storage()._cdata: item.untyped_storage() for item in kept}
        found.append(sum(storage.nbytes() for storage in storages.values()))

    hook = layers[1].register_forward_pre_hook(count)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        train()
    hook.remove()
    assert kept
    return found[0]


def test_sharded_layers_leave_no_copy_behind(checkpoint: Path, episodes: list[Trajectory]) -> None:
    """One process keeps two bytes a parameter; ranks that share a model none of a layer that is done."""
    run = rl_run(checkpoint, precision="bf16", micro_batch_tokens=8, share_prefixes=False)
    one = alone(run)
    size = sum(item.numel() for item in layers_of(one._policy.model)[0].parameters() if item.ndim == 2)
    assert copies_after_forward(one, lambda: one.update(episodes)) == 2 * size
    with crew_of(2, "fsdp2") as crew:
        shared = crew.open(run)
        assert copies_after_forward(shared._own, lambda: shared.update(episodes, {})) == 0
