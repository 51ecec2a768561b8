"""Draws the ground: roads, the dashes in their middle, and zebra crossings."""

from collections.abc import Iterator
from math import cos, pi, sin

from farfield_virl.drawing.camera import Camera
from farfield_virl.drawing.pen import Pen
from farfield_virl.drawing.scene import HALF_ROAD, Block, mixed
from farfield_virl.looks import Colour
from farfield_virl.streets import Spot

LINES_SIGHT = 55.0
"""Metres."""
_CIRCLE = tuple((cos(pi * step / 6), sin(pi * step / 6)) for step in range(12))


def draw_ground(pen: Pen, blocks: list[Block]) -> None:
    for block in blocks:
        _strip(pen, block, (0, 1), 0, HALF_ROAD * 2, pen.look.road)
    for spot in {spot for block in blocks for spot in (block.a, block.b)}:
        _plaza(pen, spot)
    for block in blocks:
        for dash in _dashes(pen.camera, block):
            _strip(pen, block, dash, 0, 0.3, pen.look.lines)
        for end in (0, 1):
            _zebra(pen, block, end)


def _plaza(pen: Pen, spot: Spot) -> None:
    """Closes the wedge that two roads leave open where they meet at an angle."""
    x, y = spot
    pen.flat([(x + HALF_ROAD * dx, y + HALF_ROAD * dy) for dx, dy in _CIRCLE], pen.look.road)


def _strip(
    pen: Pen, block: Block, part: tuple[float, float], aside: float, width: float, colour: Colour
) -> None:
    """A rectangle on the ground along a street: where it begins and how long it is, as shares of the
    street, and in metres how far its middle lies to the right, and its width."""
    (ax, ay), (bx, by) = block.a, block.b
    dx, dy = bx - ax, by - ay
    whole = (dx * dx + dy * dy) ** 0.5
    nx, ny = dy / whole, -dx / whole
    left, right = aside - width / 2, aside + width / 2
    begin, end = part[0], part[0] + part[1]
    places = ((begin, left), (begin, right), (end, right), (end, left))
    pen.flat([(ax + dx * share + nx * off, ay + dy * share + ny * off) for share, off in places], colour)


def _dashes(camera: Camera, block: Block) -> Iterator[tuple[float, float]]:
    """Where the dashes of the middle line begin and how long they are, as shares of the street."""
    (ax, ay), (bx, by) = block.a, block.b
    whole = ((bx - ax) ** 2 + (by - ay) ** 2) ** 0.5
    count = int((whole - sum(block.mouths) - 12) // 7)
    for dash in range(max(0, count)):
        share = (block.mouths[0] + 6 + 7 * dash) / whole
        right, ahead = camera.see((ax + share * (bx - ax), ay + share * (by - ay)))
        if -4 < ahead < LINES_SIGHT and abs(right) < ahead + 8:
            yield share, 3 / whole


def _zebra(pen: Pen, block: Block, end: int) -> None:
    """A crossing for walkers at one end of a street."""
    (ax, ay), (bx, by) = block.a, block.b
    whole = ((bx - ax) ** 2 + (by - ay) ** 2) ** 0.5
    inward = block.mouths[end] + 0.6
    if inward > 14 or _far(pen.camera, block.b if end else block.a, LINES_SIGHT):
        return
    begin = 1 - (inward + 2.6) / whole if end else inward / whole
    colour = mixed(pen.look.lines, pen.look.road, 0.2)
    for stripe in range(-3, 4):
        _strip(pen, block, (begin, 2.6 / whole), stripe * 1.4, 0.7, colour)


def _far(camera: Camera, spot: Spot, metres: float) -> bool:
    right, ahead = camera.see(spot)
    return ahead < -15 or ahead > metres or abs(right) > metres
