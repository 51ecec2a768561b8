"""Sign boards of places: always turned towards the viewer, with the name in two lines."""

from functools import lru_cache

from PIL import ImageDraw, ImageFont

from farfield_virl.looks import Look

WIDTH, HEIGHT, FOOT = 5.6, 3.3, 2.9
"""Metres; the board hangs `FOOT` above the pavement."""
_MEASURE = 100


@lru_cache(maxsize=256)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The typeface that comes with Pillow, so that pictures are the same on every machine."""
    return ImageFont.load_default(size)


@lru_cache(maxsize=1024)
def _width(text: str) -> float:
    return _font(_MEASURE).getlength(text) / _MEASURE


def draw_sign(canvas: ImageDraw.ImageDraw, look: Look, name: str, box: tuple[float, float, float, float]) -> None:
    """A board in a box of pixels: left, top, right, bottom."""
    left, top, right, bottom = box
    width = right - left
    edge = max(1, round(width / 28))
    _board(canvas, look, box, edge)
    lines = name.upper().split(" ", 1)
    for index, line in enumerate(lines):
        room = (bottom - top) / len(lines)
        middle = (left + right) / 2, top + room * (index + 0.5) + (0.06 - 0.12 * index) * room
        write(canvas, line, middle, (width * 0.84, room * 0.74), look.sign_text)


def write(
    canvas: ImageDraw.ImageDraw,
    line: str,
    middle: tuple[float, float],
    room: tuple[float, float],
    colour: tuple[int, int, int],
) -> None:
    """Text around a middle, as large as the room allows."""
    size = int(min(room[0] / _width(line), room[1]))
    if size >= 4:
        bold = size // 18
        canvas.text(middle, line, colour, _font(size), anchor="mm", stroke_width=bold, stroke_fill=colour)


def _board(
    canvas: ImageDraw.ImageDraw, look: Look, box: tuple[float, float, float, float], edge: int
) -> None:
    left, top, right, bottom = box
    height = bottom - top
    board, rim = look.sign_board, look.sign_edge
    if look.sign == "pill":
        canvas.rounded_rectangle(box, height * 0.4, board, rim, edge)
    elif look.sign == "neon":
        canvas.rounded_rectangle(box, height * 0.12, board, rim, edge)
        inner = (left + 2 * edge, top + 2 * edge, right - 2 * edge, bottom - 2 * edge)
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
            inner = (left + 2 * edge, top + 2 * edge, right - 2 * edge, bottom - 2 * edge)
            canvas.rectangle(inner, None, rim, max(1, edge // 3))
