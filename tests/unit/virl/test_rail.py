from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farfield_virl.bearings import METRES_PER_DEGREE, distance
from farfield_virl.rail import RailSettings, initial_heading, lay
from farfield_virl.routes import Milestone, Route

ALL = RailSettings(drop_rate=0, spacing=0, initial_heading=180)


def north(metres: float) -> tuple[float, float]:
    return metres / METRES_PER_DEGREE, 0.0


def east(place: tuple[float, float], metres: float) -> tuple[float, float]:
    return place[0], place[1] + metres / METRES_PER_DEGREE


ROUTE = Route(
    "a",
    (0.0, 0.0),
    (north(100), east(north(100), 60)),
    (
        Milestone(0, "north", "Kiosk is on your left"),
        Milestone(90, "east", "The destination Mill is on your right"),
    ),
)


def test_actions_in_either_space():
    absolute = [point.action for point in lay(ROUTE, ALL, Random(0)).points]
    assert absolute == [
        "turn_direction(north)",
        *["forward()"] * 5,
        "turn_direction(east)",
        *["forward()"] * 5,
        "stop()",
    ]
    relative = [point.action for point in lay(ROUTE, replace(ALL, actions="relative"), Random(0)).points]
    assert [relative[0], relative[6], relative[-1]] == [
        "turn_direction(left)",
        "turn_direction(right)",
        "stop()",
    ]


def test_sentences_and_what_is_seen():
    rail = lay(ROUTE, ALL, Random(0))
    assert rail.instructions == (
        "First, turn left to face north.",
        "Move forward until you reach next intersection where Kiosk is on your left.",
        "Turn right to face east.",
        "Move forward until you reach destination where The destination Mill is on your right.",
    )
    assert [point.instruction for point in rail.points] == [0, 1, 1, 1, 1, 1, 2, 3, 3, 3, 3, 3, 3]
    assert [point.heading for point in rail.points] == [180, *[0] * 6, *[90] * 6]
    assert rail.points[6].landmark == "Kiosk is on your left"
    assert rail.points[6].shows_intersection
    assert rail.points[-1].intersection
    assert not rail.points[-1].shows_intersection
    assert not any(point.landmark or point.intersection for point in rail.points[1:6])


def test_a_milestone_without_a_landmark():
    route = replace(ROUTE, milestones=(Milestone(0, "north"), Milestone(90, "east")))
    instructions = lay(route, ALL, Random(0)).instructions
    assert instructions[1] == "Move forward until you reach next intersection."
    assert instructions[3] == "Move forward until you reach destination."


def test_a_single_road():
    route = replace(ROUTE, ends=ROUTE.ends[:1], milestones=ROUTE.milestones[1:])
    assert lay(route, ALL, Random(0)).instructions[0] == "Turn left to face east."


def test_a_road_too_short_for_points_keeps_the_sentences_in_step():
    route = replace(ROUTE, ends=(north(4), east(north(4), 60)))
    rail = lay(route, ALL, Random(0))
    assert [point.instruction for point in rail.points] == [0, 2, 3, 3, 3, 3, 3, 3]
    assert rail.instructions[rail.points[1].instruction] == "Turn right to face east."


@given(st.integers(0, 1000), st.floats(0, 1), st.floats(0, 40), st.integers(0, 9))
def test_points_keep_their_distance(seed, drop_rate, spacing, count):
    settings = replace(ALL, drop_rate=drop_rate, spacing=spacing, points_per_road=count)
    points = lay(ROUTE, settings, Random(seed)).points
    for before, here, after in zip(points, points[1:], points[2:], strict=False):
        if here.action == "forward()":
            assert distance(before.geocode, here.geocode) >= spacing - 1e-6
            assert distance(here.geocode, after.geocode) >= spacing - 1e-6


def test_points_are_dropped_at_the_rate():
    settings = replace(ALL, drop_rate=0.5, points_per_road=100)
    kept = len(lay(ROUTE, settings, Random(1)).points) - 3
    assert 70 <= kept <= 130


def test_which_heading_comes_first():
    own = replace(ROUTE, initial_heading=10)
    assert initial_heading(own, RailSettings(initial_heading=0), Random(0)) == 0
    assert initial_heading(own, RailSettings(), Random(0)) == 10
    drawn = {initial_heading(ROUTE, RailSettings(), Random(seed)) for seed in range(50)}
    assert len(drawn) > 30
    assert drawn <= set(range(360))


def test_points_move_to_where_views_are_and_others_are_left_out():
    def snap(place):
        return None if place[0] > north(30)[0] and place[0] < north(70)[0] else (place[0], place[1] + 1e-6)

    rail = lay(ROUTE, replace(ALL, spacing=8), Random(0), snap)
    first_road = [point.geocode for point in rail.points if point.instruction == 1]
    assert len(first_road) == 2
    assert all(place[1] == pytest.approx(1e-6, abs=1e-6) for place in first_road)
