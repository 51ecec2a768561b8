"""Keys and values that finished responses left, so that a conversation's next turn computes what is new.

Entries are found by the hash of their ids: the hashes of all prefixes of a prompt are one cumulated sum, and
only lengths that some entry has are looked up. The ids themselves decide.
"""

from collections import Counter, OrderedDict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from farfield_policy import meters
from farfield_policy.embedded.draws import mix
from farfield_policy.embedded.kv_cache import Snapshot

Key = tuple[int, int]  # length, hash


def prefix_hashes(ids: Sequence[int]) -> NDArray[np.uint64]:
    """The hash of every non-empty prefix, shortest first: a sum over (position, id), mixed."""
    positions = np.arange(1, len(ids) + 1, dtype=np.uint64) << np.uint64(32)
    return np.cumsum(mix(positions + np.asarray(ids, np.uint64)), dtype=np.uint64)


class Prefixes:
    """Holds at most `budget` tokens, the latest used."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self._held: OrderedDict[Key, tuple[tuple[int, ...], Snapshot]] = OrderedDict()
        self._lengths: Counter[int] = Counter()
        self._tokens = 0

    def add(self, ids: Sequence[int], snapshot: Snapshot) -> None:
        key = (len(ids), int(prefix_hashes(ids)[-1]))
        self._drop(key)
        self._held[key] = (tuple(ids), snapshot)
        self._lengths[len(ids)] += 1
        self._tokens += len(ids)
        while self._tokens > self.budget:
            self._drop(next(iter(self._held)))
            meters.prefix_evictions.inc()
        meters.prefix_tokens.set(self._tokens)

    def find(self, ids: Sequence[int], shortest: int) -> tuple[int, Snapshot] | None:
        """The longest entry that `ids` begins with and goes on from, of at least `shortest` tokens."""
        lengths = [length for length in self._lengths if shortest <= length < len(ids)]
        if not lengths:
            return None
        hashes = prefix_hashes(ids)
        for length in sorted(lengths, reverse=True):
            key = (length, int(hashes[length - 1]))
            if key in self._held and self._held[key][0] == tuple(ids[:length]):
                self._held.move_to_end(key)
                return length, self._held[key][1]
        return None

    def clear(self) -> None:
        """Other weights: what the old ones computed is of no use."""
        self._held.clear()
        self._lengths.clear()
        self._tokens = 0
        meters.prefix_tokens.set(0)

    def _drop(self, key: Key) -> None:
        if self._held.pop(key, None) is not None:
            self._tokens -= key[0]
            self._lengths[key[0]] -= 1
            if not self._lengths[key[0]]:
                del self._lengths[key[0]]
