"""A data set of our own making in the published layout: two routes in an invented town, with panoramas
whose four quarters show where north, east, south and west are."""

import json
import pickle
from pathlib import Path

import pytest
from PIL import Image

from farfield_virl.bearings import between

QUARTERS = {0: (220, 30, 30), 90: (30, 200, 30), 180: (30, 30, 220), 270: (220, 220, 30)}
CORNER, SOUTH_END, EAST_END = (10.0, 20.0), (9.9991, 20.0), (10.0, 20.001)


def milestone(number: int, landmark: str, heading: str) -> str:
    lines = [
        f'"intersection_idx": "{number}",',
        f'"landmarks": "{landmark}",',
        f'"to_next_intersection_heading": "{heading}",',
    ]
    return "\n{\n" + "\n".join(lines) + "\n}\n"


def route_record(start: tuple[float, float] = SOUTH_END, heading: int = 0) -> dict:
    """North for 100 m, then east for 109 m."""
    return {
        "start_place": {"name": "Old Mill", "relocated_geocode": list(start)},
        "dest_place": {"name": "Pump House", "rating": 4.5},
        "route_results": {
            "geocode_list": [list(CORNER), list(EAST_END)],
            "landmark_list": [{"name": "Red Kiosk"}],
        },
        "init_heading": heading,
        "milestone_info": milestone(1, "Red Kiosk is on your right front", "0 (north)")
        + milestone(2, "The destination Pump House is on your left", "90 (east)"),
    }


@pytest.fixture
def record() -> dict:
    return route_record()


@pytest.fixture
def route_file(tmp_path: Path, record: dict) -> Path:
    path = tmp_path / "route.json"
    path.write_text(json.dumps(record))
    return path


def panorama(rotation: int) -> Image.Image:
    """256 × 128, a colour for each quarter of the horizon."""
    picture = Image.new("RGB", (256, 128))
    for column in range(256):
        heading = (column / 256 * 360 - rotation) % 360
        quarter = round(heading / 90) % 4 * 90
        picture.paste(QUARTERS[quarter], (column, 0, column + 1, 128))
    return picture


@pytest.fixture
def data_set(tmp_path: Path) -> Path:
    """The whole layout; panoramas lie every fifth of a road, and each is turned differently."""
    folder = tmp_path / "town"
    views = folder / "street_views"
    views.mkdir(parents=True)
    records = [route_record(), route_record(heading=45)]
    (folder / "route_infos.json").write_text(json.dumps([records, 2]))
    places = [between(SOUTH_END, CORNER, i / 5) for i in range(6)]
    places += [between(CORNER, EAST_END, i / 5) for i in range(1, 6)]
    mapping = {place: f"pano_{i}" for i, place in enumerate(places)}
    (folder / "gps_pano_mapping.pkl").write_bytes(pickle.dumps(mapping))
    for i, name in enumerate(mapping.values()):
        panorama(30 * i).save(views / f"{name}.jpg", quality=92)
        (views / f"{name}.metadata.json").write_text(json.dumps({"rotation": 30 * i}))
    return folder
