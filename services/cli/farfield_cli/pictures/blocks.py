"""A picture as half blocks: each cell is two pixels, the upper in the letter's colour, the lower in its
ground."""

from PIL import Image

from farfield_cli.pictures.raster import resized

Colour = tuple[int, int, int]
_UPPER_HALF = "▀"
_RESET = "\x1b[0m"


def scaled(image: Image.Image, columns: int) -> Image.Image:
    """At most `columns` wide, and of an even height. A cell is about twice as high as wide, so its two pixels
    are square."""
    width = min(columns, image.width)
    height = max(2, round(image.height * width / image.width))
    return resized(image, width, height + height % 2)


def encode(image: Image.Image, columns: int) -> str:
    """Lines of true colour, without a line end after the last."""
    drawn = scaled(image, columns)
    pixels = drawn.tobytes()
    return "\n".join(
        _line(_row(pixels, drawn.width, top), _row(pixels, drawn.width, top + 1))
        for top in range(0, drawn.height, 2)
    )


def _row(pixels: bytes, width: int, row: int) -> list[Colour]:
    values = pixels[3 * width * row : 3 * width * (row + 1)]
    return list(zip(values[0::3], values[1::3], values[2::3], strict=True))


def _line(upper: list[Colour], lower: list[Colour]) -> str:
    """A colour is said only where it changes."""
    parts: list[str] = []
    before: tuple[Colour | None, Colour | None] = (None, None)
    for cell in zip(upper, lower, strict=True):
        for ground, colour in enumerate(cell):
            if colour != before[ground]:
                parts.append(f"\x1b[{38 + 10 * ground};2;{';'.join(map(str, colour))}m")
        parts.append(_UPPER_HALF)
        before = cell
    return "".join(parts) + _RESET
