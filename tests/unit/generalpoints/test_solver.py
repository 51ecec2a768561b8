from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations_with_replacement, permutations, product
from random import Random

import pytest

from farfield_generalpoints.formula import read
from farfield_generalpoints.solver import reachable, solutions, solvable

HANDS = list(combinations_with_replacement(range(1, 14), 4))
APPLY = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b if b else None,
}


def trees(leaves: tuple) -> Iterator[object]:
    """Every tree over the leaves in this order: an independent, slow enumeration."""
    if len(leaves) == 1:
        yield leaves[0]
    for cut in range(1, len(leaves)):
        for left, right in product(trees(leaves[:cut]), trees(leaves[cut:])):
            for operator in "+-*/":
                yield left, operator, right


def value(tree: object) -> Fraction | None:
    if isinstance(tree, int):
        return Fraction(tree)
    left, operator, right = tree
    a, b = value(left), value(right)
    return None if a is None or b is None else APPLY[operator](a, b)


def text(tree: object, context: str = "") -> str:
    """`context`: the operator above, doubled when this is its right operand."""
    if isinstance(tree, int):
        return str(tree)
    left, operator, right = tree
    inside = f"{text(left, operator)} {operator} {text(right, operator * 2)}"
    weak = operator in "+-"
    needed = (weak and context[:1] in ("*", "/")) or (weak and context == "--") or context == "//"
    return f"( {inside} )" if needed and context else inside


def brute_force(hand: tuple[int, ...], target: int) -> set[str]:
    return {text(tree) for order in set(permutations(hand)) for tree in trees(order) if value(tree) == target}


def test_counts_of_solvable_hands():
    assert sum(solvable(hand, 24) for hand in HANDS) == 1362
    small = [hand for hand in HANDS if max(hand) <= 10]
    assert (len(HANDS), len(small)) == (1820, 715)
    assert sum(solvable(hand, 24) for hand in small) == 566


@pytest.mark.parametrize("hand", [(1, 4, 6, 7), (3, 3, 8, 8), (5, 5, 5, 1), (2, 2, 12, 13), (7, 7, 7, 7)])
def test_solutions_are_those_of_brute_force(hand):
    hand = tuple(sorted(hand))
    assert set(solutions(hand, 24)) == brute_force(hand, 24)


@pytest.mark.parametrize(("hand", "target"), [((3, 3, 5, 8), 13), ((1, 1, 2, 2), 3), ((4, 4, 9, 9), 9)])
def test_solutions_by_way_of_zero_are_found(hand, target):
    found = set(solutions(hand, target))
    assert found == brute_force(hand, target)
    assert any("* ( " in formula for formula in found)


def test_every_solution_is_worth_the_target_and_uses_each_value_once():
    for hand in Random(3).sample(HANDS, 150):
        for formula in solutions(hand, 24):
            reading = read(formula)
            assert reading.value == 24
            assert tuple(sorted(reading.numbers)) == hand


def test_solutions_exist_exactly_where_solvable():
    assert all(bool(solutions(hand, 36)) == solvable(hand, 36) for hand in Random(4).sample(HANDS, 150))


def test_reachable_values_are_reduced():
    assert reachable((2, 4)) == {(6, 1), (-2, 1), (2, 1), (8, 1), (1, 2)}
