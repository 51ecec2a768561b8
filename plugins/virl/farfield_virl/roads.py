"""The straight roads that a path through a street network is made of, and what stands at their ends."""

from collections.abc import Sequence
from itertools import pairwise
from math import cos, hypot, radians

from farfield_virl.bearings import METRES_PER_DEGREE, Geocode, bearing, distance, side, wrapped
from farfield_virl.routes import LEAST_TURN, is_turn

SHORTEST_ROAD = 15.0
"""Metres."""
JITTER = 5.0
"""Metres. What mapping adds to a straight street: jogs at its crossings, kinks in its middle line."""
LARGEST_STRAY = 12.0
"""Metres. A street that gets farther than this from the line between its ends is not straight."""
NEAREST_LANDMARK = 1.0
"""Metres. Nearer than this, a bearing means nothing."""

_AHEAD = ("front", "right front", "right", "left", "left front")


def straight_roads(path: Sequence[Geocode]) -> tuple[Geocode, ...] | None:
    """The ends of the roads, with the start of the first before them. None where the path is not made of
    straight roads of a fair length, with a turn that has a name between them."""
    ends = _without_bends(_thinned(path))
    roads = list(pairwise(ends))
    stray = max(min(offset(place, *road) for road in roads) for place in path)
    turns = all(is_turn(before, after) for before, after in pairwise(headings(ends)))
    fair = all(distance(*road) >= SHORTEST_ROAD for road in roads)
    return ends if turns and fair and stray <= LARGEST_STRAY else None


def headings(ends: Sequence[Geocode]) -> list[int]:
    """Along each of the roads, in whole degrees."""
    return [round(bearing(a, b)) % 360 for a, b in pairwise(ends)]


def side_seen(end: Geocode, heading: int, place: Geocode) -> str:
    """Where a place is for one who walked up to `end`; empty where it is behind or underfoot."""
    if distance(end, place) < NEAREST_LANDMARK:
        return ""
    there = side(heading, bearing(end, place))
    return there if there in _AHEAD else ""


def offset(place: Geocode, a: Geocode, b: Geocode) -> float:
    """Metres from a place to the straight line between two others, near enough for the earth to be flat."""
    x, y = _plane(a, place)
    bx, by = _plane(a, b)
    along = (x * bx + y * by) / ((bx * bx + by * by) or 1.0)
    share = min(1.0, max(0.0, along))
    return hypot(x - share * bx, y - share * by)


def _plane(origin: Geocode, place: Geocode) -> tuple[float, float]:
    """Metres to the east and to the north."""
    east = wrapped(place[1] - origin[1]) * cos(radians(origin[0]))
    return east * METRES_PER_DEGREE, (place[0] - origin[0]) * METRES_PER_DEGREE


def _thinned(path: Sequence[Geocode]) -> list[Geocode]:
    """Without the points within the jitter of a straight line between others (Douglas and Peucker, 1973)."""
    inner = range(1, len(path) - 1)
    far = max(inner, key=lambda i: offset(path[i], path[0], path[-1]), default=0)
    if offset(path[far], path[0], path[-1]) <= JITTER:
        return [path[0], path[-1]]
    return [*_thinned(path[: far + 1]), *_thinned(path[far:])[1:]]


def _without_bends(path: list[Geocode]) -> tuple[Geocode, ...]:
    """Without the points where the heading changes too little for a turn."""
    kept = path[:1]
    for here, onward in pairwise(path[1:]):
        if abs(wrapped(bearing(here, onward) - bearing(kept[-1], here))) >= LEAST_TURN:
            kept.append(here)
    return (*kept, path[-1])
