"""Seeds by hash: which episodes an evaluation plays is the same wherever it is planned.

Seeds are the leading bits of SHA-256 over a path of words, `"/".join(words)`. Environment seeds have 48 bits
(exact in every JSON reader): training uses the lower half, 0 … 2^47 − 1, evaluation the upper half, so an
evaluation never deals what training dealt. Sampling seeds have 64 bits.
  evaluation     eval/environment/<suite seed>/<index>      nothing of the run, the weights or the variant
                 eval/sampling/<suite seed>/<index>
"""

import hashlib

HALF_BITS = 47
"""Of environment seeds: each half has so many bits."""


def hashed(*words: object, bits: int = 64) -> int:
    """The leading bits of SHA-256 over the words joined by '/'."""
    digest = hashlib.sha256("/".join(map(str, words)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> (64 - bits)


def evaluation_seed(suite_seed: int, index: int) -> int:
    """The environment seed of a suite's episode."""
    return (1 << HALF_BITS) | hashed("eval", "environment", suite_seed, index, bits=HALF_BITS)


def evaluation_sampling_seed(suite_seed: int, index: int) -> int:
    return hashed("eval", "sampling", suite_seed, index)
