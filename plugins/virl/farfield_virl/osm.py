"""Turns an OpenStreetMap extract into routes in the published layout, without street views:
`python -m farfield_virl.osm town.osm --output town_routes`.
"""

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path
from random import Random

from farfield_virl.data.faults import BadData
from farfield_virl.data.published import PublishedRoute, write_routes


def main(arguments: list[str] | None = None) -> int:
    given = _parsed(arguments)
    if find_spec("osmnx") is None:
        print("osmnx is not installed: pip install 'farfield-virl[osm]'", file=sys.stderr)
        return 1
    try:
        routes = _routes(given)
    except BadData as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{write_routes(given.output, routes)}: {len(routes)} of {given.routes} routes")
    return 0


def _routes(given: argparse.Namespace) -> list[PublishedRoute]:
    """Imports what comes with the extra."""
    from farfield_virl.data.extracts import read_places, read_streets
    from farfield_virl.walks import build_town, draw_routes

    town = build_town(read_streets(given.extract), read_places(given.places or given.extract))
    roads = given.min_roads, given.max_roads
    routes = draw_routes(town, given.routes, roads, Random(given.seed))
    if not routes:
        raise BadData(
            f"{given.extract}: no route of {roads[0]} to {roads[1]} straight roads was found to one of its "
            f"{len(town.doors)} named places on streets"
        )
    return routes


def _parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="farfield_virl.osm", description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("extract", type=Path, help="streets: .osm, or a .graphml that osmnx saved")
    parser.add_argument("--output", type=Path, required=True, help="folder to write route_infos.json into")
    parser.add_argument("--places", type=Path, help=".osm with named places; a .graphml has none of its own")
    parser.add_argument("--routes", type=int, default=100, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="the same seed, the same routes")
    parser.add_argument("--min-roads", type=int, default=2, help="straight roads, at least")
    parser.add_argument("--max-roads", type=int, default=4, help="straight roads, at most")
    given = parser.parse_args(arguments)
    if not 1 <= given.min_roads <= given.max_roads:
        parser.error(f"--min-roads {given.min_roads} to --max-roads {given.max_roads} is no range of roads")
    if given.routes < 1:
        parser.error("--routes must be at least 1")
    if given.extract.suffix == ".graphml" and given.places is None:
        parser.error("a .graphml has no named places: give the .osm that has them with --places")
    return given


if __name__ == "__main__":
    sys.exit(main())
