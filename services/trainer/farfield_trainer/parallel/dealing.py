"""Who computes which micro-batch: pure functions, so every rank knows everyone's part without a word."""

from collections.abc import Sequence

from farfield_trainer.learning.packing import MicroBatch
from farfield_trainer.learning.ranks import Pass


def budget(tokens: int, most: int, ranks: int) -> int:
    """Tokens of one micro-batch, such that a small step too has work for every rank."""
    return max(1, min(most, -(-tokens // ranks)))


def cost(micro: MicroBatch, pairs_per_token: int) -> float:
    """Of one pass, in tokens: attention over `pairs_per_token` query-key pairs costs as much as one more."""
    rows, width = micro.ids.shape
    return rows * width * (1 + width / pairs_per_token)


def balanced(costs: Sequence[float], ranks: int) -> list[list[int]]:
    """For each rank the places of its own, in order: the dearest first, each to whoever has least."""
    parts: list[list[int]] = [[] for _ in range(ranks)]
    loads = [0.0] * ranks
    for place in sorted(range(len(costs)), key=lambda place: (-costs[place], place)):
        least = loads.index(min(loads))
        parts[least].append(place)
        loads[least] += costs[place]
    return [sorted(part) for part in parts]


def in_step(micros: Sequence[MicroBatch], pairs_per_token: int, ranks: int, rank: int) -> list[Pass]:
    """As many passes for every rank, those of one round as near in cost as can be. Where the last round is
    short, the cheapest micro-batch of all fills it without counting."""
    order = sorted(range(len(micros)), key=lambda place: (-cost(micros[place], pairs_per_token), place))
    mine = [Pass(micros[place]) for place in order[rank::ranks]]
    rounds = -(-len(order) // ranks)
    return mine + [Pass(micros[order[-1]], counts=False)] * (rounds - len(mine))
