"""Paints one view of a scene: sky, ground, then everything that stands, the farthest first."""

from collections.abc import Iterator

from PIL import Image, ImageDraw

from farfield_virl.city import Place
from farfield_virl.drawing.backdrop import backdrop
from farfield_virl.drawing.camera import Camera, Seen
from farfield_virl.drawing.facades import draw_building
from farfield_virl.drawing.greenery import draw_green
from farfield_virl.drawing.ground import draw_ground
from farfield_virl.drawing.pen import Pen
from farfield_virl.drawing.scene import Block, Building, Scene, mixed
from farfield_virl.drawing.signs import FOOT, HEIGHT, WIDTH, draw_sign
from farfield_virl.streets import HALF_STREET, Spot

SIGHT = 150.0
"""Metres: what is farther is lost in haze."""
SIGN_SIGHT = 34.0
GREEN_SIGHT = 70.0


def paint(scene: Scene, blocks: list[Block], places: list[Place], camera: Camera) -> Image.Image:
    """What a camera sees of the blocks and places around it."""
    picture = backdrop(scene.city.name, camera.size, round(camera.horizon)).copy()
    pen = Pen(ImageDraw.Draw(picture), camera, scene.look)
    blocks = [block for block in blocks if _in_view(camera, block)]
    draw_ground(pen, blocks)
    standing: list[tuple[float, Building | Spot, Seen, Seen]] = []
    for block in blocks:
        standing += _buildings(camera, block)
        standing += _greens(camera, block)
    for distance, thing, a, b in sorted(standing, key=lambda one: -one[0]):
        if isinstance(thing, Building):
            draw_building(pen, thing, a, b, distance)
        else:
            draw_green(pen, thing, a)
    for place in sorted(places, key=lambda one: -camera.see(one.sign)[1]):
        _sign(pen, place)
    return picture


def _in_view(camera: Camera, block: Block) -> bool:
    """Whether some of a street, with the buildings along it, may be ahead and within 45° to either side."""
    (r0, a0), (r1, a1) = camera.see(block.a), camera.see(block.b)
    margin = 2.5 * HALF_STREET
    inside = max(a0, a1) > -margin
    return inside and min(r0 - a0, r1 - a1) < margin and max(r0 + a0, r1 + a1) > -margin


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
