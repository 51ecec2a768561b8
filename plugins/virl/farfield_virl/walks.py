"""Draws routes through a network of streets with named places at them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from math import ceil
from random import Random

import networkx

from farfield_virl.bearings import Geocode, between, compass, distance
from farfield_virl.data.milestones import write_milestones
from farfield_virl.data.published import DestPlace, PublishedRoute, RouteResults, StartPlace
from farfield_virl.nearby import Nearby
from farfield_virl.roads import headings, side_seen, straight_roads
from farfield_virl.routes import Milestone, place_and_side, sighting

STEP = 10.0
"""Metres. Streets are parted into pieces no longer than this, so that routes begin and end along them."""
LANDMARK_METRES = 25.0
"""A place is a landmark of a corner, and has its door on a street, within so many metres."""
LONGEST_ROUTE = 1_000.0
STARTS_TRIED = 50
"""For each route that is asked for."""
DOORS_TRIED = 20
"""From each start."""
NAMELESS = "a street without a name"


@dataclass(frozen=True)
class Town:
    """Points of the `streets` are geocodes; an edge has its length in `metres` and the name of its `street`.
    `places`: names by where they are. `doors`: the place that one walks to, by the point of the streets that
    is nearest to it."""

    streets: networkx.Graph
    places: Mapping[Geocode, str]
    doors: Mapping[Geocode, Geocode]
    landmarks: Nearby


def build_town(segments: Mapping[tuple[Geocode, Geocode], str], places: Mapping[Geocode, str]) -> Town:
    """From straight segments of streets with the names of those, and from named places."""
    streets = _streets(segments)
    points = Nearby(streets, LANDMARK_METRES)
    doors: dict[Geocode, Geocode] = {}
    for place in places:
        for point in points.around(place)[:1]:
            doors.setdefault(point, place)
    return Town(streets, places, doors, Nearby(places, LANDMARK_METRES))


def _streets(segments: Mapping[tuple[Geocode, Geocode], str]) -> networkx.Graph:
    streets = networkx.Graph()
    for (a, b), street in sorted(segments.items()):
        pieces = max(1, ceil(distance(a, b) / STEP))
        line = [a, *(between(a, b, i / pieces) for i in range(1, pieces)), b]
        for here, there in pairwise(line):
            streets.add_edge(here, there, metres=distance(here, there), street=street)
    return streets


def draw_routes(town: Town, count: int, roads: tuple[int, int], rng: Random) -> list[PublishedRoute]:
    """So many routes of `roads[0]` to `roads[1]` straight roads, fewer where no more are found. No two have
    the same corners and end."""
    starts = sorted(sorted(town.streets), key=lambda _: rng.random())
    found: dict[tuple[Geocode, ...], PublishedRoute] = {}
    for start in starts[: count * STARTS_TRIED]:
        for route in islice(_routes_from(town, start, roads, rng), 1):
            found.setdefault(tuple(route.route_results.geocode_list), route)
        if len(found) == count:
            break
    return list(found.values())


def _routes_from(town: Town, start: Geocode, roads: tuple[int, int], rng: Random) -> Iterator[PublishedRoute]:
    """The shortest ways to random doors, as far as directions can tell them."""
    _, paths = networkx.single_source_dijkstra(town.streets, start, cutoff=LONGEST_ROUTE, weight="metres")
    doors = sorted(town.doors.keys() & paths.keys() - {start})
    for door in sorted(doors, key=lambda _: rng.random())[:DOORS_TRIED]:
        ends = straight_roads(paths[door])
        if ends and roads[0] < len(ends) <= roads[1] + 1 and _turns_at_crossings(town, ends):
            yield from _route(town, ends)


def _turns_at_crossings(town: Town, ends: Sequence[Geocode]) -> bool:
    return all(town.streets.degree(end) > 2 for end in ends[1:-1])


def _route(town: Town, ends: Sequence[Geocode]) -> Iterator[PublishedRoute]:
    """One route, or none where its destination is not seen from its end. An initial heading of 0 is none."""
    place = town.doors[ends[-1]]
    target, facing = town.places[place], headings(ends)
    if not (there := side_seen(ends[-1], facing[-1], place)):
        return
    seen = [*_landmarks(town, ends, facing, target), sighting(target, there, destination=True)]
    milestones = (Milestone(way, compass(way), sight) for way, sight in zip(facing, seen, strict=True))
    yield PublishedRoute(
        start_place=StartPlace(name=_street(town, ends[0]), relocated_geocode=ends[0]),
        dest_place=DestPlace(name=target),
        route_results=RouteResults(geocode_list=list(ends[1:]), landmark_list=[*map(_entry, seen[:-1])]),
        milestone_info=write_milestones(milestones),
        init_heading=0,
    )


def _landmarks(town: Town, ends: Sequence[Geocode], facing: Sequence[int], target: str) -> Iterator[str]:
    """At each corner the nearest place that is seen; empty where there is none. No two landmarks of a route
    share a name."""
    taken = {target}
    for corner, heading in zip(ends[1:-1], facing, strict=False):
        sides = {place: side_seen(corner, heading, place) for place in town.landmarks.around(corner)}
        fit = ((town.places[place], side) for place, side in sides.items() if side)
        name, side = next((one for one in fit if one[0] not in taken), ("", ""))
        taken.add(name)
        yield sighting(name, side) if name else ""


def _entry(landmark: str) -> dict[str, str] | None:
    """Of the layout's list of landmarks."""
    name, side = place_and_side(landmark)
    return {"name": name, "spatial_relation": side, "expression": landmark} if name else None


def _street(town: Town, place: Geocode) -> str:
    streets = (way["street"] for way in town.streets[place].values())
    return min(filter(None, streets), default=NAMELESS)
