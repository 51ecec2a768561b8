"""The observation of a place in views: four pictures in one, [front, right / back, left]."""

import io
from collections.abc import Sequence
from functools import lru_cache

from PIL import Image, ImageDraw

from farfield_virl.city import Place
from farfield_virl.drawing.camera import Camera
from farfield_virl.drawing.painter import SIGHT, SIGN_SIGHT, paint
from farfield_virl.drawing.scene import Block, Scene, build_scene
from farfield_virl.drawing.signs import fitting, write
from farfield_virl.streets import Spot

TURNS = (0, 90, 180, 270)
"""Front, right, back, left, in reading order."""
CAPTIONS = ("front", "right", "back", "left")
_SHARP = 400
"""Views up to so many pixels are painted twice as large and reduced, for smooth edges."""
_SMALLEST_WITH_CAPTION = 96


def grid(views: Sequence[Image.Image]) -> bytes:
    """Four square views as one PNG, apart by a thin black line."""
    size = views[0].width
    line = max(1, size // 64)
    picture = Image.new("RGB", (2 * size + line, 2 * size + line))
    for index, view in enumerate(views):
        if size >= _SMALLEST_WITH_CAPTION:
            _caption(view, CAPTIONS[index])
        picture.paste(view, (index % 2 * (size + line), index // 2 * (size + line)))
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return file.getvalue()


def _caption(view: Image.Image, text: str) -> None:
    canvas, size = ImageDraw.Draw(view), view.width
    height = max(13, size // 16)
    width = height * 3.2
    canvas.rectangle((0, 0, width, height), (0, 0, 0))
    write(canvas, text, (width / 2, height / 2), fitting(text, width * 0.86, height * 0.84), (255, 255, 255))


@lru_cache(maxsize=256)
def city_views(city: str, spot: Spot, heading: int, size: int, shown: frozenset[str] | None) -> bytes:
    """The views of a synthetic city. `shown`: the names whose signs are up; None for all."""
    scene = build_scene(city)
    blocks = [block for block in scene.blocks if _near(block, spot)]
    places = [place for place in _in_sight(scene, blocks, spot) if shown is None or place.name in shown]
    factor = 2 if size <= _SHARP else 1
    views = []
    for turn in TURNS:
        view = paint(scene, blocks, places, Camera(spot, heading + turn, size * factor))
        views.append(view.reduce(factor) if factor > 1 else view)
    return grid(views)


def _near(block: Block, spot: Spot) -> bool:
    middle = (block.a[0] + block.b[0]) / 2 - spot[0], (block.a[1] + block.b[1]) / 2 - spot[1]
    return middle[0] ** 2 + middle[1] ** 2 < SIGHT**2


def _in_sight(scene: Scene, blocks: list[Block], spot: Spot) -> list[Place]:
    """Places near enough to be read, with no building in between."""
    return [
        place
        for place in scene.city.places()
        if (place.sign[0] - spot[0]) ** 2 + (place.sign[1] - spot[1]) ** 2 < SIGN_SIGHT**2
        and not any(_cross(spot, place.sign, one.a, one.b) for block in blocks for one in block.buildings)
    ]


def _cross(a: Spot, b: Spot, c: Spot, d: Spot) -> bool:
    """Whether two segments cross."""
    return _left(a, b, c) != _left(a, b, d) and _left(c, d, a) != _left(c, d, b)


def _left(a: Spot, b: Spot, c: Spot) -> bool:
    return (b[0] - a[0]) * (c[1] - a[1]) > (b[1] - a[1]) * (c[0] - a[0])
