"""From an image file's bytes to pixels, under limits."""

import io

from PIL import Image

from farfield_kernel.errors import InvalidArgument

MOST_PIXELS = 16_000_000
_FORMATS = ("PNG", "JPEG", "WEBP")


def opened(data: bytes) -> Image.Image:
    """RGB. InvalidArgument when the bytes are no image, or one too large to be drawn."""
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise InvalidArgument(
                    f"a picture of {image.width} x {image.height} pixels is too large to show"
                )
            return image.convert("RGB")
    except (OSError, Image.DecompressionBombError) as error:
        raise InvalidArgument(f"the environment showed something that is no picture: {error}") from None


def fitted(image: Image.Image, width: int) -> Image.Image:
    """The image, made smaller where it is wider than `width` pixels."""
    return image if image.width <= width else resized(image, width, round(image.height * width / image.width))


def resized(image: Image.Image, width: int, height: int) -> Image.Image:
    return image.resize((width, max(height, 1)), Image.Resampling.LANCZOS)


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
