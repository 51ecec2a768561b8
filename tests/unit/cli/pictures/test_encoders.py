"""What was encoded is decoded back to pixels, by decoders written from the protocols' descriptions."""

import base64
import io
import re

import pytest
from PIL import Image

from farfield_cli.pictures import blocks, iterm, kitty, sixel
from farfield_cli.pictures.raster import MOST_PIXELS, fitted, opened, png
from farfield_generalpoints.environment import GeneralPoints
from farfield_generalpoints.options import GeneralPointsOptions
from farfield_kernel.errors import InvalidArgument


def cards() -> Image.Image:
    (message,) = (
        GeneralPoints(GeneralPointsOptions(modality="image", colours="red")).reset(8).observation.messages
    )
    return opened(message.parts[0].data)


def gradient(width: int, height: int) -> Image.Image:
    image = Image.new("RGB", (width, height))
    image.putdata([(x * 7 % 256, y * 11 % 256, x * y % 256) for y in range(height) for x in range(width)])
    return image


def of_file(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def from_kitty(text: str) -> Image.Image:
    commands = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", text)
    assert "".join(f"\x1b_G{keys};{data}\x1b\\" for keys, data in commands) == text
    keys = [dict(pair.split("=") for pair in one.split(",")) for one, _ in commands]
    assert keys[0]["f"] == "100"
    assert keys[0]["a"] == "T"
    assert [one["m"] for one in keys] == ["1"] * (len(keys) - 1) + ["0"]
    assert all(len(data) <= 4096 and len(data) % 4 == 0 for _, data in commands)
    return of_file(base64.b64decode("".join(data for _, data in commands)))


def from_iterm(text: str) -> Image.Image:
    found = re.fullmatch(r"\x1b\]1337;File=([^:]*):([A-Za-z0-9+/=]*)\x07", text)
    assert found
    keys = dict(pair.split("=") for pair in found[1].split(";"))
    data = base64.b64decode(found[2])
    assert keys["inline"] == "1"
    assert int(keys["size"]) == len(data)
    return of_file(data)


def from_sixel(text: str) -> Image.Image:
    found = re.fullmatch(r'\x1bP[\d;]*q"1;1;(\d+);(\d+)(.*)\x1b\\', text, re.DOTALL)
    assert found
    image = Image.new("RGB", (int(found[1]), int(found[2])), (1, 2, 3))
    registers: dict[int, tuple[int, ...]] = {}
    colour = x = top = 0
    token = re.compile(r"#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|!(\d+)(.)|([$-])|([?-~])")
    place = 0
    while place < len(found[3]):
        part = token.match(found[3], place)
        assert part, found[3][place : place + 20]
        place = part.end()
        index, red, green, blue, chosen, count, repeated, move, letter = part.groups()
        if index:
            registers[int(index)] = tuple(round(int(one) * 255 / 100) for one in (red, green, blue))
        elif chosen:
            colour = int(chosen)
        elif move:
            x, top = 0, top + 6 * (move == "-")
        else:
            start, x = x, x + int(count or 1)
            bits = ord(repeated or letter) - 63
            for row in (row for row in range(6) if bits >> row & 1):
                image.paste(registers[colour], (start, top + row, x, top + row + 1))
    return image


def from_blocks(text: str) -> Image.Image:
    rows: list[list[tuple[int, ...]]] = []
    for line in text.split("\n"):
        upper, lower, ink, ground = [], [], None, None
        assert line.endswith("\x1b[0m")
        for part in re.findall(r"\x1b\[(?:(38|48);2;(\d+);(\d+);(\d+)|0)m|(▀)", line):
            if part[4]:
                upper.append(ink)
                lower.append(ground)
            elif part[0]:
                colour = tuple(map(int, part[1:4]))
                ink, ground = (colour, ground) if part[0] == "38" else (ink, colour)
        rows += [upper, lower]
    image = Image.new("RGB", (len(rows[0]), len(rows)))
    image.putdata([pixel for row in rows for pixel in row])
    return image


@pytest.mark.parametrize(("encode", "decode"), [(kitty.encode, from_kitty), (iterm.encode, from_iterm)])
@pytest.mark.parametrize("image", [cards(), gradient(3, 2)], ids=["cards", "small"])
def test_protocols_that_carry_files_lose_nothing(encode, decode, image: Image.Image) -> None:
    assert decode(encode(image)).tobytes() == image.tobytes()


@pytest.mark.parametrize("image", [cards(), gradient(37, 23), gradient(1, 1)], ids=["cards", "odd", "dot"])
def test_sixel_draws_every_pixel_in_its_colour(image: Image.Image) -> None:
    drawn, wanted = from_sixel(sixel.encode(image)), sixel.quantized(image).convert("RGB")
    assert drawn.size == image.size
    pairs = zip(drawn.tobytes(), wanted.tobytes(), strict=True)
    assert max(abs(one - other) for one, other in pairs) <= 2, "percent are coarser than bytes, by this much"


@pytest.mark.parametrize("columns", [20, 60, 200])
def test_blocks_are_the_picture_made_smaller(columns: int) -> None:
    image = cards()
    drawn = from_blocks(blocks.encode(image, columns))
    assert drawn.tobytes() == blocks.scaled(image, columns).tobytes()
    assert drawn.width == columns


def test_blocks_of_a_small_picture_are_not_blown_up() -> None:
    assert from_blocks(blocks.encode(gradient(8, 3), 80)).size == (8, 4)


def test_a_picture_is_made_to_fit() -> None:
    assert fitted(gradient(100, 40), 50).size == (50, 20)
    assert fitted(gradient(100, 40), 400).size == (100, 40)


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="no picture"):
        opened(b"\x89PNG and then nothing")
    wide = Image.new("1", (MOST_PIXELS // 1000 + 1, 1000))
    with pytest.raises(InvalidArgument, match="too large"):
        opened(png(wide))
