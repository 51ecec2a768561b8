"""Inline images of iTerm2, which WezTerm and mintty speak too (https://iterm2.com/documentation-images.html)."""

import base64

from PIL import Image

from farfield_cli.pictures.raster import png


def encode(image: Image.Image) -> str:
    data = png(image)
    shape = f"inline=1;size={len(data)};width={image.width}px;height={image.height}px;preserveAspectRatio=1"
    return f"\x1b]1337;File={shape}:{base64.b64encode(data).decode()}\x07"
