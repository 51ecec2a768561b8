"""The streets of a synthetic city: a seeded grid with irregular blocks, missing streets and diagonals.

A plane in metres, x to the east and y to the north. Streets are straight between crossings.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import cos, radians, sin, tan
from random import Random

from farfield_virl.bearings import heading_of, length

Spot = tuple[float, float]
COLUMNS, ROWS = 9, 9
SHORTEST_BLOCK, LONGEST_BLOCK = 70.0, 130.0
JITTER = 5.0
MISSING_SHARE, DIAGONAL_SHARE = 0.1, 0.2
HALF_STREET = 8.5
"""From the middle of a street to the facades."""


@dataclass(frozen=True, slots=True)
class Street:
    """A straight street between two crossings, given by their numbers."""

    a: int
    b: int


@dataclass(frozen=True)
class Streets:
    """The map. `around[n]` holds the neighbours of crossing `n`, clockwise from north."""

    spots: tuple[Spot, ...]
    streets: tuple[Street, ...]
    around: tuple[tuple[int, ...], ...] = field(default=())

    def heading(self, a: int, b: int) -> float:
        (ax, ay), (bx, by) = self.spots[a], self.spots[b]
        return heading_of(bx - ax, by - ay)

    def length(self, a: int, b: int) -> float:
        (ax, ay), (bx, by) = self.spots[a], self.spots[b]
        return length(bx - ax, by - ay)

    def along(self, a: int, b: int, metres: float, aside: float = 0.0) -> Spot:
        """The spot so many metres from `a` towards `b`, and so many to the right of that way."""
        (ax, ay), (bx, by) = self.spots[a], self.spots[b]
        whole = length(bx - ax, by - ay)
        ux, uy = (bx - ax) / whole, (by - ay) / whole
        return ax + ux * metres + uy * aside, ay + uy * metres - ux * aside

    def setback(self, at: int, to: int, right: bool) -> float:
        """How far from a crossing the facades of a street begin on one of its sides: where they meet
        those of the next street on that side."""
        ring = self.around[at]
        neighbour = ring[(ring.index(to) + (1 if right else -1)) % len(ring)]
        angle = (self.heading(at, neighbour) - self.heading(at, to)) * (1 if right else -1) % 360
        return HALF_STREET / tan(radians((angle or 360) / 2)) if angle else -HALF_STREET


def build_streets(seed: str) -> Streets:
    """The streets that a seed names."""
    rng = Random(f"streets {seed}")
    spots = tuple(_turned(_spots(rng), rng.random() * 90))
    links = _thinned(list(_grid_links()), rng) + list(_diagonals(rng))
    bare = Streets(spots, tuple(Street(a, b) for a, b in links))
    around = tuple(tuple(_ring(bare, n, _neighbours(links, n))) for n in range(len(spots)))
    return Streets(spots, bare.streets, around)


def _ring(streets: Streets, spot: int, neighbours: list[int]) -> list[int]:
    """Clockwise from north."""
    return sorted(neighbours, key=lambda one: streets.heading(spot, one))


def _spots(rng: Random) -> list[Spot]:
    xs, ys = [0.0], [0.0]
    for line, count in ((xs, COLUMNS), (ys, ROWS)):
        while len(line) < count:
            line.append(line[-1] + SHORTEST_BLOCK + rng.random() * (LONGEST_BLOCK - SHORTEST_BLOCK))
    return [
        (x + JITTER * (2 * rng.random() - 1), y + JITTER * (2 * rng.random() - 1)) for y in ys for x in xs
    ]


def _turned(spots: list[Spot], angle: float) -> Iterator[Spot]:
    c, s = cos(radians(angle)), sin(radians(angle))
    for x, y in spots:
        yield x * c - y * s, x * s + y * c


def _grid_links() -> Iterator[tuple[int, int]]:
    for row in range(ROWS):
        for column in range(COLUMNS):
            here = row * COLUMNS + column
            if column + 1 < COLUMNS:
                yield here, here + 1
            if row + 1 < ROWS:
                yield here, here + COLUMNS


def _thinned(links: list[tuple[int, int]], rng: Random) -> list[tuple[int, int]]:
    """Without some streets inside the city: the crossings there become T-shaped."""
    degree = [len(_neighbours(links, n)) for n in range(COLUMNS * ROWS)]
    kept = []
    for a, b in links:
        if degree[a] == degree[b] == 4 and rng.random() < 2 * MISSING_SHARE:
            degree[a], degree[b] = degree[a] - 1, degree[b] - 1
        else:
            kept.append((a, b))
    return kept


def _diagonals(rng: Random) -> Iterator[tuple[int, int]]:
    """Short cuts across blocks, at most one to a block."""
    for row in range(ROWS - 1):
        for column in range(COLUMNS - 1):
            chance, here = rng.random(), row * COLUMNS + column
            if chance < DIAGONAL_SHARE / 2:
                yield here, here + COLUMNS + 1
            elif chance < DIAGONAL_SHARE:
                yield here + 1, here + COLUMNS


def _neighbours(links: list[tuple[int, int]], spot: int) -> list[int]:
    return [b if a == spot else a for a, b in links if spot in (a, b)]
