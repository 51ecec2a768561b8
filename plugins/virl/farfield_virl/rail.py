"""The rail: every point where the walker acts, and the expert's action there.

As in arXiv 2501.17161 and its reference implementation: each straight road is parted into equal steps
whose points ask to go forward; at its end the walker turns, or stops at the last.

Deviations from the reference: a road too short for points keeps its two sentences of the directions
in step (the reference falls one sentence behind for the rest of the route), and relative turns are
`wrapped` unless `reference` is asked for.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from farfield_virl.actions import FORWARD, STOP, ActionSpace, HeadingMode, relative_turn, turn
from farfield_virl.bearings import Geocode, between, distance
from farfield_virl.routes import Milestone, Route

NOTHING_NEAR = "No landmarks nearby"
AT_INTERSECTION = "You observe an intersection"
SHORTEST_ROAD = 5.0
"""Metres. A shorter road has no points of its own."""


@dataclass(frozen=True, slots=True)
class RailSettings:
    """How a rail is laid along a route."""

    actions: ActionSpace = "absolute"
    headings: HeadingMode = "wrapped"
    points_per_road: int = 5
    drop_rate: float = 0.5
    spacing: float = 8.0
    """Metres; a point that is closer to its neighbour, or to the end of the road, is left out."""
    initial_heading: int | None = None
    """Goes before the route's own."""


@dataclass(frozen=True, slots=True)
class Point:
    """Where the walker is, what is there, and what an expert does."""

    geocode: Geocode
    heading: int
    action: str
    instruction: int
    """Index of the sentence that applies, from 0."""
    landmark: str = ""
    intersection: bool = False

    @property
    def shows_intersection(self) -> bool:
        """At the destination nothing hints at an intersection: it would give the stop away."""
        return self.intersection and self.action != STOP


@dataclass(frozen=True, slots=True)
class Rail:
    """`sides`: where each of the milestones turns to. Sentence 2k turns into road k, 2k + 1 walks it."""

    milestones: tuple[Milestone, ...]
    sides: tuple[str, ...]
    points: tuple[Point, ...]

    @property
    def instructions(self) -> tuple[str, ...]:
        """The directions in full sentences."""
        return tuple(_directions(self.milestones, self.sides))


Snap = Callable[[Geocode], Geocode | None]
"""The nearest place that has a street view; None where there is none near."""


def lay(route: Route, settings: RailSettings, rng: Random, snap: Snap | None = None) -> Rail:
    """The rail along a route. Randomness: the first heading where nothing sets it, and dropped points."""
    headings = (initial_heading(route, settings, rng), *(one.heading for one in route.milestones))
    sides = [relative_turn(a, b, settings.headings) for a, b in pairwise(headings)]
    names = sides if settings.actions == "relative" else [one.direction for one in route.milestones]
    actions = [*map(turn, names), STOP]

    here = _snapped(route.start, snap)
    points = [Point(here, headings[0], actions[0], 0)]
    for index, (end, milestone) in enumerate(zip(route.ends, route.milestones, strict=True)):
        forward = 2 * index + 1
        steps = _steps(here, end, settings, rng, snap)
        points += [Point(step, milestone.heading, FORWARD, forward) for step in steps]
        here, action = _snapped(end, snap), actions[index + 1]
        sentence = forward if action == STOP else forward + 1
        points.append(Point(here, milestone.heading, action, sentence, milestone.landmark, True))
    return Rail(route.milestones, tuple(sides), tuple(points))


def initial_heading(route: Route, settings: RailSettings, rng: Random) -> int:
    for given in (settings.initial_heading, route.initial_heading):
        if given is not None:
            return given
    return int(rng.random() * 360)


def _directions(milestones: tuple[Milestone, ...], sides: tuple[str, ...]) -> Iterator[str]:
    """Two sentences for each road."""
    last = len(milestones) - 1
    for index, (milestone, side) in enumerate(zip(milestones, sides, strict=True)):
        opening = "First, turn" if index == 0 < last else "Turn"
        yield f"{opening} {side} to face {milestone.direction}."
        goal = "destination" if index == last else "next intersection"
        where = f" where {milestone.landmark}" if milestone.landmark else ""
        yield f"Move forward until you reach {goal}{where}."


def _steps(
    start: Geocode, end: Geocode, settings: RailSettings, rng: Random, snap: Snap | None
) -> Iterator[Geocode]:
    """Points along one road, its start left out."""
    if distance(start, end) <= SHORTEST_ROAD:
        return
    neighbour = start
    for step in range(1, settings.points_per_road + 1):
        if rng.random() < settings.drop_rate:
            continue
        place: Geocode | None = between(start, end, step / settings.points_per_road)
        if snap and place:
            place = snap(place)
        if place and min(distance(place, neighbour), distance(place, end)) >= settings.spacing:
            yield place
            neighbour = place


def _snapped(place: Geocode, snap: Snap | None) -> Geocode:
    return (snap(place) or place) if snap else place
