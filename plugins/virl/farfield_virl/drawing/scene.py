"""A city as things to draw: roads on the ground, buildings along them, greenery on the pavement."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from math import atan2, cos
from random import Random

from farfield_virl.city import City, build_city
from farfield_virl.looks import LOOKS, Colour, Look
from farfield_virl.streets import HALF_STREET, Spot, Streets

STOREY = 3.3
HALF_ROAD = 5.2
GREEN_ASIDE = 6.6
SUN = 0.9
"""Direction of the light on facades, radians on the map."""


@dataclass(frozen=True, slots=True)
class Building:
    """A facade from `a` to `b`, with the street to the left of that way."""

    a: Spot
    b: Spot
    storeys: int
    wall: Colour
    awning: Colour
    light: int
    """Decides which panes it has."""
    neighbours: tuple[int, int] = (0, 0)
    """Storeys of the buildings next to it at `a` and at `b`; its own at a corner."""


@dataclass(frozen=True, slots=True)
class Block:
    """One street: its ends, and what stands along it. `mouths`: how far in the zebra crossings lie."""

    a: Spot
    b: Spot
    mouths: tuple[float, float]
    buildings: tuple[Building, ...]
    greens: tuple[Spot, ...]


@dataclass(frozen=True)
class Scene:
    city: City
    look: Look
    blocks: tuple[Block, ...]


@lru_cache(maxsize=16)
def build_scene(name: str) -> Scene:
    city, look, rng = build_city(name), LOOKS[name], Random(f"scene {name}")
    blocks = tuple(_block(city.streets, one.a, one.b, look, rng) for one in city.streets.streets)
    return Scene(city, look, blocks)


def _block(streets: Streets, a: int, b: int, look: Look, rng: Random) -> Block:
    buildings: list[Building] = []
    greens: list[Spot] = []
    whole = streets.length(a, b)
    for right in (False, True):
        begin, end = streets.setback(a, b, right), whole - streets.setback(b, a, not right)
        aside = 1 if right else -1
        marks = [streets.along(a, b, metres, aside * HALF_STREET) for metres in _lots(begin, end, rng)]
        buildings += _row(marks if right else marks[::-1], look, rng)
        greens += [streets.along(a, b, metres, aside * GREEN_ASIDE) for metres in _green(begin, end)]
    mouths = tuple(
        max(streets.setback(at, to, False), streets.setback(at, to, True), 6.0) for at, to in ((a, b), (b, a))
    )
    return Block(streets.spots[a], streets.spots[b], (mouths[0], mouths[1]), tuple(buildings), tuple(greens))


def _lots(begin: float, end: float, rng: Random) -> list[float]:
    """Where buildings begin and end along a side of a street; nothing where there is no room."""
    if end - begin < 6:
        return []
    marks = [begin]
    while end - marks[-1] > 18:
        marks.append(marks[-1] + 9 + 6 * rng.random())
    return [*marks, end]


def _green(begin: float, end: float) -> list[float]:
    count = int((end - begin + 3) // 17)
    return [begin + 11 + 17 * index for index in range(max(0, count))]


def _row(marks: list[Spot], look: Look, rng: Random) -> Iterator[Building]:
    """Buildings side by side."""
    row = [_building(a, b, look, rng) for a, b in pairwise(marks)]
    for index, one in enumerate(row):
        before, after = row[max(index - 1, 0)], row[min(index + 1, len(row) - 1)]
        yield replace(one, neighbours=(before.storeys, after.storeys))


def _building(a: Spot, b: Spot, look: Look, rng: Random) -> Building:
    low, high = look.storeys
    storeys = low + int(rng.random() * (high - low + 1))
    shade = 0.9 + 0.1 * cos(atan2(b[1] - a[1], b[0] - a[0]) - SUN)
    wall, awning = (one[int(rng.random() * len(one))] for one in (look.facades, look.awnings))
    return Building(a, b, storeys, shaded(wall, shade), awning, int(rng.random() * 1000))


def shaded(colour: Colour, factor: float) -> Colour:
    red, green, blue = (min(255, int(channel * factor)) for channel in colour)
    return red, green, blue


@lru_cache(maxsize=1 << 14)
def mixed(colour: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (int(x + (y - x) * share) for x, y in zip(colour, other, strict=True))
    return red, green, blue
