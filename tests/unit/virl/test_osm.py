"""From an extract to a walked route. The town in `data/` is invented."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from pydantic import ValidationError

from farfield_sdk import State
from farfield_virl import Virl, VirlOptions, osm
from farfield_virl.bearings import distance
from farfield_virl.data.published import load_routes

TOWN = Path(__file__).parent / "data" / "town.osm"
needs_osmnx = pytest.mark.skipif(
    find_spec("osmnx") is None, reason="osmnx is not installed: pip install 'farfield-virl[osm]'"
)


@pytest.fixture
def extracts():
    return pytest.importorskip(
        "farfield_virl.data.extracts", reason="osmnx is not installed", exc_type=ImportError
    )


@pytest.fixture
def folder(tmp_path) -> Path:
    assert osm.main([str(TOWN), "--output", str(tmp_path / "routes"), "--routes", "12"]) == 0
    return tmp_path / "routes"


def test_without_osmnx_it_names_the_extra(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "osmnx", None)
    assert osm.main([str(TOWN), "--output", str(tmp_path / "routes")]) == 1
    assert "pip install 'farfield-virl[osm]'" in capsys.readouterr().err
    assert not (tmp_path / "routes").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--min-roads", "5"], "--min-roads 5 to --max-roads 4 is no range"),
        (["--min-roads", "0"], "no range"),
        (["--routes", "0"], "--routes must be at least 1"),
    ],
)
def test_impossible_wishes(tmp_path, capsys, arguments, complaint):
    with pytest.raises(SystemExit):
        osm.main([str(TOWN), "--output", str(tmp_path), *arguments])
    assert complaint in capsys.readouterr().err


def test_a_graph_alone_has_no_places(tmp_path, capsys):
    with pytest.raises(SystemExit):
        osm.main(["town.graphml", "--output", str(tmp_path)])
    assert "--places" in capsys.readouterr().err


def test_only_streets_to_walk_on_are_read(extracts):
    streets = extracts.read_streets(TOWN)
    assert {name.partition(" ")[2] for name in streets.values()} == {"Street", "Avenue", ""}
    assert len(streets) == 2 * 4 * 3 + 1
    assert max(a[0] for segment in streets for a in segment) == pytest.approx(10 + 3 * 0.0009)


def test_only_places_with_a_name_are_read(extracts):
    names = set(extracts.read_places(TOWN).values())
    assert len(names) == 9
    assert {"Café Lumière", "Otter & Finch", "Museum of Knots"} <= names
    assert "Old Elm" not in names


@pytest.mark.parametrize("projected", [False, True])
def test_a_graph_that_osmnx_saved_has_the_same_streets(extracts, tmp_path, projected):
    osmnx = pytest.importorskip("osmnx")
    graph = osmnx.graph_from_xml(TOWN, bidirectional=True)
    saved = tmp_path / "town.graphml"
    osmnx.save_graphml(osmnx.project_graph(graph) if projected else graph, saved)
    streets, original = extracts.read_streets(saved), extracts.read_streets(TOWN)
    assert len({place for segment in streets for place in segment}) >= 16
    for segment in original:
        assert min(max(distance(*ends) for ends in zip(segment, one, strict=True)) for one in streets) < 0.1


@needs_osmnx
def test_the_oracle_walks_every_route(folder):
    for actions in ("absolute", "relative"):
        game = Virl(VirlOptions(world="published", data=str(folder), actions=actions))
        walked = set()
        for seed in range(60):
            walked.add(game.reset(seed).facts["route"])
            while (outcome := game.step(game.oracle())).state is State.CONTINUE:
                pass
            assert outcome.success
        assert len(walked) == 12


@needs_osmnx
def test_there_are_no_views(folder):
    with pytest.raises(ValidationError, match=r"has neither .*pkl: it is a world of text alone"):
        VirlOptions(world="published", data=str(folder), modality="views")


@needs_osmnx
def test_the_same_seed_writes_the_same_file(folder, tmp_path):
    assert osm.main([str(TOWN), "--output", str(tmp_path / "again"), "--routes", "12"]) == 0
    assert (tmp_path / "again/route_infos.json").read_bytes() == (folder / "route_infos.json").read_bytes()
    assert osm.main([str(TOWN), "--output", str(tmp_path / "other"), "--routes", "12", "--seed", "1"]) == 0
    assert load_routes(tmp_path / "other/route_infos.json") != load_routes(folder / "route_infos.json")


@needs_osmnx
def test_fewer_routes_than_asked_for_are_counted(tmp_path, capsys):
    assert osm.main([str(TOWN), "--output", str(tmp_path), "--routes", "500"]) == 0
    count = len(load_routes(tmp_path / "route_infos.json"))
    assert f"{count} of 500 routes" in capsys.readouterr().out


@needs_osmnx
@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("not XML", "osmnx reads no streets from it"),
        ('<osm version="0.6"/>', "osmnx reads no streets from it"),
        (
            '<osm><node id="1" lat="1" lon="1"/><way id="2"><nd ref="1"/><nd ref="3"/></way></osm>',
            "every node of every way",
        ),
        (
            '<osm><node id="1" lat="1" lon="1"/><node id="2" lat="2" lon="1"/><way id="2"><nd ref="1"/>'
            '<nd ref="2"/><tag k="highway" v="motorway"/></way></osm>',
            "no street to walk on",
        ),
        (
            '<osm><node id="1" lat="1" lon="1"/><node id="2" lat="2" lon="1"/><way id="2"><nd ref="1"/>'
            '<nd ref="2"/><tag k="highway" v="path"/></way></osm>',
            "no amenities, shops and sights",
        ),
        (
            '<osm><node id="1" lat="1" lon="1"><tag k="shop" v="tea"/></node><node id="2" lat="2" lon="1"/>'
            '<way id="2"><nd ref="1"/><nd ref="2"/><tag k="highway" v="path"/></way></osm>',
            "none of its amenities, shops and sights has a name",
        ),
    ],
)
def test_extracts_of_no_use(tmp_path, capsys, text, complaint):
    extract = tmp_path / "bad.osm"
    extract.write_text(text)
    assert osm.main([str(extract), "--output", str(tmp_path / "routes")]) == 1
    said = capsys.readouterr().err
    assert str(extract) in said
    assert complaint in said


@needs_osmnx
def test_roads_that_no_route_has(tmp_path, capsys):
    roads = ["--min-roads", "30", "--max-roads", "40"]
    assert osm.main([str(TOWN), "--output", str(tmp_path), "--routes", "2", *roads]) == 1
    assert "no route of 30 to 40 straight roads" in capsys.readouterr().err
