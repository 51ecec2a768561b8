"""Two worlds behind one interface: synthetic cities, and published routes with their street views."""

import logging
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Protocol

from farfield_sdk import Split, in_split
from farfield_virl.bearings import Geocode
from farfield_virl.city import build_city, draw_route, spot_of
from farfield_virl.data.faults import BadData
from farfield_virl.data.files import stamp
from farfield_virl.data.mapping import JSON_FILE, PICKLE_FILE, load_panoramas
from farfield_virl.data.panoramas import StreetViews
from farfield_virl.data.published import ROUTES_FILE, load_routes
from farfield_virl.rail import Point, RailSettings, Snap, lay
from farfield_virl.routes import Route, place_and_side
from farfield_virl.views import TURNS, city_views, grid

VIEWS_FOLDER = "street_views"
_log = logging.getLogger(__name__)


class World(Protocol):
    """Where routes lie and what is seen along them."""

    snap: Snap | None
    """Moves points to where street views are; None leaves them."""

    def draw(self, rng: Random) -> Route:
        """A random route."""

    def picture(self, route: Route, point: Point, size: int) -> bytes:
        """The four views at a point of a route, as one PNG."""


class SyntheticWorld:
    """Random routes of `roads[0]` to `roads[1]` straight roads through one of the cities."""

    snap: Snap | None = None

    def __init__(self, cities: tuple[str, ...], roads: tuple[int, int], split: Split, decoys: bool) -> None:
        self._cities, self._roads = cities, roads
        self._split: Split = split
        self._decoys = decoys

    def draw(self, rng: Random) -> Route:
        low, high = self._roads
        while True:
            city = build_city(self._cities[int(rng.random() * len(self._cities))])
            route = draw_route(city, low + int(rng.random() * (high - low + 1)), rng)
            if route and in_split(route.name, self._split):
                return route

    def picture(self, route: Route, point: Point, size: int) -> bytes:
        names = frozenset(place_and_side(one.landmark)[0] for one in route.milestones)
        city = route.name.partition(" ")[0]
        return city_views(city, spot_of(point.geocode), point.heading, size, None if self._decoys else names)


class PublishedWorld:
    """Routes of a file, and street views where the data set has them."""

    def __init__(self, routes: tuple[Route, ...], views: StreetViews | None) -> None:
        self._routes, self._views = routes, views
        self.snap: Snap | None = views.snap if views else None

    def draw(self, rng: Random) -> Route:
        return self._routes[int(rng.random() * len(self._routes))]

    def picture(self, route: Route, point: Point, size: int) -> bytes:
        if self._views is None:
            raise BadData("this world has no street views")
        return _published_picture(self._views, point.geocode, point.heading, size)


@lru_cache(maxsize=128)
def _published_picture(views: StreetViews, place: Geocode, heading: int, size: int) -> bytes:
    return grid([views.view(place, heading + turn, size) for turn in TURNS])


def open_published(
    data: Path, roads: tuple[int, int], split: Split, views: RailSettings | None
) -> PublishedWorld:
    """The data set in a folder of the published layout, or in a route file; read once while unchanged.
    `views`: the rails along which street views are needed; None for a world of text."""
    routes = data / ROUTES_FILE if data.is_dir() else data
    used = (routes, *(data / name for name in (JSON_FILE, PICKLE_FILE, VIEWS_FOLDER)))
    return _opened(data, routes, roads, split, views, tuple(map(stamp, used)))


@lru_cache(maxsize=32)
def _opened(
    data: Path,
    file: Path,
    roads: tuple[int, int],
    split: Split,
    views: RailSettings | None,
    stamps: tuple[int, ...],
) -> PublishedWorld:
    routes = load_routes(file)
    fit = [one for one in routes if roads[0] <= len(one.ends) <= roads[1] and in_split(one.name, split)]
    if not fit:
        limits = f"{roads[0]} to {roads[1]} roads"
        raise BadData(f"{data}: none of its {len(routes)} routes has {limits} and is in the split '{split}'")
    if views is None:
        return PublishedWorld(tuple(fit), None)
    street_views = _street_views(data)
    return PublishedWorld(_with_views(data, fit, street_views, views), street_views)


def _street_views(data: Path) -> StreetViews:
    if not data.is_dir():
        raise BadData(f"{data}: views need a folder with {ROUTES_FILE}, {PICKLE_FILE} and {VIEWS_FOLDER}/")
    mapping = next((data / name for name in (JSON_FILE, PICKLE_FILE) if (data / name).exists()), None)
    if mapping is None:
        raise BadData(f"{data}: has neither {JSON_FILE} nor {PICKLE_FILE}: it is a world of text alone")
    return StreetViews(data / VIEWS_FOLDER, load_panoramas(mapping))


def _with_views(
    data: Path, routes: list[Route], views: StreetViews, rails: RailSettings
) -> tuple[Route, ...]:
    """The routes whose start and road ends all have a panorama near. The files of every panorama that
    their rails can reach must be there."""
    seen = [one for one in routes if all(views.snap(place) for place in (one.start, *one.ends))]
    if not seen:
        raise BadData(f"{data}: no route has panoramas at its start and at the ends of all its roads")
    if lacking := len(routes) - len(seen):
        _log.warning("%s: %d of %d routes lack panoramas and are left out", data, lacking, len(routes))
    every = replace(rails, drop_rate=0, spacing=0, initial_heading=0)
    views.demand(point.geocode for one in seen for point in lay(one, every, Random(0), views.snap).points)
    return tuple(seen)
