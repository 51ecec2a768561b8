"""The published layout: a folder with `route_infos.json`, the geocode-to-panorama mapping and
`street_views/`; or a route file alone, which gives text observations only."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from farfield_virl.data.faults import BadData
from farfield_virl.data.files import read_json
from farfield_virl.data.milestones import parse_milestones
from farfield_virl.routes import Route

ROUTES_FILE = "route_infos.json"

Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
Place = tuple[Latitude, Longitude]


class StartPlace(BaseModel):
    """Where a route begins: the point on the road nearest to the place."""

    name: str
    relocated_geocode: Place


class DestPlace(BaseModel):
    """The place that a route leads to."""

    name: str


class RouteResults(BaseModel):
    """The ends of the straight roads. `landmark_list` has an entry, or null, for each but the last."""

    geocode_list: list[Place] = Field(min_length=1)
    landmark_list: list[Any]


class PublishedRoute(BaseModel):
    """One element of `route_infos.json`; keys that are not used here are let be."""

    start_place: StartPlace
    dest_place: DestPlace
    route_results: RouteResults
    milestone_info: str
    init_heading: int | None = Field(None, description="0, as in most published routes, stands for none.")

    def route(self) -> Route:
        milestones = tuple(parse_milestones(self.milestone_info))
        ends = tuple(self.route_results.geocode_list)
        if len(ends) != len(milestones):
            raise BadData(
                f"milestone_info has {len(milestones)} blocks for the {len(ends)} points of "
                "route_results.geocode_list: one block for each is needed"
            )
        start = self.start_place.relocated_geocode
        heading = self.init_heading % 360 if self.init_heading else None
        name = f"{self.start_place.name} -> {self.dest_place.name} {start}"
        return Route(name, start, ends, milestones, heading)


def load_routes(path: Path) -> tuple[Route, ...]:
    """Every route of a file: `[routes, count]`, or a single route object. One bad route refuses the file."""
    records = _records(path, read_json(path))
    return tuple(_route(path, index, record) for index, record in enumerate(records))


def write_routes(folder: Path, routes: Sequence[PublishedRoute]) -> Path:
    """The file of a folder that `load_routes` reads, for a world of text."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / ROUTES_FILE
    records = [[route.model_dump(mode="json") for route in routes], len(routes)]
    file.write_text(json.dumps(records, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return file


def _records(path: Path, data: Any) -> list[Any]:
    if isinstance(data, dict):
        return [data]
    if not (isinstance(data, list) and len(data) == 2 and isinstance(data[0], list)):
        raise BadData(f"{path}: neither a two-element list [routes, count] nor a single route object")
    routes, count = data
    if count != len(routes):
        raise BadData(f"{path}: says it has {count!r} routes, but has {len(routes)}; is the file complete?")
    if not routes:
        raise BadData(f"{path}: has no routes")
    return routes


def _route(path: Path, index: int, record: Any) -> Route:
    try:
        return PublishedRoute.model_validate(record).route()
    except ValidationError as error:
        raise BadData(f"{path}: route {index}: {'; '.join(_complaints(error))}") from error
    except BadData as error:
        raise BadData(f"{path}: route {index}: {error}") from error


def _complaints(error: ValidationError) -> Iterator[str]:
    for one in error.errors(include_url=False, include_context=False):
        key = ".".join(map(str, one["loc"]))
        missing = one["type"] == "missing"
        yield f"the key '{key}' is missing" if missing else f"{key or 'the route'}: {one['msg']}"
