import json

import pytest

from farfield_virl.data.faults import BadData
from farfield_virl.data.files import MOST_BYTES
from farfield_virl.data.milestones import parse_milestones
from farfield_virl.data.published import load_routes
from farfield_virl.routes import Milestone


def write(path, data):
    path.write_text(json.dumps(data))
    return path


def test_a_single_route(route_file):
    (route,) = load_routes(route_file)
    assert route.start == (9.9991, 20.0)
    assert route.ends == ((10.0, 20.0), (10.0, 20.001))
    assert route.initial_heading is None
    assert route.milestones == (
        Milestone(0, "north", "Red Kiosk is on your right front"),
        Milestone(90, "east", "The destination Pump House is on your left"),
    )


def test_a_list_with_its_count(tmp_path, record):
    routes = load_routes(write(tmp_path / "r.json", [[record, {**record, "init_heading": 45}], 2]))
    assert [route.initial_heading for route in routes] == [None, 45]


@pytest.mark.parametrize(
    ("path", "named"),
    [
        (("start_place",), "start_place"),
        (("start_place", "relocated_geocode"), "start_place.relocated_geocode"),
        (("dest_place", "name"), "dest_place.name"),
        (("route_results",), "route_results"),
        (("route_results", "geocode_list"), "route_results.geocode_list"),
        (("milestone_info",), "milestone_info"),
    ],
)
def test_missing_keys_are_named(tmp_path, record, path, named):
    inner = record
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    with pytest.raises(BadData, match=rf"r\.json: route 0: the key '{named}' is missing"):
        load_routes(write(tmp_path / "r.json", [[record], 1]))


def test_every_missing_key_is_named_at_once(tmp_path):
    with pytest.raises(BadData, match=r"'start_place' is missing.*'milestone_info' is missing"):
        load_routes(write(tmp_path / "r.json", [[{}], 1]))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[", "not valid JSON.*complete"),
        ("[" * 100_000, "not valid JSON"),
        ("\xff", "not valid JSON"),
        ("[]", "neither"),
        ("[{}, 1]", "neither"),
        ("[[], 0]", "no routes"),
        ("[[1], 1]", "route 0"),
        ("[[{}], 1000]", "says it has 1000 routes, but has 1"),
        ('"route"', "neither"),
    ],
)
def test_files_that_are_no_route_files(tmp_path, text, complaint):
    path = tmp_path / "r.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(BadData, match=complaint):
        load_routes(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BadData, match=r"nowhere\.json: cannot be read"):
        load_routes(tmp_path / "nowhere.json")


def test_a_huge_file_is_not_read(tmp_path):
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(BadData, match="larger than"):
        load_routes(path)


@pytest.mark.parametrize("place", [[91, 0], [0, 181], [float("nan"), 0], [1], "here"])
def test_places_off_the_globe(tmp_path, record, place):
    record["route_results"]["geocode_list"][0] = place
    with pytest.raises(BadData, match=r"geocode_list\.0"):
        load_routes(write(tmp_path / "r.json", record))


def test_a_milestone_for_each_road(tmp_path, record):
    record["route_results"]["geocode_list"].pop()
    with pytest.raises(BadData, match="2 blocks for the 1 points"):
        load_routes(write(tmp_path / "r.json", record))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no block"),
        ('{"landmarks": "x",\n}', "block 1 .* no key 'to_next_intersection_heading'"),
        ('{\n"to_next_intersection_heading": "north",\n}', "not a heading such as"),
        ('{\n"to_next_intersection_heading": "10 (upward)",\n}', "not a heading such as"),
    ],
)
def test_malformed_milestones(text, complaint):
    with pytest.raises(BadData, match=complaint):
        list(parse_milestones(text))


def test_milestones_without_a_landmark():
    block = '{\n"landmarks": "No landmark nearby",\n"to_next_intersection_heading": "360 (north)"\n}'
    assert list(parse_milestones(block)) == [Milestone(0, "north", "")]


def test_names_with_quotes_and_colons():
    name = 'Joe\'s "Best": Pizza is on your left'
    block = f'{{\n"landmarks": "{name}",\n"to_next_intersection_heading": "5 (north)",\n}}'
    assert next(parse_milestones(block)).landmark == name
