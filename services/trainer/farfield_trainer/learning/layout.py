"""The tokens that a batch trains on as flat arrays, and where a forward pass finds them.

Trainable tokens are numbered turn by turn, turns sequence by sequence, so the tokens and turns of one
sequence are runs of the flat arrays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from farfield_trainer.learning.packing import MicroBatch

Array = npt.NDArray[np.int64]


class Span(Protocol):
    """Trainable ids[start:end] of a sequence."""

    @property
    def sequence(self) -> int: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Layout:
    """`token_counts` [turns]; `turn_of`, `position_of` [tokens]; runs per sequence: tokens
    `token_runs[s]:token_runs[s + 1]`, turns `turn_runs[s]:turn_runs[s + 1]`."""

    token_counts: Array
    turn_of: Array
    position_of: Array
    token_runs: Array
    turn_runs: Array

    @property
    def tokens(self) -> int:
        return len(self.turn_of)

    @property
    def turns(self) -> int:
        return len(self.token_counts)

    @property
    def sequence_of_token(self) -> Array:
        return np.repeat(np.arange(len(self.token_runs) - 1), np.diff(self.token_runs))

    @property
    def sequence_of_turn(self) -> Array:
        return np.repeat(np.arange(len(self.turn_runs) - 1), np.diff(self.turn_runs))


def layout(spans: Sequence[Span], sequences: int) -> Layout:
    """The layout of spans that are sorted by sequence and start. No span is empty."""
    counts = np.array([span.end - span.start for span in spans], np.int64)
    owners = np.array([span.sequence for span in spans], np.int64)
    positions = np.concatenate([np.arange(span.start, span.end) for span in spans])
    turn_runs = np.concatenate([[0], np.cumsum(np.bincount(owners, minlength=sequences))])
    token_runs = np.concatenate([[0], np.cumsum(counts)])[turn_runs]
    return Layout(counts, np.repeat(np.arange(len(spans)), counts), positions, token_runs, turn_runs)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one forward pass has to answer, in order of its members.

    `sources` predict `targets`; `tokens` and `turns` are their flat numbers; `turn_of` [tokens] counts turns
    within the pass; `prompts` [turns] are the places of the last prompt tokens.
    """

    sources: Tensor
    targets: Tensor
    tokens: Tensor
    turns: Tensor
    turn_of: Tensor
    prompts: Tensor


def wanted(batch: MicroBatch, flat: Layout, device: torch.device) -> Wanted:
    members = np.asarray(batch.members, np.int64)
    tokens = _runs(flat.token_runs, members)
    turns = _runs(flat.turn_runs, members)
    paths = [
        (nodes, flat.position_of[flat.token_runs[member] : flat.token_runs[member + 1]])
        for member, nodes in zip(batch.members, batch.nodes, strict=True)
    ]
    sources = np.concatenate([nodes[positions - 1] for nodes, positions in paths])
    targets = batch.ids.reshape(-1)[np.concatenate([nodes[positions] for nodes, positions in paths])]
    counts = flat.token_counts[turns]
    return Wanted(
        sources=torch.from_numpy(sources).to(device),
        targets=torch.from_numpy(targets).to(device),
        tokens=torch.from_numpy(tokens).to(device),
        turns=torch.from_numpy(turns).to(device),
        turn_of=torch.from_numpy(np.repeat(np.arange(len(turns)), counts)).to(device),
        prompts=torch.from_numpy(sources[np.cumsum(counts) - counts]).to(device),
    )


def _runs(bounds: Array, members: Array) -> Array:
    return np.concatenate([np.arange(bounds[member], bounds[member + 1]) for member in members])
