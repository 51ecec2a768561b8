import io
import zlib
from collections.abc import Callable
from struct import pack

import pytest
from PIL import Image

from farfield_kernel.errors import InvalidArgument
from farfield_model.images import MOST_BYTES, ImageFile, check_digest, pixels

MakePng = Callable[..., bytes]


def huge_png(width: int, height: int) -> bytes:
    """A file of a few bytes that claims many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))

    header = pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def test_a_picture_is_decoded(make_png: MakePng) -> None:
    assert pixels(ImageFile.of(make_png(1, 30, 20))).size == (30, 20)


def test_transparency_and_palettes_become_rgb() -> None:
    for mode in ("RGBA", "P", "L", "1"):
        file = io.BytesIO()
        Image.new(mode, (4, 4)).save(file, "PNG")
        assert pixels(ImageFile.of(file.getvalue())).mode == "RGB"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "none of PNG"),
        (b"GIF89a....", "none of PNG"),
        (b"<svg/>", "none of PNG"),
        (huge_png(20_000, 20_000), "too many pixels"),
        (huge_png(5_000, 5_000), "5000 x 5000 pixels"),
        (huge_png(4, 4), "damaged"),
    ],
)
def test_what_is_not_a_picture_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        pixels(ImageFile.of(data))


def test_a_truncated_file_is_refused(make_png: MakePng) -> None:
    data = make_png(1)
    with pytest.raises(InvalidArgument, match="damaged"):
        pixels(ImageFile.of(data[: len(data) * 2 // 3]))


def test_digests_are_checked() -> None:
    check_digest(ImageFile.of(b"bytes"))
    check_digest(ImageFile("0" * 64))
    for image, words in (
        (ImageFile("0" * 64, b"bytes"), "another SHA-256"),
        (ImageFile("", b""), "neither bytes nor"),
        (ImageFile("0" * 64, bytes(MOST_BYTES + 1)), "at most"),
    ):
        with pytest.raises(InvalidArgument, match=words):
            check_digest(image)


def test_images_are_equal_by_digest() -> None:
    image = ImageFile.of(b"bytes")
    assert image == ImageFile(image.sha256)
    assert hash(image) == hash(ImageFile(image.sha256))
