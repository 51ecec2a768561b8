"""A route, whichever world it comes from."""

from dataclasses import dataclass

from farfield_virl.bearings import Geocode, wrapped

_ON_YOUR = " is on your "
_DESTINATION = "The destination "
LEAST_TURN, MOST_TURN = 20.0, 160.0
"""Degrees. Less is straight on, more is back."""


@dataclass(frozen=True, slots=True)
class Milestone:
    """One straight road: the heading along it, and what is seen at its end."""

    heading: int
    direction: str
    """The compass direction that the directions name."""
    landmark: str = ""
    """A sentence without its full stop, such as `Oak Bank is on your left`; empty where nothing is."""


@dataclass(frozen=True, slots=True)
class Route:
    """From `start` along straight roads to `ends[-1]`; one milestone for each road."""

    name: str
    """Identifies the route in its world."""
    start: Geocode
    ends: tuple[Geocode, ...]
    milestones: tuple[Milestone, ...]
    initial_heading: int | None = None
    """Where the walker faces at first; None where the route does not say."""


def is_turn(before: float, after: float) -> bool:
    """Whether a change of heading is one that left, right and slightly so can name."""
    return LEAST_TURN <= abs(wrapped(after - before)) <= MOST_TURN


def sighting(name: str, side: str, destination: bool = False) -> str:
    return f"{_DESTINATION * destination}{name}{_ON_YOUR}{side}"


def place_and_side(landmark: str) -> tuple[str, str]:
    """The two parts of a sighting; both empty where there is none."""
    name, _, side = landmark.rpartition(_ON_YOUR)
    return name.removeprefix(_DESTINATION), side if name else ""
