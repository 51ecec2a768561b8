"""Sign boards of places: always turned towards the viewer, with the name in two lines."""

from functools import lru_cache

from PIL import ImageDraw, ImageFont

from farfield_virl.looks import Colour, Look

WIDTH, HEIGHT, FOOT = 5.6, 3.3, 2.9
"""Metres; the board hangs `FOOT` above the pavement."""
SMALLEST = 9
"""Pixels; a lower board is a plain patch of its colour."""
Box = tuple[float, float, float, float]
_MEASURE = 100


@lru_cache(maxsize=256)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The typeface that comes with Pillow, so that pictures are the same on every machine."""
    return ImageFont.load_default(size)


@lru_cache(maxsize=1024)
def _width(text: str) -> float:
    return _font(_MEASURE).getlength(text) / _MEASURE


def draw_sign(canvas: ImageDraw.ImageDraw, look: Look, name: str, box: Box) -> None:
    """A board in a box of pixels: left, top, right, bottom."""
    left, top, right, bottom = box
    width = right - left
    edge = max(1, round(width / 28))
    _board(canvas, look, box, edge)
    lines = name.upper().split(" ", 1)
    room = (bottom - top) / len(lines)
    size = min(fitting(line, width * 0.84, room * 0.74) for line in lines)
    for index, line in enumerate(lines):
        y = top + room * (index + 0.5) + (0.06 - 0.12 * index) * room
        write(canvas, line, ((left + right) / 2, y), size, look.sign_text)


def fitting(line: str, width: float, height: float) -> int:
    """The largest size of type at which a line fits."""
    return int(min(width / _width(line), height))


def write(
    canvas: ImageDraw.ImageDraw, line: str, middle: tuple[float, float], size: int, colour: Colour
) -> None:
    """Text around a middle; nothing where it would be too small to be drawn."""
    if size >= 4:
        bold = size // 18
        canvas.text(middle, line, colour, _font(size), anchor="mm", stroke_width=bold, stroke_fill=colour)


def _board(canvas: ImageDraw.ImageDraw, look: Look, box: Box, edge: int) -> None:
    left, top, right, bottom = box
    height = bottom - top
    board, rim = look.sign_board, look.sign_edge
    inner = (left + 2 * edge, top + 2 * edge, right - 2 * edge, bottom - 2 * edge)
    if height < SMALLEST:
        canvas.rectangle(box, board)
    elif look.sign == "pill":
        canvas.rounded_rectangle(box, height * 0.4, board, rim, edge)
    elif look.sign == "neon":
        canvas.rounded_rectangle(box, height * 0.12, board, rim, edge)
        canvas.rounded_rectangle(inner, height * 0.1, None, look.sign_text, max(1, edge // 2))
    elif look.sign == "pennant":
        tail = height * 0.18
        canvas.polygon(
            [(left, top), (right, top), (right, bottom), ((left + right) / 2, bottom + tail), (left, bottom)],
            board,
            rim,
            edge,
        )
    else:
        canvas.rectangle(box, board, rim, edge)
        if look.sign == "plate":
            canvas.rectangle(inner, None, rim, max(1, edge // 3))
