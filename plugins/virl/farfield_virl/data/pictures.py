"""Opens pictures that came from elsewhere, within limits."""

from pathlib import Path

from PIL import Image, UnidentifiedImageError

from farfield_virl.data.faults import BadData

MOST_PIXELS = 16_384 * 8_192
"""The largest panorama that street-view services make."""
WORKING_SIZE = (4096, 2048)


def open_image(path: Path) -> Image.Image:
    """A decoded picture. Its size is known from its header: too large a one is never decoded."""
    try:
        image = Image.open(path, formats=("JPEG", "PNG"))
    except Image.DecompressionBombError as error:
        raise BadData(f"{path}: too many pixels: {error}") from error
    except UnidentifiedImageError as error:
        raise BadData(f"{path}: neither a JPEG nor a PNG picture") from error
    except OSError as error:
        raise BadData(f"{path}: cannot be read ({error})") from error
    with image:
        if image.width * image.height > MOST_PIXELS or image.width < 8 or image.height < 4:
            raise BadData(f"{path}: {image.width} × {image.height} pixels is no size for a panorama")
        return _decoded(path, image)


def _decoded(path: Path, image: Image.Image) -> Image.Image:
    """Reduced on the way where it is larger than any view needs."""
    try:
        image.draft("RGB", WORKING_SIZE)
        plain = image.convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise BadData(f"{path}: corrupt or cut off ({error})") from error
    plain.thumbnail(WORKING_SIZE)
    return plain
