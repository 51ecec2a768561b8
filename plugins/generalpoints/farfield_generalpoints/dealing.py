"""Deals the hand that a seed names, and draws its rule where hands have rules of their own."""

from random import Random

from farfield_generalpoints.cards import (
    SUITS_BY_NAME,
    Hand,
    Rule,
    deal_ranks,
    drawn_rule,
    hand_of,
    rank_values,
)
from farfield_generalpoints.options import GeneralPointsOptions


def deal_hand(options: GeneralPointsOptions, seed: int) -> tuple[Hand, Rule]:
    """The hand and its rule: deal until a hand is solvable and in the split.

    It ends: options for which no hand qualifies do not validate.
    """
    rng = Random(seed)
    while True:
        rule = options.face_values or drawn_rule(rng)
        ranks, by_rank = deal_ranks(rng, options.deal), rank_values(rule)
        if options.deals(tuple(sorted([by_rank[rank] for rank in ranks]))):
            return hand_of(ranks, by_rank, rng, SUITS_BY_NAME[options.suits]), rule
