"""Sixel, the raster graphics of DEC terminals (DEC STD 070, chapter 9), spoken by foot, xterm and others.

An image is bands of six rows. A band is drawn once for each of its colours: a letter for each column, whose
six bits say which rows have the colour. `!n` repeats a letter, `$` goes back to the start of the band, `-` on
to the next. Colours are registers of red, green and blue in percent.
"""

import re

from PIL import Image

_COLOURS = 128
_BAND = 6
_BLANK = ord("?")
_RUN = re.compile(rb"(.)\1{3,}", re.DOTALL)


def quantized(image: Image.Image) -> Image.Image:
    """What is drawn: at most `_COLOURS` of them."""
    return image.quantize(_COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)


def encode(image: Image.Image) -> str:
    drawn = quantized(image)
    palette, pixels = drawn.getpalette() or [], drawn.tobytes()
    bands = (
        pixels[start : start + _BAND * drawn.width] for start in range(0, len(pixels), _BAND * drawn.width)
    )
    registers = "".join(_register(index, palette) for index in sorted(set(pixels)))
    body = "-".join(_band(band, drawn.width) for band in bands)
    return f'\x1bP0;1;0q"1;1;{drawn.width};{drawn.height}{registers}{body}\x1b\\'


def _register(index: int, palette: list[int]) -> str:
    red, green, blue = (round(value * 100 / 255) for value in palette[3 * index : 3 * index + 3])
    return f"#{index};2;{red};{green};{blue}"


def _band(band: bytes, width: int) -> str:
    rows: dict[int, bytearray] = {}
    for place, colour in enumerate(band):
        row, column = divmod(place, width)
        if colour not in rows:
            rows[colour] = bytearray([_BLANK]) * width
        rows[colour][column] += 1 << row
    return "$".join(f"#{colour}{_packed(letters)}" for colour, letters in rows.items())


def _packed(letters: bytearray) -> str:
    """Without the blanks at the end, and with runs counted."""
    shown = bytes(letters).rstrip(bytes([_BLANK]))
    return _RUN.sub(lambda run: b"!%d%c" % (len(run[0]), run[1][0]), shown).decode()
