"""A level camera with a field of view of 90°: from the map to the picture."""

from collections.abc import Sequence
from math import cos, radians, sin

from farfield_virl.streets import Spot

EYE = 2.2
NEAREST = 0.4
Seen = tuple[float, float]
"""Metres to the right of the camera and ahead of it."""


class Camera:
    """Stands at `spot` and faces `heading`; the picture is a square of `size` pixels."""

    def __init__(self, spot: Spot, heading: float, size: int) -> None:
        self.size = size
        self._x, self._y = spot
        self._sin, self._cos = sin(radians(heading)), cos(radians(heading))
        self.scale = size / 2
        self.horizon = size * 0.56

    def see(self, spot: Spot) -> Seen:
        dx, dy = spot[0] - self._x, spot[1] - self._y
        return dx * self._cos - dy * self._sin, dx * self._sin + dy * self._cos

    def column(self, right: float, ahead: float) -> float:
        return self.scale * (1 + right / ahead)

    def row(self, height: float, ahead: float) -> float:
        return self.horizon - self.scale * (height - EYE) / ahead

    def ground(self, spots: Sequence[Spot]) -> list[tuple[float, float]]:
        """A polygon on the ground, in pixels; empty where it is behind the camera."""
        return [(self.column(r, a), self.row(0, a)) for r, a in clipped([self.see(spot) for spot in spots])]


def clipped(corners: list[Seen]) -> list[Seen]:
    """The part of a polygon that is ahead of the camera (one plane of Sutherland and Hodgman)."""
    kept: list[Seen] = []
    for (r0, a0), (r1, a1) in zip(corners, corners[1:] + corners[:1], strict=True):
        if a0 >= NEAREST:
            kept.append((r0, a0))
        if (a0 >= NEAREST) != (a1 >= NEAREST):
            share = (NEAREST - a0) / (a1 - a0)
            kept.append((r0 + share * (r1 - r0), NEAREST))
    return kept
