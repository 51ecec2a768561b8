"""Packing sequences into forward passes by token budget, sharing the prefixes they have in common.

A row is a forest of sequences written depth first: each token once, at the position it has in its sequence,
attending to its ancestors alone. A row of one sequence is plain causal text. Rows are sorted by length, so
that little is padded. Everything is a pure function of the sequences; the result does not depend on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Ids = Sequence[int]
Array = npt.NDArray[np.int64]


@dataclass(slots=True)
class Row:
    """`nodes[i]` maps the tokens of sequence `members[i]` to their places in the row; a subtree of node j
    is ids[j:ends[j]]."""

    ids: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    members: list[int] = field(default_factory=list)
    nodes: list[list[int]] = field(default_factory=list)

    def append(self, member: int, ids: Ids, shared: int) -> None:
        """Adds a sequence that has its first `shared` tokens in common with the one added before."""
        size, new = len(self.ids), len(ids) - shared
        path = (self.nodes[-1][:shared] if self.nodes else []) + list(range(size, size + new))
        self.ids += ids[shared:]
        self.depths += range(shared, len(ids))
        self.ends += [0] * new
        for node in path:
            self.ends[node] = size + new
        self.members.append(member)
        self.nodes.append(path)


@dataclass(slots=True)
class MicroBatch:
    """One forward pass of rows x width tokens. `positions` and `mask` are None where all rows are plain."""

    ids: Array
    positions: Array | None
    mask: npt.NDArray[np.bool_] | None
    members: list[int]
    nodes: list[Array]
    """Per member: places of its tokens in the flattened ids."""

    @property
    def padded_tokens(self) -> int:
        return self.ids.size


def pack(
    sequences: Sequence[Ids], members: Sequence[int], max_tokens: int, *, share: bool, token_cost: int
) -> list[MicroBatch]:
    """Micro-batches of at most `max_tokens` with the sequences that `members` names.

    `token_cost`: how many query-key pairs of attention cost as much as the rest of the model for one token;
    prefixes are shared where that saves more than the wider attention costs.
    """
    rows = _rows(sequences, members, max_tokens, token_cost if share else 0)
    rows.sort(key=lambda row: (-len(row.ids), row.members))
    packed: list[MicroBatch] = []
    start = 0
    while start < len(rows):
        count = max(1, max_tokens // len(rows[start].ids))
        packed.append(_micro_batch(rows[start : start + count]))
        start += count
    return packed


def _rows(sequences: Sequence[Ids], members: Sequence[int], max_tokens: int, token_cost: int) -> list[Row]:
    """Sequences in lexical order, each in the open row where that pays, else in a new one."""
    if not token_cost:
        rows = [Row() for _ in members]
        for row, member in zip(rows, members, strict=True):
            row.append(member, sequences[member], 0)
        return rows
    rows = []
    previous: Ids = ()
    for member in sorted(members, key=lambda index: (sequences[index], index)):
        ids = sequences[member]
        shared = common_prefix(previous, ids)
        if not rows or not _pays(len(rows[-1].ids), len(ids), shared, max_tokens, token_cost):
            rows.append(Row())
            shared = 0
        rows[-1].append(member, ids, shared)
        previous = ids
    return rows


def _pays(row: int, length: int, shared: int, max_tokens: int, token_cost: int) -> bool:
    wider = row + length - shared
    extra_pairs = wider**2 - row**2 - length**2
    return wider <= max_tokens and shared * token_cost > extra_pairs


def common_prefix(first: Ids, second: Ids) -> int:
    for index, (left, right) in enumerate(zip(first, second, strict=False)):
        if left != right:
            return index
    return min(len(first), len(second))


def _micro_batch(rows: list[Row]) -> MicroBatch:
    width = max(len(row.ids) for row in rows)
    ids = np.zeros((len(rows), width), np.int64)
    for place, row in enumerate(rows):
        ids[place, : len(row.ids)] = row.ids
    plain = all(len(row.members) == 1 for row in rows)
    positions, mask = (None, None) if plain else _tree_attention(rows, width)
    members = [member for row in rows for member in row.members]
    nodes = [
        np.asarray(path, np.int64) + place * width for place, row in enumerate(rows) for path in row.nodes
    ]
    return MicroBatch(ids, positions, mask, members, nodes)


def _tree_attention(rows: list[Row], width: int) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Positions [rows, width], and which key j each query i sees: j <= i < ends[j]. Padding sees itself."""
    places = np.arange(width)
    positions = np.zeros((len(rows), width), np.int64)
    ends = np.tile(places + 1, (len(rows), 1))
    for place, row in enumerate(rows):
        positions[place, : len(row.ids)] = row.depths
        ends[place, : len(row.ids)] = row.ends
    queries, keys = places[None, :, None], places[None, None, :]
    return positions, (keys <= queries) & (queries < ends[:, None, :])
