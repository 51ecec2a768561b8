"""What the V-IRL base with eyes learns from: views to look at for a sign, and walks in views.

They are of towns that the base in words has walked, all built in the look of the home city.
"""

from random import Random

from tiny_models.transcript import Transcript
from tiny_models.vision import Eye
from virl.corpus import ACTION_SPACES, TOWNS, Scenery, draw_rail, walks

from farfield_virl.city import spot_of
from farfield_virl.looks import HOME_CITY, LOOKS
from farfield_virl.rail import Point, Rail
from farfield_virl.routes import place_and_side
from farfield_virl.views import city_views

EYE = Eye(side=64, patch=8, shuffle=2, width=96, layers=3, heads=4)
VIEW = 32
"""Pixels of each of the four views: a sign across the pavement is 13 wide, one at a crossing 8."""

DESTINATIONS = 0.6
"""Share of the views to look at: there the sign is across the pavement, to the left or to the right."""


def view(town: str, rail: Rail, point: Point) -> bytes:
    """What is seen at a point, with no other signs up than those of the directions."""
    names = frozenset(place_and_side(milestone.landmark)[0] for milestone in rail.milestones)
    return city_views(town, spot_of(point.geocode), point.heading, VIEW, names)


IN_VIEWS = Scenery(TOWNS[:16], view, EYE.place)
"""As many towns as are kept ready to be painted."""


def dress() -> None:
    """Gives the towns their look, without which they cannot be painted."""
    LOOKS.update(dict.fromkeys(IN_VIEWS.towns, LOOKS[HOME_CITY]))


def looks_for_signs(rng: Random, count: int) -> list[Transcript]:
    """Views of destinations and of points on the way: which side is the sign on, or is none near?"""
    return [_look(rng) for _ in range(count)]


def _look(rng: Random) -> Transcript:
    town, rail = draw_rail(rng, rng.choice(ACTION_SPACES), IN_VIEWS.towns)
    on_the_way = [point for point in rail.points if not point.landmark]
    point = rail.points[-1] if rng.random() < DESTINATIONS else rng.choice(on_the_way)
    transcript = Transcript()
    transcript.add("user", f"{EYE.place} see view", 0.0, (view(town, rail, point),))
    transcript.add("assistant", f"see {place_and_side(point.landmark)[1] or 'none'}", 1.0)
    return transcript


def walks_in_views(rng: Random, points: int) -> list[Transcript]:
    return walks(rng, points, IN_VIEWS)
