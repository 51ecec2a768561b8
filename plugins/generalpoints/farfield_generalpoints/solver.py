"""Which hands reach a target, and by which formulas. Exact: values are reduced (numerator, denominator).

Work goes backwards from the target, so that only branches which end there are built, and every
sub-hand is solved once per process. A table of all 1,820 hands costs a quarter of a second; a hand
that was seen costs a dictionary look-up.
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations
from math import gcd

Values = tuple[int, ...]
"""Card values under the rule, sorted."""
Ratio = tuple[int, int]
"""A reduced fraction with a positive denominator."""

ADD, MULTIPLY, ATOM = 0, 1, 2
Term = tuple[str, int]
"""A formula and how tightly its outermost operator binds."""


@lru_cache(maxsize=1 << 16)
def solvable(values: Values, target: int) -> bool:
    """Whether some formula that uses each value once equals the target."""
    return any(True for _ in _branches(values, (target, 1)))


@lru_cache(maxsize=1 << 13)
def solutions(values: Values, target: int) -> tuple[str, ...]:
    """Every formula for the target with no needless parentheses, tokens apart by spaces, sorted."""
    return tuple(sorted({text for text, _ in _terms(values, (target, 1))}))


@lru_cache(maxsize=1 << 16)
def reachable(values: Values) -> frozenset[Ratio]:
    """Every value that formulas over exactly these values have."""
    if len(values) == 1:
        return frozenset([(values[0], 1)])
    return frozenset(
        value
        for left, right in _splits(values)
        for a in reachable(left)
        for b in reachable(right)
        for value in _combine(a, b)
    )


@lru_cache(maxsize=1 << 12)
def _splits(values: Values) -> tuple[tuple[Values, Values], ...]:
    """Every way to part the values in two, each ordered pair once."""
    indices = range(len(values))
    found: dict[tuple[Values, Values], None] = {}
    for size in range(1, len(values)):
        for chosen in combinations(indices, size):
            left = tuple(values[i] for i in chosen)
            found[left, tuple(values[i] for i in indices if i not in chosen)] = None
    return tuple(found)


def _combine(a: Ratio, b: Ratio) -> Iterator[Ratio]:
    """a + b, a − b, a × b, a ÷ b. The other orders come from the mirrored split."""
    (an, ad), (bn, bd) = a, b
    yield _reduced(an * bd + bn * ad, ad * bd)
    yield _reduced(an * bd - bn * ad, ad * bd)
    yield _reduced(an * bn, ad * bd)
    if bn:
        yield _reduced(an * bd, ad * bn)


def _reduced(numerator: int, denominator: int) -> Ratio:
    if denominator < 0:
        numerator, denominator = -numerator, -denominator
    divisor = gcd(numerator, denominator)
    return numerator // divisor, denominator // divisor


def _right_operands(a: Ratio, goal: Ratio) -> Iterator[tuple[str, Ratio]]:
    """Each operator and the one `b` for which `a operator b` is the goal (never zero: see `_goals`)."""
    (an, ad), (gn, gd) = a, goal
    yield "+", _reduced(gn * ad - an * gd, gd * ad)
    yield "-", _reduced(an * gd - gn * ad, gd * ad)
    if an and gn:
        yield "*", _reduced(gn * ad, gd * an)
        yield "/", _reduced(an * gd, ad * gn)


def _branches(values: Values, goal: Ratio) -> Iterator[tuple[Values, Ratio, str, Values, Ratio]]:
    """Every top-most operation over the values that gives the goal."""
    for left, right in _splits(values):
        within = reachable(right)
        for a in reachable(left):
            for operator, b in _right_operands(a, goal):
                if b in within:
                    yield left, a, operator, right, b
            yield from _zero_branches(left, a, right, goal)


def _zero_branches(
    left: Values, a: Ratio, right: Values, goal: Ratio
) -> Iterator[tuple[Values, Ratio, str, Values, Ratio]]:
    """The products and quotients that are zero, whose other operand is free."""
    if goal[0] == 0:
        for b in reachable(right):
            if a[0] == 0 or b[0] == 0:
                yield left, a, "*", right, b
            if a[0] == 0 and b[0] != 0:
                yield left, a, "/", right, b


@lru_cache(maxsize=1 << 16)
def _terms(values: Values, goal: Ratio) -> tuple[Term, ...]:
    if len(values) == 1:
        return (atom(values[0]),)
    return tuple(
        {
            joined(x, operator, y): None
            for left, a, operator, right, b in _branches(values, goal)
            for x in _terms(left, a)
            for y in _terms(right, b)
        }
    )


def atom(value: int) -> Term:
    return str(value), ATOM


def joined(left: Term, operator: str, right: Term) -> Term:
    """`left operator right` with the parentheses that its meaning needs."""
    level = ADD if operator in "+-" else MULTIPLY
    strict = operator in "-/"
    x = f"( {left[0]} )" if left[1] < level else left[0]
    y = f"( {right[0]} )" if right[1] < level or (strict and right[1] == level) else right[0]
    return f"{x} {operator} {y}", level
