"""Pictures that an environment shows are decoded under limits."""

import io
from collections.abc import Callable

import pytest
from PIL import Image, UnidentifiedImageError

from farfield_gymnasium.client.spaces import MOST_PIXELS, pixels


def test_a_picture_is_resized(make_png: Callable[..., bytes]) -> None:
    assert pixels(make_png(0, 30, 20), (8, 6)).shape == (8, 6, 3)


def test_one_of_too_many_pixels_is_not_decoded() -> None:
    file = io.BytesIO()
    Image.new("1", (4097, MOST_PIXELS // 4096)).save(file, "PNG")
    with pytest.raises(ValueError, match="4097 x 4096 pixels"):
        pixels(file.getvalue(), (8, 8))


def test_another_format_is_no_picture() -> None:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PPM")
    with pytest.raises(UnidentifiedImageError):
        pixels(file.getvalue(), (8, 8))
