from collections import Counter
from itertools import combinations_with_replacement
from random import Random

from farfield_generalpoints.cards import FACES, deal_ranks, hand_of, held_out, rank_values


def test_face_cards_are_worth_what_the_rule_says():
    assert rank_values((11, 12, 13)) == tuple(range(14))
    assert rank_values((10, 10, 10))[11:] == (10, 10, 10)


def test_uniform_deals_every_rank_about_equally():
    rng = Random(1)
    seen = Counter(rank for _ in range(3000) for rank in deal_ranks(rng, "uniform"))
    assert set(seen) == set(range(1, 14))
    assert max(seen.values()) < 1.3 * min(seen.values())


def test_face_deals_hold_a_face_card_in_any_place():
    rng = Random(2)
    hands = [deal_ranks(rng, "face") for _ in range(500)]
    assert all(max(hand) >= 11 for hand in hands)
    single = Counter(
        [rank >= 11 for rank in hand].index(True) for hand in hands if sum(rank >= 11 for rank in hand) == 1
    )
    assert set(single) == {0, 1, 2, 3}


def test_hand_names_faces_and_values_in_the_order_dealt():
    hand = hand_of([1, 10, 11, 13], rank_values((11, 12, 13)), Random(0))
    assert hand.faces == ("A", "10", "J", "K")
    assert hand.values == (1, 10, 11, 13)
    assert len(hand.suits) == 4
    assert FACES[12] == "K"


def test_about_one_set_of_values_in_five_is_held_out():
    hands = list(combinations_with_replacement(range(1, 14), 4))
    assert 0.17 < sum(map(held_out, hands)) / len(hands) < 0.23


def test_the_split_never_changes():
    """Shipped checkpoints were trained on it."""
    hands = combinations_with_replacement(range(1, 14), 4)
    assert [hand for hand in hands if held_out(hand)][:4] == [
        (1, 1, 1, 10),
        (1, 1, 1, 11),
        (1, 1, 2, 2),
        (1, 1, 2, 3),
    ]
