"""What a game renders: its characters, or its frame as a file."""

import io
import re
from typing import Any

import numpy as np
from PIL import Image as Pillow

from farfield_sdk import Image

_HIGHLIGHTED = re.compile(r"\x1b\[[0-9;]*m([^\x1b]*)\x1b\[0m")
_CODES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def characters(rendered: Any) -> str:
    """A rendering in characters, without control codes: what was coloured stands in brackets."""
    text = _CODES.sub("", _HIGHLIGHTED.sub(r"[\1]", str(rendered)))
    return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n")


def frame(rendered: Any) -> Image:
    """A frame of shape (height, width, 3) as a PNG."""
    array = np.asarray(rendered)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        raise ValueError(f"the game renders {array.dtype} of shape {array.shape}, not an RGB picture")
    file = io.BytesIO()
    Pillow.fromarray(array).save(file, "PNG")
    return Image(file.getvalue())
