"""Paints one view of a scene: sky, ground, then everything that stands, the farthest first."""

from collections.abc import Iterator
from functools import lru_cache
from math import cos, pi, sin
from random import Random

from PIL import Image, ImageDraw

from farfield_virl.camera import EYE, Camera, Seen
from farfield_virl.city import Place
from farfield_virl.facades import Pen, draw_building
from farfield_virl.looks import LOOKS, Look
from farfield_virl.scene import HALF_ROAD, Block, Building, Scene, mixed
from farfield_virl.signs import FOOT, HEIGHT, WIDTH, draw_sign
from farfield_virl.streets import HALF_STREET, Spot

SIGHT = 150.0
"""Metres: what is farther is lost in haze."""
LINES_SIGHT = 55.0
SIGN_SIGHT = 34.0
_CIRCLE = tuple((cos(pi * step / 6), sin(pi * step / 6)) for step in range(12))
GREEN_SIGHT = 70.0


def paint(scene: Scene, blocks: list[Block], places: list[Place], camera: Camera) -> Image.Image:
    """What a camera sees of the blocks and places around it."""
    picture = _backdrop(scene.city.name, camera.size, round(camera.horizon)).copy()
    pen = Pen(ImageDraw.Draw(picture), camera, scene.look)
    blocks = [block for block in blocks if _in_view(camera, block)]
    _ground(pen, blocks)
    standing: list[tuple[float, Building | Spot, Seen, Seen]] = []
    for block in blocks:
        standing += _buildings(camera, block)
        standing += _greens(camera, block)
    for distance, thing, a, b in sorted(standing, key=lambda one: -one[0]):
        if isinstance(thing, Building):
            draw_building(pen, thing, a, b, distance)
        else:
            _green(pen, a, thing)
    for place in sorted(places, key=lambda one: -camera.see(one.sign)[1]):
        _sign(pen, place)
    return picture


@lru_cache(maxsize=64)
def _backdrop(name: str, size: int, horizon: int) -> Image.Image:
    """Sky and bare pavement."""
    look, rng = LOOKS[name], Random(f"sky {name}")
    picture = Image.new("RGB", (size, size), look.pavement)
    canvas = ImageDraw.Draw(picture)
    for row in range(horizon):
        canvas.line([(0, row), (size, row)], mixed(look.sky[0], look.sky[1], row / horizon))
    for _ in range(60 if look.stars else 0):
        x, y, r = rng.random() * size, rng.random() * horizon * 0.7, size / 400 * (1 + rng.random())
        canvas.ellipse((x - r, y - r, x + r, y + r), (230, 230, 250))
    if look.clouds:
        for _ in range(5):
            _cloud(canvas, look.clouds, rng.random() * size, rng.random() * horizon * 0.5, size / 9)
    return picture


def _cloud(canvas: ImageDraw.ImageDraw, colour: tuple[int, int, int], x: float, y: float, r: float) -> None:
    for dx, dy, share in ((-0.9, 0.1, 0.5), (0.0, 0.0, 0.8), (0.9, 0.1, 0.6)):
        w, h = r * share, r * share * 0.45
        canvas.ellipse((x + dx * r - w, y + dy * r - h, x + dx * r + w, y + dy * r + h), colour)


def _in_view(camera: Camera, block: Block) -> bool:
    """Whether some of a street, with the buildings along it, may be ahead and within 45° to either side."""
    (r0, a0), (r1, a1) = camera.see(block.a), camera.see(block.b)
    margin = 2.5 * HALF_STREET
    inside = max(a0, a1) > -margin
    return inside and min(r0 - a0, r1 - a1) < margin and max(r0 + a0, r1 + a1) > -margin


def _ground(pen: Pen, blocks: list[Block]) -> None:
    for block in blocks:
        _strip(pen, block, 0, 1, 0, HALF_ROAD * 2, pen.look.road)
    for spot in {spot for block in blocks for spot in (block.a, block.b)}:
        _plaza(pen, spot)
    for block in blocks:
        for share, width in _dashes(pen.camera, block):
            _strip(pen, block, share, width, 0, 0.3, pen.look.lines)
        for end in (0, 1):
            _zebra(pen, block, end)


def _plaza(pen: Pen, spot: Spot) -> None:
    """Closes the wedge that two roads leave open where they meet at an angle."""
    x, y = spot
    shape = pen.camera.ground([(x + HALF_ROAD * dx, y + HALF_ROAD * dy) for dx, dy in _CIRCLE])
    if len(shape) > 2:
        pen.canvas.polygon(shape, pen.look.road)


def _strip(
    pen: Pen, block: Block, begin: float, length: float, aside: float, width: float, colour: tuple[int, int, int]
) -> None:
    """A rectangle on the ground along a street; `begin` and `length` as shares of it, the rest in metres."""
    (ax, ay), (bx, by) = block.a, block.b
    dx, dy = bx - ax, by - ay
    whole = (dx * dx + dy * dy) ** 0.5
    nx, ny = dy / whole, -dx / whole
    left, right = aside - width / 2, aside + width / 2
    x0, y0, x1, y1 = ax + dx * begin, ay + dy * begin, ax + dx * (begin + length), ay + dy * (begin + length)
    corners = [
        (x0 + nx * left, y0 + ny * left),
        (x0 + nx * right, y0 + ny * right),
        (x1 + nx * right, y1 + ny * right),
        (x1 + nx * left, y1 + ny * left),
    ]
    shape = pen.camera.ground(corners)
    if len(shape) > 2:
        pen.canvas.polygon(shape, colour)


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
    for stripe in range(-3, 4):
        _strip(pen, block, begin, 2.6 / whole, stripe * 1.4, 0.7, mixed(pen.look.lines, pen.look.road, 0.2))


def _far(camera: Camera, spot: Spot, metres: float) -> bool:
    right, ahead = camera.see(spot)
    return ahead < -15 or ahead > metres or abs(right) > metres


def _buildings(camera: Camera, block: Block) -> Iterator[tuple[float, Building, Seen, Seen]]:
    for building in block.buildings:
        a, b = camera.see(building.a), camera.see(building.b)
        if a[1] <= 0.4 and b[1] <= 0.4:
            continue
        right, ahead = (a[0] + b[0]) / 2, (a[1] + b[1]) / 2
        distance = (right * right + ahead * ahead) ** 0.5
        if distance < SIGHT and abs(right) < abs(ahead) + 20:
            yield distance, building, a, b


def _greens(camera: Camera, block: Block) -> Iterator[tuple[float, Spot, Seen, Seen]]:
    for spot in block.greens:
        right, ahead = seen = camera.see(spot)
        if 3 < ahead < GREEN_SIGHT and abs(right) < ahead + 4:
            yield (right * right + ahead * ahead) ** 0.5 - 2, spot, seen, seen


def _green(pen: Pen, seen: Seen, spot: Spot) -> None:
    """A tree, a palm, a fir or a lamp."""
    camera, look, canvas = pen.camera, pen.look, pen.canvas
    right, ahead = seen
    x, foot, unit = camera.column(right, ahead), camera.row(0, ahead), camera.scale / ahead
    haze = min(0.5, round(ahead / 5) / 32)
    leaves = mixed(look.leaves, look.sky[1], haze)
    trunk = mixed((92, 74, 58), look.sky[1], haze)
    tall = 4.4 + 1.4 * (abs(spot[0] * 7 + spot[1] * 3) % 1)

    def blob(dx: float, height: float, w: float, h: float) -> None:
        y = camera.row(height, ahead)
        canvas.ellipse((x + (dx - w) * unit, y - h * unit, x + (dx + w) * unit, y + h * unit), leaves)

    top = camera.row(tall - 1.2, ahead)
    canvas.line([(x, foot), (x, top)], trunk, max(1, round(0.24 * unit)))
    if look.greenery == "tree":
        blob(-0.5, tall - 0.6, 1.0, 1.0)
        blob(0.5, tall - 0.4, 1.0, 1.1)
        blob(0.0, tall + 0.4, 1.0, 1.0)
    elif look.greenery == "palm":
        for dx, dy in ((-1.6, -0.5), (1.6, -0.5), (-1.3, 0.7), (1.3, 0.7), (0, 1.1)):
            tip = x + dx * unit, top - dy * unit
            canvas.line([(x, top), tip], leaves, max(1, round(0.4 * unit)))
    elif look.greenery == "fir":
        for low, wide in ((1.2, 1.5), (2.6, 1.2), (4.0, 0.8)):
            y = camera.row(low, ahead)
            canvas.polygon([(x - wide * unit, y), (x + wide * unit, y), (x, y - 2.0 * unit)], leaves)
    else:
        blob(0.0, tall - 1.0, 0.4, 0.4)


def _sign(pen: Pen, place: Place) -> None:
    camera = pen.camera
    right, ahead = camera.see(place.sign)
    if ahead < 2:
        return
    unit, x = camera.scale / ahead, camera.column(right, ahead)
    post = max(1, round(0.22 * unit))
    for dx in (-WIDTH * 0.36, WIDTH * 0.36):
        line = [(x + dx * unit, camera.row(0, ahead)), (x + dx * unit, camera.row(FOOT, ahead))]
        pen.canvas.line(line, mixed((70, 70, 76), pen.look.sky[1], 0.1), post)
    top, bottom = camera.row(FOOT + HEIGHT, ahead), camera.row(FOOT, ahead)
    draw_sign(pen.canvas, pen.look, place.name, (x - WIDTH / 2 * unit, top, x + WIDTH / 2 * unit, bottom))


__all__ = ["EYE", "HALF_STREET", "SIGHT", "SIGN_SIGHT", "Look", "paint"]
