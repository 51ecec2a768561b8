"""Keys and values of a decode batch in fixed slots: one row of each layer's buffer per running response.

Buffers are [rows, heads, capacity, head size], so that a row's keys of one head lie together; each layer's
are made at its first write and grow by doubling, so that a model's layers may differ. A prompt's keys are
written to its slot from position 0; each decode step writes one position per row, wherever that row is.
"""

from typing import TypeAlias

import torch
from torch import Tensor
from transformers import Cache

GRAIN = 8  # lengths are rounded up to this

Snapshot: TypeAlias = list[tuple[Tensor, Tensor]]
"""Keys and values [heads, length, head size] of one row, layer by layer."""


def rounded(length: int, grain: int = GRAIN) -> int:
    return -(-length // grain) * grain


class SlotLayer:
    """Buffers of one layer."""

    def __init__(self) -> None:
        self.keys = self.values = torch.empty(0, 0, 0, 0)

    def reserve(self, like_keys: Tensor, like_values: Tensor, rows: int, capacity: int) -> None:
        """Makes room for `rows` and `capacity`; what was written stays. Zeros, since a masked position
        still multiplies its value by a weight of 0, and 0 times garbage may be NaN."""
        if self.keys.shape[0] >= rows and self.keys.shape[2] >= capacity:
            return
        self.keys = _grown(self.keys, like_keys, rows, capacity)
        self.values = _grown(self.values, like_values, rows, capacity)


def _grown(old: Tensor, like: Tensor, rows: int, capacity: int) -> Tensor:
    shape = (max(rows, old.shape[0]), like.shape[1], max(capacity, old.shape[2]), like.shape[3])
    new = like.new_zeros(shape)
    if old.numel():
        new[: old.shape[0], :, : old.shape[2]] = old
    return new


class SlotCache(Cache):
    """The cache object that a Hugging Face model writes to and reads from.

    Before each forward pass the owner says what the pass is: `begin_prefill`, `begin_extend` or
    `begin_decode`.
    """

    def __init__(self, rows: int, capacity: int) -> None:
        super().__init__(layers=[])
        self.rows = rows
        self.capacity = capacity
        self._slots: list[SlotLayer] = []
        self._prefill: Tensor | None = None
        self._extend: Tensor | None = None
        self._positions: Tensor = torch.empty(0, dtype=torch.long)
        self._length = 0
        self._targets: dict[tuple[int, int], Tensor] = {}

    def grow(self, rows: int, capacity: int) -> None:
        """Room for more; each layer takes it when it is next written."""
        self.rows, self.capacity = max(rows, self.rows), max(capacity, self.capacity)

    def begin_prefill(self, slots: Tensor) -> None:
        """The pass runs whole prompts, one per slot, each from position 0."""
        self._prefill, self._extend = slots, None

    def begin_extend(self, slots: Tensor, positions: Tensor, length: int) -> None:
        """The pass goes on from what slots hold: its tokens stand at `positions` [slots, tokens], and attend
        to the first `length`."""
        self._prefill, self._extend = None, slots
        self._positions, self._length = positions, length

    def begin_decode(self, positions: Tensor, length: int) -> None:
        """The pass runs one token for each of the first len(positions) rows, and attends to the first
        `length` positions."""
        self._prefill = self._extend = None
        self._positions, self._length = positions, length
        self._targets.clear()

    def copy(self, source: Tensor, target: Tensor, length: int) -> None:
        """Copies the first `length` positions of rows to other rows."""
        for layer in self._slots:
            layer.reserve(layer.keys, layer.values, self.rows, self.capacity)
            layer.keys[target, :, :length] = layer.keys[source, :, :length]
            layer.values[target, :, :length] = layer.values[source, :, :length]

    def snapshot(self, row: int, length: int) -> Snapshot:
        """A copy of a row's first `length` positions."""
        return [
            (layer.keys[row, :, :length].clone(), layer.values[row, :, :length].clone())
            for layer in self._slots
        ]

    def restore(self, row: int, snapshot: Snapshot, length: int) -> None:
        """Writes the first `length` positions of a snapshot to a row."""
        for layer, (keys, values) in zip(self._slots, snapshot, strict=True):
            layer.reserve(keys[None], values[None], self.rows, self.capacity)
            layer.keys[row, :, :length] = keys[:, :length]
            layer.values[row, :, :length] = values[:, :length]

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Called by every attention layer; states are [rows, heads, tokens, head size]."""
        while len(self._slots) <= layer_idx:
            self._slots.append(SlotLayer())
        layer = self._slots[layer_idx]
        layer.reserve(key_states, value_states, self.rows, self.capacity)
        if self._extend is not None:
            return self._go_on(layer, self._extend, key_states, value_states)
        if self._prefill is None:
            return self._append(layer, key_states, value_states)
        length = min(key_states.shape[2], self.capacity)
        layer.keys[self._prefill, :, :length] = key_states[:, :, :length]
        layer.values[self._prefill, :, :length] = value_states[:, :, :length]
        return key_states, value_states

    def _go_on(self, layer: SlotLayer, slots: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        layer.keys[slots[:, None], :, self._positions] = keys.transpose(1, 2)
        layer.values[slots[:, None], :, self._positions] = values.transpose(1, 2)
        return layer.keys[slots, :, : self._length], layer.values[slots, :, : self._length]

    def _append(self, layer: SlotLayer, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        for buffer, new in ((layer.keys, keys), (layer.values, values)):
            target = self._target(buffer.shape[1], buffer.shape[2])
            buffer.view(-1, buffer.shape[3]).index_copy_(0, target, new.reshape(-1, new.shape[3]))
        rows = len(self._positions)
        return layer.keys[:rows, :, : self._length], layer.values[:rows, :, : self._length]

    def _target(self, heads: int, capacity: int) -> Tensor:
        """Where each (row, head) of the pass is written, in a buffer seen as [everything, head size]."""
        key = (heads, capacity)
        if key not in self._targets:
            rows = torch.arange(len(self._positions), device=self._positions.device)
            pairs = rows[:, None] * heads + torch.arange(heads, device=self._positions.device)
            self._targets[key] = (pairs * capacity + self._positions[:, None]).view(-1)
        return self._targets[key]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Models ask where their first query stands; they are given position ids, so nothing is before."""
        return 0

    def get_mask_sizes(self, query_length: int, layer_idx: int = 0) -> tuple[int, int]:
        return query_length, 0

    def get_query_offset(self, layer_idx: int = 0) -> int:
        return 0
