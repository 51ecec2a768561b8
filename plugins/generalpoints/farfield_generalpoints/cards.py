"""The deck, the rules for J, Q and K, and dealing."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Literal

from farfield_sdk import in_split

FACES = ("A", "2", "3", "4", "5", "6", "7", "8", "9", "10", "J", "Q", "K")
SUITS = ("♠", "♥", "♦", "♣")
HAND_SIZE = 4
JACK = 11

Rule = tuple[int, int, int]
"""What J, Q and K count as."""
RULES: Mapping[str, Rule] = {"ten": (10, 10, 10), "rank": (11, 12, 13)}
HIGHEST_DRAWN = 13
"""Highest value of a face card under a drawn rule."""

SuitsName = Literal["all", "black", "red"]
SUITS_BY_NAME: Mapping[str, tuple[str, ...]] = {"all": SUITS, "black": ("♠", "♣"), "red": ("♥", "♦")}

Deal = Literal["uniform", "face"]


@dataclass(frozen=True, slots=True)
class Hand:
    """Four cards and what they are worth under the rule, in the order dealt."""

    faces: tuple[str, ...]
    suits: tuple[str, ...]
    values: tuple[int, ...]


def rank_values(faces: Rule) -> tuple[int, ...]:
    """Value of each rank 1 … 13 at its index; index 0 is unused."""
    return (*range(JACK), *faces)


def drawn_rule(rng: Random) -> Rule:
    """A value from 1 to 13 for each of J, Q and K: never one of the named rules, which stay unseen."""
    while True:
        jack, queen, king = (1 + _below(rng, HIGHEST_DRAWN) for _ in range(3))
        if (jack, queen, king) not in RULES.values():
            return jack, queen, king


def deal_ranks(rng: Random, deal: Deal) -> list[int]:
    """Four ranks. `face`: three of any rank and one of J, Q, K, shuffled.

    Only `Random.random` is used: Python promises its sequence for a seed across versions.
    """
    ranks = [1 + _below(rng, 13) for _ in range(HAND_SIZE)]
    if deal == "face":
        ranks[_below(rng, HAND_SIZE)] = JACK + _below(rng, 3)
    return ranks


def hand_of(
    ranks: list[int], values_by_rank: tuple[int, ...], rng: Random, suits: tuple[str, ...] = SUITS
) -> Hand:
    return Hand(
        faces=tuple(FACES[rank - 1] for rank in ranks),
        suits=tuple(suits[_below(rng, len(suits))] for _ in ranks),
        values=tuple(values_by_rank[rank] for rank in ranks),
    )


@lru_cache(maxsize=1 << 16)
def held_out(values: tuple[int, ...]) -> bool:
    """Whether the sorted values belong to the fifth of all hands that training never deals.

    A hash of the values alone, so that the split is the same under every rule and target.
    """
    return in_split(",".join(map(str, values)), "heldout")


def _below(rng: Random, count: int) -> int:
    return int(rng.random() * count)
