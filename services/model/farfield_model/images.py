"""Image files of messages: named by digest, decoded under limits."""

import hashlib
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from farfield_kernel.errors import InvalidArgument

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "WEBP")
MOST_BYTES = 32 << 20
MOST_PIXELS = 1 << 24
"""Of one image, 4096 x 4096: what it decodes to is what costs memory, whatever the file's size."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An encoded image. `sha256` is the lowercase hex digest of its bytes and decides equality; `data` is
    empty where the receiver has the bytes already."""

    sha256: str
    data: bytes = field(default=b"", repr=False, compare=False)

    @classmethod
    def of(cls, data: bytes) -> "ImageFile":
        return cls(hashlib.sha256(data).hexdigest(), data)


def check_digest(image: ImageFile) -> None:
    """InvalidArgument where the bytes that are there are not those that the digest names."""
    if len(image.data) > MOST_BYTES:
        raise InvalidArgument(f"an image has {len(image.data):,} bytes; at most {MOST_BYTES:,} are taken")
    if image.data and hashlib.sha256(image.data).hexdigest() != image.sha256:
        raise InvalidArgument(f"the bytes of image {image.sha256 or '(no digest)'} have another SHA-256")
    if not image.data and len(image.sha256) != 64:
        raise InvalidArgument("an image has neither bytes nor a SHA-256 digest")


def pixels(image: ImageFile) -> "Image":
    """The picture as RGB. InvalidArgument for anything else than a whole PNG, JPEG or WebP file of bounded
    size; size is looked at before anything is decoded."""
    from PIL import Image, UnidentifiedImageError

    try:
        opened = Image.open(io.BytesIO(image.data), formats=FORMATS)
        if opened.width * opened.height > MOST_PIXELS:
            raise InvalidArgument(
                f"image {image.sha256[:12]} has {opened.width} x {opened.height} pixels; "
                f"at most {MOST_PIXELS:,} are decoded"
            )
        return opened.convert("RGB")
    except UnidentifiedImageError as error:
        raise InvalidArgument(f"image {image.sha256[:12]} is none of {', '.join(FORMATS)}") from error
    except Image.DecompressionBombError as error:
        raise InvalidArgument(f"image {image.sha256[:12]} has too many pixels: {error}") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise InvalidArgument(f"image {image.sha256[:12]} is damaged: {error}") from error
