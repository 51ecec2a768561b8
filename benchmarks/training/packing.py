"""How much of what an update computes is of use: shares of the positions of its forward passes."""

from collections.abc import Sequence

import numpy as np

from benchmarks.training.data import Episode
from farfield_trainer.learning.algorithm_config import LearnerConfig
from farfield_trainer.learning.learner import PAIRS
from farfield_trainer.learning.packing import pack

Share = dict[str, float]


def packing(played: Sequence[Episode], hidden: int = 128) -> dict[str, Share]:
    """For the learner, with and without shared prefixes; for batches of 32 padded to their longest; and for
    TRL, which pads first prompts and the rest to the longest of all."""
    samples = [one.merged() for one in played]
    ids = [sample.ids for sample in samples]
    lengths = np.array([len(one) for one in ids])
    firsts = np.array([sample.mask.index(1) for sample in samples])
    trained = sum(sum(sample.mask) for sample in samples)
    padded = sum(len(part) * part.max() for part in np.split(lengths, range(32, len(lengths), 32)))
    together = (firsts.max() + (lengths - firsts).max()) * len(lengths)
    own = {
        name: packed(ids, trained, hidden, share)
        for name, share in (("farfield", True), ("farfield_without_shared_prefixes", False))
    }
    plain = {name: shares(size, lengths.sum(), trained, lengths.sum())
             for name, size in (("plain_loop_32", padded), ("trl", together))}  # fmt: skip
    return own | plain


def packed(ids: list[list[int]], trained: int, hidden: int, share: bool) -> Share:
    cost = PAIRS * hidden
    micros = pack(ids, range(len(ids)), LearnerConfig().micro_batch_tokens, share=share, token_cost=cost)
    distinct = sum(len(np.unique(np.concatenate(micro.nodes))) for micro in micros)
    return shares(sum(micro.padded_tokens for micro in micros), distinct, trained, sum(map(len, ids)))


def shares(positions: int, real: int, trained: int, tokens: int) -> Share:
    """`real`: positions that hold a token. `trained`: those whose logprob is in the loss. `tokens`: of all
    sequences, by position; above 1 where sequences share what they begin with."""
    share = {"real": real / positions, "trained": trained / positions, "tokens": tokens / positions}
    return {"positions": int(positions)} | {name: round(float(value), 3) for name, value in share.items()}
