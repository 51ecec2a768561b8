"""Texts and pictures as spaces."""

import io
import string
from typing import Any

import numpy as np
from gymnasium import Space, spaces
from PIL import Image

LONGEST = 1 << 20
"""Characters of a text: a conversation, or a response."""
MOST_PIXELS = 1 << 24
"""Of a picture, before it is resized; the limit of Farfield's own policies."""
_SAMPLED = 64


class Words(spaces.Text):
    """Any text, of whatever characters. Samples are short ones of printable ASCII."""

    def __init__(self, max_length: int = LONGEST, seed: int | np.random.Generator | None = None) -> None:
        super().__init__(
            max_length, min_length=0, charset=string.ascii_letters + string.digits + " ", seed=seed
        )

    def contains(self, x: Any) -> bool:
        return isinstance(x, str) and len(x) <= self.max_length

    def sample(self, mask: Any = None, probability: Any = None) -> str:
        length = self.np_random.integers(min(_SAMPLED, self.max_length) + 1)
        return "".join(self.np_random.choice(self.character_list, length))


def observed(image_size: tuple[int, int] | None) -> Space:
    """Text; with an image size (height, width), text and the pictures in it, resized to that."""
    if image_size is None:
        return Words()
    picture = spaces.Box(0, 255, (*image_size, 3), np.uint8)
    return spaces.Dict({"text": Words(), "images": spaces.Sequence(picture)})


def pixels(data: bytes, image_size: tuple[int, int]) -> np.ndarray:
    """An image file as RGB of shape (height, width, 3). ValueError where it has too many pixels; its size is
    looked at before it is decoded."""
    height, width = image_size
    with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as picture:
        if picture.width * picture.height > MOST_PIXELS:
            raise ValueError(f"the environment showed a picture of {picture.width} x {picture.height} pixels")
        return np.array(picture.convert("RGB").resize((width, height)), np.uint8)
