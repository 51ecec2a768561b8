"""A synthetic city: its streets, the places along them, and routes to walk."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from farfield_virl.bearings import METRES_PER_DEGREE, Geocode, compass, heading_of, side
from farfield_virl.routes import Milestone, Route, is_turn, sighting
from farfield_virl.streets import Spot, Streets, build_streets
from farfield_virl.words import PLACES

SIGN_ASIDE = 7.0
"""A place's sign stands on the pavement, so many metres from the middle of the street."""
SIGN_FROM_CROSSING = 11.5
LARGEST_SETBACK = 14.5
"""Metres; the corner is sharper than 60° where facades begin later."""
WHOLE_IN_VIEW = 33.0
"""Degrees from the middle of a view to that of a sign which is not cut by the view's edge."""
CROSSINGS_WITH_A_PLACE = 0.85
LEAST_LAST_ROAD = 30.0


@dataclass(frozen=True, slots=True)
class Place:
    """A place with a sign. `door` is where a walker stops for it, in metres along its street."""

    name: str
    sign: Spot
    door: float = 0.0


@dataclass(frozen=True)
class City:
    """`corners` by crossing, `shops` by street in either direction."""

    name: str
    streets: Streets
    corners: dict[int, Place]
    shops: dict[tuple[int, int], Place]

    def places(self) -> Iterator[Place]:
        yield from self.corners.values()
        yield from (place for (a, b), place in self.shops.items() if a < b)


@lru_cache(maxsize=32)
def build_city(name: str) -> City:
    """The city that a name stands for, the same everywhere."""
    streets, rng = build_streets(name), Random(f"places {name}")
    names = iter(sorted(PLACES, key=lambda _: rng.random()))
    corners = dict(_corners(streets, names, rng))
    return City(name, streets, corners, dict(_shops(streets, names, rng)))


def _corners(streets: Streets, names: Iterator[str], rng: Random) -> Iterator[tuple[int, Place]]:
    """Most crossings have a place a few metres up one of the streets, where the corner is not too sharp."""
    for crossing, ring in enumerate(streets.around):
        sides = [(to, right) for to in ring for right in (False, True)]
        fit = [one for one in sides if abs(streets.setback(crossing, *one)) < LARGEST_SETBACK]
        if fit and rng.random() < CROSSINGS_WITH_A_PLACE:
            signs = [_sign(streets, crossing, *one) for one in fit]
            cuts = [_times_cut(streets, crossing, sign) for sign in signs]
            best = [sign for sign, cut in zip(signs, cuts, strict=True) if cut == min(cuts)]
            yield crossing, Place(next(names), best[int(rng.random() * len(best))])


def _sign(streets: Streets, crossing: int, to: int, right: bool) -> Spot:
    return streets.along(crossing, to, SIGN_FROM_CROSSING, SIGN_ASIDE if right else -SIGN_ASIDE)


def _times_cut(streets: Streets, crossing: int, sign: Spot) -> int:
    """From how many sides one may come to the crossing and see the sign cut by the edge of a view."""
    x, y = streets.spots[crossing]
    there = heading_of(sign[0] - x, sign[1] - y)
    arrivals = [streets.heading(origin, crossing) for origin in streets.around[crossing]]
    offsets = [(there - arrival + 45) % 90 - 45 for arrival in arrivals]
    return sum(abs(offset) > WHOLE_IN_VIEW for offset in offsets)


def _shops(streets: Streets, names: Iterator[str], rng: Random) -> Iterator[tuple[tuple[int, int], Place]]:
    """One place in the middle part of every street."""
    for street in streets.streets:
        whole = streets.length(street.a, street.b)
        door = whole * (0.42 + 0.16 * rng.random())
        aside = SIGN_ASIDE if rng.random() < 0.5 else -SIGN_ASIDE
        name, sign = next(names), streets.along(street.a, street.b, door, aside)
        yield (street.a, street.b), Place(name, sign, door)
        yield (street.b, street.a), Place(name, sign, whole - door)


def geocode(spot: Spot) -> Geocode:
    """Synthetic cities lie on the equator, where a degree is as long either way."""
    return spot[1] / METRES_PER_DEGREE, spot[0] / METRES_PER_DEGREE


def spot_of(place: Geocode) -> Spot:
    return place[1] * METRES_PER_DEGREE, place[0] * METRES_PER_DEGREE


def draw_route(city: City, roads: int, rng: Random) -> Route | None:
    """A random route of so many straight roads, at least two; None where the walk got stuck."""
    streets = city.streets
    street = streets.streets[int(rng.random() * len(streets.streets))]
    behind, ahead = (street.a, street.b) if rng.random() < 0.5 else (street.b, street.a)
    walk = [behind, ahead]
    while len(walk) <= roads:
        onward = [n for n in streets.around[walk[-1]] if n not in walk and _turns(streets, walk, n)]
        if not onward:
            return None
        walk.append(onward[int(rng.random() * len(onward))])
    if city.shops[walk[-2], walk[-1]].door < LEAST_LAST_ROAD:
        return None
    return _route(city, walk, start=0.2 + 0.15 * rng.random())


def _turns(streets: Streets, walk: list[int], onward: int) -> bool:
    """At a crossing a route always turns: every crossing that it reaches ends a straight road."""
    return is_turn(streets.heading(walk[-2], walk[-1]), streets.heading(walk[-1], onward))


def _route(city: City, walk: list[int], start: float) -> Route:
    """From a share of the first street, by the crossings of the walk, to the shop of the last street."""
    streets, target = city.streets, city.shops[walk[-2], walk[-1]]
    begin = streets.along(walk[0], walk[1], start * streets.length(walk[0], walk[1]))
    ends = [streets.spots[n] for n in walk[1:-1]]
    ends.append(streets.along(walk[-2], walk[-1], target.door))
    seen = [city.corners.get(n) for n in walk[1:-1]] + [target]
    milestones = []
    for a, b, end, place in zip(walk, walk[1:], ends, seen, strict=False):
        heading = streets.heading(a, b)
        there = place and side(heading, heading_of(place.sign[0] - end[0], place.sign[1] - end[1]))
        landmark = sighting(place.name, there, place is target) if place and there else ""
        milestones.append(Milestone(round(heading) % 360, compass(heading), landmark))
    name = f"{city.name} {'-'.join(map(str, walk))}"
    return Route(name, geocode(begin), tuple(map(geocode, ends)), tuple(milestones))
