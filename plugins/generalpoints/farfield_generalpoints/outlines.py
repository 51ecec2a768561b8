"""The shapes of the four suits and of the ranks, as masks of any size."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from io import BytesIO
from itertools import pairwise
from math import cos, pi, sin

from PIL import Image, ImageDraw, ImageFont

Spot = tuple[float, float]
"""Across and down, in a box that is 1 wide and 1 high."""

FINE = 4
"""Suits are drawn so many times as large and reduced, for smooth edges."""
_STEPS = 32
_TYPE_SIZE = 1024
"""Pixels; ranks are drawn once in this size and reduced."""

_HEART = [
    (0.5, 1.0), (0.4, 0.82), (0.0, 0.62), (0.0, 0.29),
    (0.0, 0.11), (0.12, 0.0), (0.27, 0.0), (0.38, 0.0), (0.46, 0.07), (0.5, 0.19),
]  # fmt: skip
_SPADE = [
    (0.5, 0.0), (0.42, 0.16), (0.0, 0.36), (0.0, 0.61),
    (0.0, 0.75), (0.11, 0.83), (0.24, 0.83), (0.34, 0.83), (0.43, 0.77), (0.5, 0.66),
]  # fmt: skip
_DIAMOND = [
    (0.5, 0.0), (0.4, 0.17), (0.25, 0.36), (0.1, 0.5), (0.25, 0.64), (0.4, 0.83), (0.5, 1.0),
]  # fmt: skip
_STEM = [(0.455, 0.5), (0.46, 0.8), (0.42, 0.95), (0.3, 1.0), (0.4, 1.0), (0.48, 1.0), (0.5, 1.0)]
_LEAVES = ((0.5, 0.235), (0.235, 0.6), (0.765, 0.6))
_LEAF = 0.235


def suit_mask(suit: str, size: int) -> Image.Image:
    """A suit that fills a square of `size` pixels."""
    mask = Image.new("L", (size * FINE, size * FINE))
    canvas, unit = ImageDraw.Draw(mask), size * FINE - 1
    for shape in _shapes()[suit]:
        canvas.polygon([(x * unit, y * unit) for x, y in shape], 255)
    return mask.reduce(FINE)


def rank_mask(face: str, width: int, height: int) -> Image.Image:
    """A rank `height` pixels high, pressed together where it would be wider than `width`."""
    glyph = _glyph(face)
    natural = round(height * glyph.width / glyph.height)
    return glyph.resize((max(1, min(width, natural)), height), Image.Resampling.BOX)


@cache
def _glyph(face: str) -> Image.Image:
    """A rank in the typeface that lies beside this module, without any margin."""
    data = (files("farfield_generalpoints") / "fonts" / "DejaVuSans-Bold.ttf").read_bytes()
    font = ImageFont.truetype(BytesIO(data), _TYPE_SIZE, layout_engine=ImageFont.Layout.BASIC)
    left, top, right, bottom = font.getbbox(face)
    mask = Image.new("L", (round(right - left), round(bottom - top)))
    ImageDraw.Draw(mask).text((-left, -top), face, 255, font)
    return mask.crop(mask.getbbox())


@cache
def _shapes() -> Mapping[str, tuple[Sequence[Spot], ...]]:
    """The polygons of each suit."""
    stem = _symmetric(_STEM)
    clover = [(0.5, 0.3), (0.3, 0.62), (0.7, 0.62)]
    return {
        "♠": (_symmetric(_SPADE), stem),
        "♥": (_symmetric(_HEART),),
        "♦": (_symmetric(_DIAMOND),),
        "♣": (*map(_circle, _LEAVES), clover, stem),
    }


def _symmetric(half: Sequence[Spot]) -> list[Spot]:
    """A shape from its left half: cubic curves from one end on the middle line to the other."""
    left = list(_curves(half))
    return left + [(1 - x, y) for x, y in reversed(left)]


def _curves(points: Sequence[Spot]) -> Iterator[Spot]:
    """Spots on the Bézier curves a, b, c, d; d, e, f, g; …"""
    yield points[0]
    for start, end in pairwise(range(0, len(points), 3)):
        a, b, c, d = points[start : end + 1]
        for step in range(1, _STEPS + 1):
            t = step / _STEPS
            weights = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3
            x, y = (sum(w * p[i] for w, p in zip(weights, (a, b, c, d), strict=True)) for i in (0, 1))
            yield x, y


def _circle(middle: Spot) -> list[Spot]:
    angles = [2 * pi * step / (4 * _STEPS) for step in range(4 * _STEPS)]
    return [(middle[0] + _LEAF * cos(angle), middle[1] + _LEAF * sin(angle)) for angle in angles]
