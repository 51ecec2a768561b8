"""Uniform draws by counter: the draw for token t of a request is a hash of (seed, t) and of nothing else.

splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014), evaluated at
a counter rather than stepped, for a whole batch at once.
"""

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_BITS = 24  # what a float32 in [0, 1) holds exactly, so that u * total stays below total


def mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """splitmix64's finalizer: every input bit flips each output bit with probability one half."""
    values = (values ^ (values >> np.uint64(30))) * _FIRST
    values = (values ^ (values >> np.uint64(27))) * _SECOND
    return values ^ (values >> np.uint64(31))


def uniforms(seeds: NDArray[np.uint64], counters: NDArray[np.uint64]) -> NDArray[np.float32]:
    """float32 in [0, 1), one per (seed, counter). Seeds are mixed first: neighbours share nothing."""
    hashed = mix(mix(seeds + _GOLDEN) + (counters + np.uint64(1)) * _GOLDEN)
    return (hashed >> np.uint64(64 - _BITS)).astype(np.float32) * np.float32(2.0**-_BITS)
