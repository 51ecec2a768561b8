"""The layers of a text model, and what is kept of them from the forward pass to the backward pass."""

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint


def layers_of(model: Any) -> list[nn.Module]:
    """The layers of the text model: those that every pass runs through."""
    stacks = [child for child in model.get_decoder().children() if isinstance(child, nn.ModuleList)]
    return [layer for stack in stacks for layer in stack]


def recompute(model: Any) -> None:
    """Has each layer keep its inputs alone and compute the rest again on the way back (Chen et al. 2016,
    arXiv 1604.06174). The model's own switch works in training mode only, and models are trained in the mode
    of inference: the policy that is trained has to be the one that sampled."""
    for layer in layers_of(model):
        layer.forward = partial(_again, layer.forward)


def _again(forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    # Nothing is drawn at random in a layer, so no state of a generator is kept.
    return checkpoint(forward, *args, use_reentrant=False, preserve_rng_state=False, **kwargs)
