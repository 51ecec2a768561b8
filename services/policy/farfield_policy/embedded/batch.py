"""The device's side of the decode batch: last tokens, positions, attention mask and the slot cache.

Rows are numbered; a row is open while a response runs in it. Nothing here knows requests or sampling.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from farfield_policy.embedded.admission import Entry
from farfield_policy.embedded.kv_cache import SlotCache, Snapshot, rounded
from farfield_policy.embedded.model import Model

FIXED_GRAIN = 64  # smallest attention length of deterministic mode; longer ones double


class Batch:
    """`fixed` gives every step the same shapes, whatever rows are open."""

    def __init__(self, model: Model, rows: int, max_context: int, fixed: bool) -> None:
        self.model = model
        self._count = rows
        self._max_context = max_context
        self._fixed = fixed
        device = model.device
        self._lowest = torch.finfo(model.dtype).min
        capacity = rounded(max_context + 1) if fixed else 0
        self._cache = SlotCache(rows if fixed else 0, capacity)
        self._tokens = torch.zeros(rows, dtype=torch.long, device=device)
        self._positions = torch.zeros(rows, dtype=torch.long, device=device)
        self._shift = torch.zeros(
            rows, dtype=torch.long, device=device
        )  # how much further than that it counts
        self._advance = torch.zeros(rows, dtype=torch.long, device=device)  # 1 where a response runs
        self._mask = torch.zeros(rows, 0, dtype=model.dtype, device=device)
        self._widen(capacity)

    def reserve(self, rows: int, length: int) -> None:
        """Room for that many rows of that many tokens."""
        if self._fixed:
            return
        capacity = self._cache.capacity
        if length > capacity:
            capacity = max(rounded(length), min(2 * capacity, rounded(self._max_context)))
        self._cache.grow(min(self._count, rounded(rows, 8)), capacity)
        self._widen(capacity)

    def prefill(self, entries: Sequence[Entry]) -> Tensor:
        """Logits [entries, vocabulary] after each entry's last token; its keys go to the entry's row. Either
        all entries have a past, which is put in place first, or none."""
        rows = torch.tensor([entry.row for entry in entries], device=self.model.device)
        chunks = [entry.chunk for entry in entries]
        if not entries[0].past:
            self._cache.begin_prefill(rows)
            return self.model.prefill(chunks, self._cache)
        for entry in entries:
            self._recall(entry)
        pasts = torch.tensor([entry.past for entry in entries], device=self.model.device)
        longest = max(entry.left for entry in entries)
        positions = pasts[:, None] + torch.arange(longest, device=self.model.device)
        length = rounded(int(positions.max()) + 1)
        self.reserve(0, length)
        self._cache.begin_extend(rows, positions, length)
        seen = torch.arange(length, device=self.model.device) <= positions[:, :, None]
        mask = torch.zeros(seen.shape, dtype=self.model.dtype, device=self.model.device)
        mask.masked_fill_(~seen, self._lowest)
        return self.model.extend(chunks, positions, mask[:, None], self._cache)

    def _recall(self, entry: Entry) -> None:
        if isinstance(entry.source, int):
            self.copy([entry.source], [entry.row], entry.past)
        elif entry.source is not None:
            self.reserve(entry.row + 1, entry.past)
            self._cache.restore(entry.row, entry.source, entry.past)

    def snapshot(self, row: int, length: int) -> Snapshot:
        """A copy of the keys and values of a row's first `length` tokens."""
        return self._cache.snapshot(row, length)

    def copy(self, source: Sequence[int], target: Sequence[int], length: int) -> None:
        """Copies the keys and values of rows' first `length` tokens to other rows."""
        self._cache.copy(self._index(source), self._index(target), length)

    def open(self, rows: Sequence[int], lengths: Sequence[int], shifts: Sequence[int]) -> None:
        """Rows whose prompts of `lengths` are in the cache begin to decode; `shifts`: how much further than
        their place their tokens count."""
        chosen, sizes = self._index(rows), self._index(lengths)
        places = torch.arange(self._mask.shape[1], device=self.model.device)
        self._mask[chosen] = torch.where(places < sizes[:, None], 0.0, self._lowest).to(self.model.dtype)
        self._positions[chosen] = sizes
        self._shift[chosen] = self._index(shifts)
        self._advance[chosen] = 1

    def close(self, rows: Sequence[int]) -> None:
        chosen = self._index(rows)
        for values in (self._advance, self._positions, self._shift):
            values[chosen] = 0

    def move(self, source: Sequence[int], target: Sequence[int], length: int) -> None:
        """Moves open rows to closed ones."""
        self.copy(source, target, length)
        old, new = self._index(source), self._index(target)
        for values in (self._tokens, self._positions, self._shift, self._advance, self._mask):
            values[new] = values[old]
        self.close(source)

    def feed(self, rows: slice | Sequence[int], tokens: Tensor) -> None:
        """What each row drew, to be read by its next step."""
        self._tokens[rows if isinstance(rows, slice) else self._index(rows)] = tokens

    def step(self, lengths: NDArray[np.int64], active: NDArray[np.int64]) -> Tensor:
        """Logits [count, vocabulary] of the next token of rows 0..count-1, after which each open row is one
        longer. `lengths` counts every row's tokens, the one to be read included."""
        logits = (
            self._step_fixed(lengths, active) if self._fixed else self._step(lengths, int(active[-1]) + 1)
        )
        self._positions += self._advance
        return logits

    def _step(self, lengths: NDArray[np.int64], count: int) -> Tensor:
        longest = int(lengths[:count].max())
        self.reserve(count, longest)
        positions = self._positions[:count]
        self._see(positions)
        self._cache.begin_decode(positions, rounded(longest))
        mask = self._mask[:count, None, None, : rounded(longest)]
        return self.model.decode(self._tokens[:count], positions + self._shift[:count], mask, self._cache)

    def _step_fixed(self, lengths: NDArray[np.int64], active: NDArray[np.int64]) -> Tensor:
        """The same for all rows, in one pass per attention length; rows of other lengths are ignored, and
        their keys written to a spare position."""
        reach = fixed_lengths(lengths, self._cache.capacity)
        self._see(self._positions)
        logits: Tensor | None = None
        for length in sorted(set(reach[active].tolist())):
            member = torch.from_numpy(reach == length).to(self.model.device) & (self._advance > 0)
            spare = torch.full_like(self._positions, self._cache.capacity - 1)
            self._cache.begin_decode(torch.where(member, self._positions, spare), length)
            mask = self._mask[:, None, None, :length]
            some = self.model.decode(self._tokens, self._positions + self._shift, mask, self._cache)
            logits = some if logits is None else torch.where(member[:, None], some, logits)
        assert logits is not None  # noqa: S101 - there is an active row
        return logits

    def _see(self, positions: Tensor) -> None:
        """Lets each row attend to the position that it is about to write."""
        rows = torch.arange(len(positions), device=positions.device)
        self._mask.view(-1)[rows * self._mask.shape[1] + positions] = 0

    def _widen(self, capacity: int) -> None:
        missing = capacity - self._mask.shape[1]
        if missing > 0:
            self._mask = torch.nn.functional.pad(self._mask, (0, missing), value=self._lowest)
            self._mask[:, 0] = 0  # a row without a response attends to something, whatever it is

    def _index(self, values: Sequence[int]) -> Tensor:
        return torch.tensor(values, dtype=torch.long, device=self.model.device)


def fixed_lengths(lengths: NDArray[np.int64], capacity: int) -> NDArray[np.int64]:
    """The attention length of each row in deterministic mode: a power of two times the grain, at most the
    capacity; a function of the row's own length alone."""
    doublings = np.ceil(np.log2(np.maximum(lengths, 1) / FIXED_GRAIN)).clip(min=0)
    return np.minimum(FIXED_GRAIN * 2 ** doublings.astype(np.int64), capacity)
