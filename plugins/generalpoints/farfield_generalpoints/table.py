"""The picture of a hand: four cards side by side on a green table."""

import io
from collections.abc import Sequence
from functools import lru_cache

from PIL import Image, ImageDraw

from farfield_generalpoints.cards import HAND_SIZE
from farfield_generalpoints.colours import CARD, Colour
from farfield_generalpoints.outlines import FINE, rank_mask, suit_mask

SMALLEST, LARGEST = 64, 1200
"""Pixels of height: below, ranks are hard to read; the paper's pictures have the largest."""

TABLE: Colour = (24, 102, 62)
_SHADE: Colour = (14, 70, 42)
_RIM: Colour = (168, 172, 168)

WIDTH = 2.5
"""Of the picture, all lengths here in heights of the picture."""
_CARD_WIDTH, _CARD_HEIGHT, _GAP = 0.575, 0.92, 0.04
_CORNER = 0.06
_RANK_TOP, _RANK_HEIGHT, _RANK_WIDTH = 0.11, 0.42, 0.46
_SUIT_TOP, _SUIT_SIZE = 0.575, 0.325


@lru_cache(maxsize=128)
def picture(faces: tuple[str, ...], suits: tuple[str, ...], inks: tuple[Colour, ...], height: int) -> bytes:
    """A PNG file, `height` pixels high; `inks`: the colour of each card. The same bytes every time."""
    table = _blank(height).copy()
    for at, (face, suit, ink) in enumerate(zip(faces, suits, inks, strict=True)):
        _print(table, at, _marks(face, suit, height), ink)
    return _png(table)


def _print(table: Image.Image, at: int, marks: Sequence[tuple[Image.Image, float]], ink: Colour) -> None:
    """Rank and suit on a card, each in the middle across."""
    middle = _left(at) + _CARD_WIDTH / 2
    for mask, top in marks:
        corner = (round(middle * table.height - mask.width / 2), round(top * table.height))
        table.paste(ink, corner, mask)


@lru_cache(maxsize=64)
def _marks(face: str, suit: str, height: int) -> tuple[tuple[Image.Image, float], ...]:
    rank = rank_mask(face, round(_RANK_WIDTH * height), round(_RANK_HEIGHT * height))
    return (rank, _RANK_TOP), (suit_mask(suit, round(_SUIT_SIZE * height)), _SUIT_TOP)


@lru_cache(maxsize=4)
def _blank(height: int) -> Image.Image:
    """The table with four cards that have nothing on them: shadows, rims, and the cards themselves."""
    table = Image.new("RGB", (round(WIDTH * height), height), TABLE)
    thin, drop = max(0.004, 0.5 / height), max(0.012, 1 / height)
    for colour, down, wider in ((_SHADE, drop, thin), (_RIM, 0, 0), (CARD, 0, -thin)):
        table.paste(colour, (0, 0), _rounded(height, down, wider))
    return table


def _rounded(height: int, down: float, wider: float) -> Image.Image:
    """The four cards, moved down and made wider on every side."""
    unit = height * FINE
    mask = Image.new("L", (round(WIDTH * height) * FINE, unit))
    canvas, top = ImageDraw.Draw(mask), (1 - _CARD_HEIGHT) / 2
    for left in map(_left, range(HAND_SIZE)):
        box = left - wider, top + down - wider, left + _CARD_WIDTH + wider, top + _CARD_HEIGHT + down + wider
        canvas.rounded_rectangle([round(edge * unit) for edge in box], (_CORNER + wider) * unit, 255)
    return mask.reduce(FINE)


def _left(at: int) -> float:
    return _GAP + at * (_CARD_WIDTH + _GAP)


def _png(picture: Image.Image) -> bytes:
    """Light compression: flat colours are small anyway, and time matters more."""
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return file.getvalue()
