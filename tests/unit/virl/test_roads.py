from itertools import pairwise
from math import cos, radians, sin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farfield_virl.bearings import METRES_PER_DEGREE, between
from farfield_virl.roads import headings, offset, side_seen, straight_roads

HOME = (48.0, 11.0)


def at(east: float, north: float) -> tuple[float, float]:
    """So many metres from home."""
    per_degree = METRES_PER_DEGREE * cos(radians(HOME[0]))
    return HOME[0] + north / METRES_PER_DEGREE, HOME[1] + east / per_degree


def path(*spots: tuple[float, float]) -> list[tuple[float, float]]:
    return [at(*spot) for spot in spots]


def test_offset_is_in_metres():
    a, b = at(0, 0), at(100, 0)
    assert offset(at(40, 7), a, b) == pytest.approx(7, rel=1e-3)
    assert offset(at(103, 4), a, b) == pytest.approx(5, rel=1e-3)
    assert offset(at(3, 4), a, a) == pytest.approx(5, rel=1e-3)


def test_offset_across_the_date_line():
    assert offset((0.0, -179.9999), (0.0, 179.9998), (0.0, -179.9998)) == pytest.approx(0, abs=1e-6)


def test_a_corner_parts_two_roads():
    corner = path((0, 0), (0, 60), (50, 60))
    assert straight_roads(corner) == tuple(corner)
    assert headings(corner) == [0, 90]


@given(st.lists(st.floats(-2, 2), min_size=1, max_size=12))
def test_jitter_is_no_turn(jitter):
    """However unevenly a street was mapped, its corners are the same."""
    first = [(aside, 80 * (i + 1) / (len(jitter) + 1)) for i, aside in enumerate(jitter)]
    second = [(80 * (i + 1) / (len(jitter) + 1), 80 + aside) for i, aside in enumerate(jitter)]
    jagged = path((0, 0), *first, (0, 80), *second, (80, 80))
    assert straight_roads(jagged) == tuple(path((0, 0), (0, 80), (80, 80)))


def test_a_jog_at_a_crossing_is_no_turn():
    assert straight_roads(path((0, 0), (0, 50), (4, 50), (4, 100))) == tuple(path((0, 0), (4, 100)))


def test_a_slight_bend_is_no_turn():
    bent = path((0, 0), (0, 40), (40 * sin(radians(18)), 40 + 40 * cos(radians(18))))
    assert straight_roads(bent) == (bent[0], bent[-1])


@pytest.mark.parametrize("degrees", [25, 44, 46, 90, 135, -25, -90, -155])
def test_turns_that_have_a_name(degrees):
    end = 50 * sin(radians(degrees)), 50 + 50 * cos(radians(degrees))
    turned = path((0, 0), (0, 50), end)
    assert straight_roads(turned) == tuple(turned)


def test_turning_back_has_no_name():
    assert straight_roads(path((0, 0), (0, 80), (8, 20))) is None


def test_a_short_road_is_none_to_walk():
    assert straight_roads(path((0, 0), (0, 50), (13, 50), (13, 0))) is None
    assert straight_roads(path((0, 0), (0, 50), (17, 50), (17, 0)))


def test_a_long_street_with_a_bend_is_no_straight_road():
    """The bend is too slight for a turn, and still the straight line misses it by 16 m."""
    assert straight_roads(path((0, 0), (0, 100), (33, 195))) is None


def test_pieces_of_a_road_are_one():
    corners = path((0, 0), (0, 80), (60, 80))
    pieces = [between(a, b, i / 8) for a, b in pairwise(corners) for i in range(8)]
    assert straight_roads([*pieces, corners[-1]]) == tuple(corners)


@pytest.mark.parametrize(
    ("spot", "side"),
    [
        ((0, 12), "front"),
        ((8, 9), "right front"),
        ((9, 0), "right"),
        ((-9, 1), "left"),
        ((-6, 6), "left front"),
        ((6, -6), ""),
        ((0, -9), ""),
        ((0.3, 0.4), ""),
    ],
)
def test_sides_of_a_landmark(spot, side):
    assert side_seen(HOME, 0, at(*spot)) == side


def test_sides_turn_with_the_walker():
    assert side_seen(HOME, 270, at(0, 10)) == "right"
    assert side_seen(HOME, 350, at(0, 10)) == "front"
