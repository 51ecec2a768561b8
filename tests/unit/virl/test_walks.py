"""Routes through a network of streets that a test builds: no osmnx is needed for them."""

from itertools import pairwise
from random import Random

import pytest

from farfield_virl.bearings import distance
from farfield_virl.data.published import load_routes, write_routes
from farfield_virl.roads import SHORTEST_ROAD
from farfield_virl.routes import is_turn, place_and_side

pytest.importorskip("networkx", reason="routes through streets need networkx: the extra farfield-virl[osm]")

from farfield_virl.walks import LANDMARK_METRES, LONGEST_ROUTE, NAMELESS, build_town, draw_routes

BLOCK = 0.0009
"""Degrees; 100 m."""
PLACES = {
    (1.1, 1.1): "Plum Bakery",
    (1.94, 2.1): "Quill Books",
    (2.06, 0.5): "Heron Inn",
    (0.5, 2.05): "Baths",
}


def spot(column: float, row: float) -> tuple[float, float]:
    return 10 + row * BLOCK, 20 + column * BLOCK


def town(places=PLACES, size=4):
    streets = {}
    for i in range(size):
        for j in range(size - 1):
            streets[spot(i, j), spot(i, j + 1)] = f"Avenue {i}"
            streets[spot(j, i), spot(j + 1, i)] = f"Street {i}"
    return build_town(streets, {spot(*where): name for where, name in places.items()})


def drawn(tmp_path, count=15, roads=(2, 4), seed=0, **kinds):
    return load_routes(write_routes(tmp_path, draw_routes(town(**kinds), count, roads, Random(seed))))


def test_what_is_written_is_what_was_drawn(tmp_path):
    routes = draw_routes(town(), 10, (2, 4), Random(0))
    assert load_routes(write_routes(tmp_path / "new" / "folder", routes)) == tuple(
        route.route() for route in routes
    )


def test_routes_are_roads_and_turns(tmp_path):
    places = {name: spot(*where) for where, name in PLACES.items()}
    for route in drawn(tmp_path):
        assert 2 <= len(route.milestones) <= 4
        line = (route.start, *route.ends)
        assert all(distance(a, b) >= SHORTEST_ROAD for a, b in pairwise(line))
        assert sum(distance(a, b) for a, b in pairwise(line)) <= LONGEST_ROUTE
        assert all(is_turn(a.heading, b.heading) for a, b in pairwise(route.milestones))
        seen = [place_and_side(one.landmark)[0] for one in route.milestones]
        assert route.milestones[-1].landmark.startswith(f"The destination {seen[-1]} is on your ")
        named = [(places[name], end) for name, end in zip(seen, route.ends, strict=True) if name]
        assert all(distance(*pair) <= LANDMARK_METRES for pair in named)
        assert len({place for place, _ in named}) == len(named)


def test_landmarks_are_of_every_kind(tmp_path):
    turning = [one.landmark for route in drawn(tmp_path, count=30) for one in route.milestones[:-1]]
    sides = {place_and_side(landmark)[1] for landmark in turning}
    assert "" in turning
    assert sides >= {"left front", "right front"}
    assert not any("behind" in landmark for landmark in turning)


def test_the_same_seed_draws_the_same_routes(tmp_path):
    assert drawn(tmp_path) == drawn(tmp_path)
    assert drawn(tmp_path) != drawn(tmp_path, seed=1)


def test_no_two_routes_have_the_same_corners(tmp_path):
    routes = drawn(tmp_path, count=1000)
    assert 20 < len(routes) < 1000
    assert len({route.ends for route in routes}) == len(routes)


@pytest.mark.parametrize("roads", [(1, 1), (3, 3)])
def test_as_many_roads_as_asked_for(tmp_path, roads):
    assert {len(route.ends) for route in drawn(tmp_path, 10, roads)} == {roads[0]}


def test_a_bend_of_a_street_is_no_crossing():
    """An L of two streets has a turn of 90°, but nothing to choose from there."""
    places = {spot(2, 0.05): "Mill"}
    bend = {(spot(0, 0), spot(0, 1)): "", (spot(0, 0), spot(2, 0)): ""}
    assert draw_routes(build_town(bend, places), 5, (2, 4), Random(0)) == []
    with_crossing = bend | {(spot(-1, 0), spot(0, 0)): ""}
    routes = draw_routes(build_town(with_crossing, places), 5, (2, 4), Random(0))
    assert [route.start_place.name for route in routes] == [NAMELESS]


def test_no_place_no_route():
    assert draw_routes(town(places={}), 5, (2, 4), Random(0)) == []
    assert draw_routes(town(places={(1.5, 1.5): "Courtyard"}), 5, (2, 4), Random(0)) == []
