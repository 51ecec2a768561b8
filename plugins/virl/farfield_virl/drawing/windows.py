"""Draws the windows of a building, and the shop on its ground floor."""

from collections.abc import Iterator

from farfield_virl.drawing.camera import Seen, clipped
from farfield_virl.drawing.pen import Pen
from farfield_virl.drawing.scene import STOREY, Building, shaded
from farfield_virl.drawing.walls import Wall, hazy, in_sight
from farfield_virl.looks import Colour

FRAMES_METRES = 40.0
NARROWEST = 6.0
"""Pixels from one window to the next; a wall seen at a sharp angle gets fewer of them."""
_SHOP_TOP, _SHOP_BOTTOM = 2.6, 0.5
_SHAPES = {
    "sash": (2.6, 0.26, 0.74, 0.9, 2.6),
    "tall": (3.2, 0.3, 0.7, 0.4, 2.7),
    "small": (3.0, 0.32, 0.68, 1.0, 2.3),
    "strip": (2.2, 0.08, 0.92, 0.9, 2.7),
}
"""By style: metres between windows; where one begins and ends in its field; its foot and head in a storey."""


def draw_windows(pen: Pen, building: Building, wall: Wall) -> None:
    """Storey by storey, from the first floor up to where the picture ends."""
    style, camera = pen.look.windows, pen.camera
    pitch, begin, end, foot, head = _SHAPES[style]
    frames = style != "strip" and wall.distance < FRAMES_METRES
    trim = hazy(pen, pen.look.trim, wall)
    for column, (near, far) in enumerate(_fields(pen, building, wall, pitch, begin, end)):
        pane = (_inset(near, far), _inset(far, near)) if style != "strip" else (near, far)
        for storey in range(1, building.storeys):
            low, high = storey * STOREY + foot, storey * STOREY + head
            if camera.row(low, max(near[1], far[1])) < 0:
                break
            if frames:
                pen.upright(near, far, low - 0.16, high + 0.16, trim)
            pen.upright(*pane, low, high, _pane(pen, building, wall, column, storey))


def _pane(pen: Pen, building: Building, wall: Wall, column: int, storey: int) -> Colour:
    panes = pen.look.panes
    chosen = building.light * 7 + column * 5 + storey * 3 + column * storey
    return hazy(pen, panes[chosen % len(panes)], wall)


def _inset(near: Seen, far: Seen) -> Seen:
    """A little way from `near` to `far`: the width of a window's frame."""
    return near[0] + 0.12 * (far[0] - near[0]), near[1] + 0.12 * (far[1] - near[1])


def _fields(
    pen: Pen, building: Building, wall: Wall, pitch: float, begin: float, end: float
) -> Iterator[tuple[Seen, Seen]]:
    """The left and right edge of every column of windows that is ahead of the camera."""
    (ax, ay), (bx, by) = building.a, building.b
    count = int(((bx - ax) ** 2 + (by - ay) ** 2) ** 0.5 / pitch)
    if min(wall.a[1], wall.b[1]) > 1:
        width = abs(pen.camera.column(*wall.b) - pen.camera.column(*wall.a))
        count = min(count, int(width / NARROWEST))
    for column in range(count):
        near, far = wall.at((column + begin) / count), wall.at((column + end) / count)
        if min(near[1], far[1]) > 0.8 and in_sight(near, far):
            yield near, far


def draw_shop(pen: Pen, building: Building, wall: Wall) -> None:
    """A glass front with a door, under an awning."""
    glass = hazy(pen, shaded(pen.look.panes[0], 0.8), wall)
    awning = hazy(pen, building.awning, wall)
    for begin, end in ((0.08, 0.4), (0.46, 0.58), (0.64, 0.92)):
        near, far = wall.at(begin), wall.at(end)
        if min(near[1], far[1]) > 0.8 and in_sight(near, far):
            low = 0.0 if begin == 0.46 else _SHOP_BOTTOM
            pen.upright(near, far, low, _SHOP_TOP, glass)
    near, far = wall.at(0.05), wall.at(0.95)
    ends = clipped([near, far])
    if len(ends) == 2:
        pen.upright(ends[0], ends[1], _SHOP_TOP, _SHOP_TOP + 0.6, awning)
