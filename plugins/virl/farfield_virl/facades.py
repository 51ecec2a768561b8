"""Draws one building: wall, roof, windows and shop front, in perspective."""

from collections.abc import Iterator
from dataclasses import dataclass

from PIL import ImageDraw

from farfield_virl.camera import Camera, Seen, clipped
from farfield_virl.looks import Colour, Look
from farfield_virl.scene import STOREY, Building, mixed, shaded

DETAIL_METRES = 70.0
FRAMES_METRES = 40.0
DEPTH = 8.0
_SHOP_TOP, _SHOP_BOTTOM = 2.6, 0.5
_SHAPES = {"sash": (2.6, 0.26, 0.74, 0.9, 2.6), "tall": (3.2, 0.3, 0.7, 0.4, 2.7), "small": (3.0, 0.32, 0.68, 1.0, 2.3)}
"""By style: metres between windows; where one begins and ends in its field; its foot and head in a storey."""


@dataclass(frozen=True, slots=True)
class Pen:
    """What drawing a building takes."""

    canvas: ImageDraw.ImageDraw
    camera: Camera
    look: Look


@dataclass(frozen=True, slots=True)
class Wall:
    """A facade as seen: its two ends, how far it is, and the share of haze in its colours."""

    a: Seen
    b: Seen
    distance: float
    haze: float

    def at(self, share: float) -> Seen:
        return (
            self.a[0] + share * (self.b[0] - self.a[0]),
            self.a[1] + share * (self.b[1] - self.a[1]),
        )


def draw_building(pen: Pen, building: Building, a: Seen, b: Seen, distance: float) -> None:
    """`a` and `b` are the ends of its facade, as the camera sees them."""
    wall = Wall(a, b, distance, min(0.65, round(distance / 5) / 46))
    front = a[0] * b[1] > b[0] * a[1]
    if front and distance < DETAIL_METRES:
        _flanks(pen, building, wall)
    ends = clipped([a, b])[:2]
    if len(ends) == 2 and _in_sight(*ends):
        height = building.storeys * STOREY
        colour = building.wall if front else shaded(building.wall, 0.6)
        _quad(pen, ends[0], ends[1], 0, height, _hazy(pen, colour, wall))
        _roof(pen, wall, building, ends)
        if front and distance < DETAIL_METRES:
            _windows(pen, building, wall)
            _shop(pen, building, wall)


def _flanks(pen: Pen, building: Building, wall: Wall) -> None:
    """The side walls, where they rise above a neighbour."""
    (ar, aa), (br, ba) = wall.a, wall.b
    whole = ((br - ar) ** 2 + (ba - aa) ** 2) ** 0.5
    back = (ba - aa) * DEPTH / whole, -(br - ar) * DEPTH / whole
    colour = _hazy(pen, shaded(building.wall, 0.72), wall)
    for (right, ahead), beside in zip((wall.a, wall.b), building.neighbours, strict=True):
        if beside >= building.storeys:
            continue
        ends = clipped([(right, ahead), (right + back[0], ahead + back[1])])[:2]
        if len(ends) == 2 and _in_sight(*ends):
            _quad(pen, ends[0], ends[1], beside * STOREY, building.storeys * STOREY, colour)


def _hazy(pen: Pen, colour: Colour, wall: Wall) -> Colour:
    return mixed(colour, pen.look.sky[1], wall.haze)


def _quad(pen: Pen, near: Seen, far: Seen, low: float, high: float, colour: Colour) -> None:
    """A patch of wall between two heights."""
    camera = pen.camera
    x0, x1 = camera.column(*near), camera.column(*far)
    pen.canvas.polygon(
        [
            (x0, camera.row(low, near[1])),
            (x1, camera.row(low, far[1])),
            (x1, camera.row(high, far[1])),
            (x0, camera.row(high, near[1])),
        ],
        colour,
    )


def _roof(pen: Pen, wall: Wall, building: Building, ends: list[Seen]) -> None:
    """A cornice, a parapet or a gable on top."""
    height, look = building.storeys * STOREY, pen.look
    near, far = ends[0], ends[1]
    if look.roof == "gable":
        peak = ((near[0] + far[0]) / 2, (near[1] + far[1]) / 2)
        camera = pen.camera
        pen.canvas.polygon(
            [
                (camera.column(*near), camera.row(height, near[1])),
                (camera.column(*far), camera.row(height, far[1])),
                (camera.column(*peak), camera.row(height + 4.2, peak[1])),
            ],
            _hazy(pen, look.roof_colour, wall),
        )
        return
    thick = 1.3 if look.roof == "parapet" else 0.7
    _quad(pen, near, far, height - 0.2, height + thick, _hazy(pen, look.roof_colour, wall))
    _quad(pen, near, far, height - 0.5, height - 0.2, _hazy(pen, look.trim, wall))


def _windows(pen: Pen, building: Building, wall: Wall) -> None:
    if pen.look.windows == "strip":
        _strips(pen, building, wall)
        return
    pitch, begin, end, foot, head = _SHAPES[pen.look.windows]
    trim = _hazy(pen, pen.look.trim, wall)
    for column, (near, far) in enumerate(_fields(building, wall, pitch, begin, end)):
        for storey in range(1, building.storeys):
            low, high = storey * STOREY + foot, storey * STOREY + head
            if pen.camera.row(low, near[1]) > 0 or pen.camera.row(low, far[1]) > 0:
                if wall.distance < FRAMES_METRES:
                    _quad(pen, near, far, low - 0.16, high + 0.16, trim)
                inner = _inset(near, far, 0.12), _inset(far, near, 0.12)
                _quad(pen, *inner, low, high, _pane(pen, building, wall, column, storey))


def _strips(pen: Pen, building: Building, wall: Wall) -> None:
    """Panes side by side, storey by storey."""
    for column, (near, far) in enumerate(_fields(building, wall, 2.2, 0.08, 0.92)):
        for storey in range(1, building.storeys):
            low, high = storey * STOREY + 0.9, storey * STOREY + 2.7
            if pen.camera.row(low, near[1]) > 0 or pen.camera.row(low, far[1]) > 0:
                _quad(pen, near, far, low, high, _pane(pen, building, wall, column, storey))


def _pane(pen: Pen, building: Building, wall: Wall, column: int, storey: int) -> Colour:
    panes = pen.look.panes
    return _hazy(pen, panes[(building.light * 7 + column * 5 + storey * 3 + column * storey) % len(panes)], wall)


def _inset(near: Seen, far: Seen, share: float) -> Seen:
    return near[0] + share * (far[0] - near[0]), near[1] + share * (far[1] - near[1])


def _fields(
    building: Building, wall: Wall, pitch: float, begin: float, end: float
) -> Iterator[tuple[Seen, Seen]]:
    """The left and right edge of every column of windows that is ahead of the camera."""
    (ax, ay), (bx, by) = building.a, building.b
    whole = ((bx - ax) ** 2 + (by - ay) ** 2) ** 0.5
    count = max(1, int(whole / pitch))
    for column in range(count):
        near, far = wall.at((column + begin) / count), wall.at((column + end) / count)
        if min(near[1], far[1]) > 0.8 and _in_sight(near, far):
            yield near, far


def _in_sight(near: Seen, far: Seen) -> bool:
    return not (near[0] < -near[1] and far[0] < -far[1]) and not (near[0] > near[1] and far[0] > far[1])


def _shop(pen: Pen, building: Building, wall: Wall) -> None:
    """A glass front with a door, under an awning."""
    glass = _hazy(pen, shaded(pen.look.panes[0], 0.8), wall)
    awning = _hazy(pen, building.awning, wall)
    for begin, end in ((0.08, 0.4), (0.46, 0.58), (0.64, 0.92)):
        near, far = wall.at(begin), wall.at(end)
        if min(near[1], far[1]) > 0.8 and _in_sight(near, far):
            low = 0.0 if begin == 0.46 else _SHOP_BOTTOM
            _quad(pen, near, far, low, _SHOP_TOP, glass)
    near, far = wall.at(0.05), wall.at(0.95)
    ends = clipped([near, far])
    if len(ends) == 2:
        _quad(pen, ends[0], ends[1], _SHOP_TOP, _SHOP_TOP + 0.6, awning)
