"""Options of the environment."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from farfield_sdk import Options, Split
from farfield_virl.actions import ActionSpace, HeadingMode
from farfield_virl.answers import PromptForm
from farfield_virl.looks import HOME_CITY, CityName
from farfield_virl.rail import RailSettings
from farfield_virl.worlds import SyntheticWorld, World, open_published

FEWEST_ROADS, MOST_ROADS = 2, 12
"""Of a synthetic route."""
USUAL_ROADS = (2, 4)


class VirlOptions(Options):
    """Which routes are walked, how they are shown, and how they are judged."""

    modality: Literal["text", "views"] = Field(
        "text", description="Observations as text, or as four street views in one picture."
    )
    actions: ActionSpace = Field(
        "absolute",
        description="What turns name: `absolute`: one of the eight compass directions; `relative`: left, "
        "right, slightly left or slightly right.",
    )
    headings: HeadingMode = Field(
        "wrapped",
        description="How left and right are told apart: `wrapped` goes the short way round; `reference` "
        "takes the plain difference of headings, wrong across north, as the paper's code does.",
    )
    world: Literal["synthetic", "published"] = Field(
        "synthetic", description="Synthetic cities, or routes of a published data set."
    )
    cities: tuple[CityName, ...] = Field(
        (HOME_CITY,), min_length=1, description="Synthetic cities to walk in; each has a look of its own."
    )
    data: str = Field(
        "",
        description="Of a published world: a folder with route_infos.json, and for views also "
        "gps_pano_mapping.json or .pkl and street_views/; or a route file alone.",
    )
    budget: int = Field(2, ge=1, le=100, description="Verification budget: attempts at each point.")
    points_per_road: int = Field(
        5, ge=0, le=100, description="Points on a straight road, before any is dropped."
    )
    drop_rate: float = Field(0.5, ge=0, le=1, description="Chance that a point on a road is dropped.")
    spacing: float = Field(
        8.0, ge=0, le=1000, description="Least metres between a point on a road and its neighbours."
    )
    initial_heading: int | None = Field(
        None, ge=0, lt=360, description="Where the walker faces at first; otherwise the route's, or random."
    )
    min_roads: int | None = Field(
        None, ge=1, description=f"Fewest straight roads of a route. Synthetic: {USUAL_ROADS[0]} unless given."
    )
    max_roads: int | None = Field(
        None, ge=1, description=f"Most straight roads of a route. Synthetic: {USUAL_ROADS[1]} unless given."
    )
    split: Split = Field(
        "all",
        description="Which routes are walked. About one in five is held out by a hash: `train` never walks "
        "those, `heldout` walks no others.",
    )
    prompt: PromptForm = Field(
        "paper",
        description="`paper`: full sentences and a JSON answer; `compact`: a few words for small models.",
    )
    view_size: int = Field(256, ge=32, le=1200, description="Pixels of each of the four square views.")
    decoys: bool = Field(
        True, description="Synthetic views also show the signs of places that the directions do not name."
    )

    @property
    def roads(self) -> tuple[int, int]:
        usual = USUAL_ROADS if self.world == "synthetic" else (1, 1_000_000)
        low = self.min_roads or min(usual[0], self.max_roads or usual[0])
        return low, self.max_roads or max(usual[1], low)

    @property
    def rail(self) -> RailSettings:
        return RailSettings(
            self.actions,
            self.headings,
            self.points_per_road,
            self.drop_rate,
            self.spacing,
            self.initial_heading,
        )

    def open_world(self) -> World:
        if self.world == "synthetic":
            return SyntheticWorld(self.cities, self.roads, self.split, self.decoys)
        views = self.rail if self.modality == "views" else None
        return open_published(Path(self.data), self.roads, self.split, views)

    @model_validator(mode="after")
    def _there_are_routes(self) -> "VirlOptions":
        low, high = self.roads
        if low > high:
            raise ValueError(f"min_roads {low} is more than max_roads {high}")
        if self.world == "synthetic" and not FEWEST_ROADS <= low <= high <= MOST_ROADS:
            limits = f"{FEWEST_ROADS} to {MOST_ROADS}"
            raise ValueError(f"a synthetic route has {limits} roads, not {low} to {high}")
        if self.world == "published" and not self.data:
            raise ValueError("a published world needs `data`: a folder or a route file")
        self.open_world()
        return self
