"""Reads OpenStreetMap extracts with osmnx: streets that one can walk, and places with a name.

Nothing else here imports osmnx; it comes with the extra `farfield-virl[osm]`.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import osmnx

from farfield_virl.bearings import Geocode
from farfield_virl.data.faults import BadData

Segment = tuple[Geocode, Geocode]
"""Its ends, in their order as numbers."""
PLACES: dict[str, bool | str | list[str]] = {"amenity": True, "shop": True, "tourism": True}

# Roads that walkers may not use, ways through buildings, and what is not there.
# fmt: off
_NOT_WALKED: Mapping[str, frozenset[str]] = {
    "highway": frozenset((
        "abandoned", "bus_guideway", "construction", "corridor", "cycleway", "elevator", "escalator",
        "motorway", "motorway_link", "planned", "platform", "proposed", "raceway", "razed", "rest_area",
        "services",
    )),
    "footway": frozenset(("crossing", "link", "sidewalk", "traffic_island")),  # the street itself is there
    "service": frozenset(("drive-through", "driveway", "parking_aisle", "private")),
    "access": frozenset(("no", "private")),
    "foot": frozenset(("no", "private")),
    "area": frozenset(("yes",)),
}
# fmt: on


def read_streets(path: Path) -> dict[Segment, str]:
    """The streets of a file of OSM XML, or of a .graphml that osmnx saved: straight segments, each with the
    name of its street, empty where it has none."""
    with _reading(path, "streets"):
        streets = dict(_segments(_graph(path)))
    if not streets:
        raise BadData(f"{path}: has no street to walk on")
    return streets


def read_places(path: Path) -> dict[Geocode, str]:
    """The amenities, shops and sights of a file of OSM XML that have a name; of an area, a point within."""
    with _reading(path, "amenities, shops and sights"):
        found = osmnx.features_from_xml(path, tags=PLACES)
    if "name" not in found:
        raise BadData(f"{path}: none of its amenities, shops and sights has a name")
    named = found[found["name"].notna()]
    points = named.geometry.representative_point()
    names = (re.sub(r"[{}\s]+", " ", name).strip() for name in named["name"])  # braces end a milestone
    places = sorted((name, _rounded((point.y, point.x))) for name, point in zip(names, points, strict=True))
    return {place: name for name, place in places if name}


@contextmanager
def _reading(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # whatever osmnx and the parsers below it raise: this is the boundary
        raise BadData(
            f"{path}: osmnx reads no {what} from it ({error}). It reads .osm with every node of every way in "
            "it, and .graphml that it saved; .osm.pbf must be turned into .osm, for instance with osmium"
        ) from error


def _graph(path: Path) -> Any:
    if path.suffix == ".graphml":
        graph = osmnx.load_graphml(path)
        flat = osmnx.projection.is_projected(graph.graph["crs"])
        return osmnx.project_graph(graph, to_latlong=True) if flat else graph
    known = set(osmnx.settings.useful_tags_way)
    osmnx.settings.useful_tags_way = sorted(known | _NOT_WALKED.keys())
    return osmnx.graph_from_xml(path, bidirectional=True, simplify=False, retain_all=True)


def _segments(graph: Any) -> Iterator[tuple[Segment, str]]:
    """Straight lines between geocodes; the two directions of a street are one."""
    spots = {node: (data["y"], data["x"]) for node, data in graph.nodes(data=True)}
    for here, there, way in graph.edges(data=True):
        if not _is_walked(way):
            continue
        line = way.get("geometry")
        points = [(y, x) for x, y in line.coords] if line else [spots[here], spots[there]]
        for a, b in pairwise(map(_rounded, points)):
            if a != b:
                yield (min(a, b), max(a, b)), min(_values(way, "name"), default="")


def _is_walked(way: Mapping[str, Any]) -> bool:
    return "highway" in way and not any(_values(way, key) & barred for key, barred in _NOT_WALKED.items())


def _values(way: Mapping[str, Any], key: str) -> set[str]:
    """Where osmnx has made one edge of several ways it lists what they say."""
    value = way.get(key, [])
    return set(value) if isinstance(value, list) else {value}


def _rounded(place: Geocode) -> Geocode:
    """To a centimetre, as in OpenStreetMap: what is the same place is then equal."""
    return round(place[0], 7), round(place[1], 7)
