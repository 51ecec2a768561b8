"""A folder of street views: panoramas `NAME.jpg` (or .png) with `NAME.metadata.json`, and views out of them.

A panorama is equirectangular; `rotation` in its metadata is the heading of north, in degrees, as columns
from the left edge. A view is a perspective picture of 90°, drawn by bending a mesh of small quads.
"""

from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise
from math import atan, atan2, degrees, hypot
from pathlib import Path

from PIL import Image

from farfield_virl.bearings import Geocode
from farfield_virl.data.faults import BadData
from farfield_virl.data.files import read_json
from farfield_virl.data.mapping import Panoramas
from farfield_virl.data.pictures import open_image
from farfield_virl.nearby import Nearby

SNAP_METRES = 20.0
MESH = 16
_SUFFIXES = (".jpg", ".jpeg", ".png")


class StreetViews:
    """Finds the panorama of a place and draws views of it."""

    def __init__(self, folder: Path, panoramas: Panoramas) -> None:
        self._panoramas = panoramas
        self._nearby = Nearby(panoramas, SNAP_METRES)
        self._folder, self._files = folder, _listed(folder)

    def snap(self, place: Geocode) -> Geocode | None:
        """The nearest place with a panorama, at most 20 m away."""
        return next(iter(self._nearby.around(place)), None)

    def demand(self, places: Iterable[Geocode]) -> None:
        """Refuse a folder that lacks a file for any of these places."""
        names = sorted({self._panoramas[found] for place in places if (found := self.snap(place))})
        lacking = [file for name in names for file in self._lacking(name)]
        if lacking:
            raise BadData(
                f"{self._folder}: {len(lacking)} files that the routes need are missing, "
                f"the first is '{lacking[0]}'; is the folder complete?"
            )

    def view(self, place: Geocode, heading: float, size: int) -> Image.Image:
        """What is seen at a place with a panorama, facing `heading`."""
        found = self.snap(place)
        if found is None:
            raise BadData(f"{self._folder}: no panorama within {SNAP_METRES:.0f} m of {place}")
        name = self._panoramas[found]
        if missing := list(self._lacking(name)):
            raise BadData(f"{self._folder}: '{missing[0]}' is missing")
        return perspective(*_panorama(self._image_file(name), self._metadata_file(name)), heading, size)

    def _image_file(self, name: str) -> Path:
        return next(self._folder / f"{name}{end}" for end in _SUFFIXES if f"{name}{end}" in self._files)

    def _metadata_file(self, name: str) -> Path:
        return self._folder / f"{name}.metadata.json"

    def _lacking(self, name: str) -> Iterable[str]:
        if not any(f"{name}{end}" in self._files for end in _SUFFIXES):
            yield f"{name}.jpg"
        if f"{name}.metadata.json" not in self._files:
            yield f"{name}.metadata.json"


def _listed(folder: Path) -> frozenset[str]:
    try:
        return frozenset(path.name for path in folder.iterdir())
    except OSError as error:
        raise BadData(f"{folder}: no folder of street views ({error.strerror})") from error


@lru_cache(maxsize=4)
def _panorama(image_file: Path, metadata_file: Path) -> tuple[Image.Image, float]:
    """The picture, with its left half repeated at the right, and the rotation."""
    metadata = read_json(metadata_file)
    rotation = metadata.get("rotation") if isinstance(metadata, dict) else None
    if not isinstance(rotation, int | float):
        raise BadData(f"{metadata_file}: the key 'rotation', a number of degrees, is missing")
    image = open_image(image_file)
    wide = Image.new("RGB", (image.width * 3 // 2, image.height))
    wide.paste(image, (0, 0))
    wide.paste(image, (image.width, 0))
    return wide, float(rotation)


def perspective(wide: Image.Image, rotation: float, heading: float, size: int) -> Image.Image:
    """A square view of 90°. Between mesh corners the bend is taken as straight."""
    width, height = wide.width * 2 // 3, wide.height
    left = (heading - 45 + rotation) % 360
    corners = [2 * i / MESH - 1 for i in range(MESH + 1)]

    def source(x: float, y: float) -> tuple[float, float]:
        column = left + 45 + degrees(atan(x))
        row = 90 + degrees(atan2(y, hypot(1, x)))
        return column / 360 * width, row / 180 * height

    mesh = []
    for top, bottom in pairwise(corners):
        for west, east in pairwise(corners):
            box = tuple(round((one + 1) / 2 * size) for one in (west, top, east, bottom))
            quad = (*source(west, top), *source(west, bottom), *source(east, bottom), *source(east, top))
            mesh.append((box, quad))
    return wide.transform((size, size), Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)
