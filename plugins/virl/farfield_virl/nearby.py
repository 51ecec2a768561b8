"""Finds which of many places are near one."""

from collections import defaultdict
from collections.abc import Iterable
from math import floor

from farfield_virl.bearings import METRES_PER_DEGREE, Geocode, distance


class Nearby:
    """Places by the cells of a grid, for questions within `radius` metres."""

    def __init__(self, places: Iterable[Geocode], radius: float) -> None:
        self._radius = radius
        self._cells: dict[tuple[int, int], list[Geocode]] = defaultdict(list)
        for place in places:
            self._cells[self._cell(place)].append(place)

    def around(self, place: Geocode) -> list[Geocode]:
        """All within the radius, the nearest first."""
        row, column = self._cell(place)
        rows, columns = (row - 1, row, row + 1), (column - 1, column, column + 1)
        near = [
            (metres, one)
            for i in rows
            for j in columns
            for one in self._cells.get((i, j), ())
            if (metres := distance(place, one)) <= self._radius
        ]
        return [one for _, one in sorted(near)]

    def _cell(self, place: Geocode) -> tuple[int, int]:
        """Cells at least as wide as the radius, up to 80° of latitude."""
        cells = METRES_PER_DEGREE / self._radius
        return floor(place[0] * cells), floor(place[1] * cells / 6)
