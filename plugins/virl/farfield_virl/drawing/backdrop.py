"""Sky and bare pavement: what is behind everything else."""

from functools import lru_cache
from random import Random

from PIL import Image, ImageDraw

from farfield_virl.drawing.scene import mixed
from farfield_virl.looks import LOOKS


@lru_cache(maxsize=64)
def backdrop(name: str, size: int, horizon: int) -> Image.Image:
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
