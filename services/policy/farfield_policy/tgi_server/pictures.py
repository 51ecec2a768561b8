"""Images in prompts: as markdown with data URLs, in the text."""

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Any

from farfield_model.images import ImageFile, pixels
from farfield_policy.tgi_server.errors import invalid

_IMAGE = re.compile(r"!\[[^\]]*\]\(([^)\s]+)\)")


class Pictures:
    """The processor of a vision-language model."""

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        self._mark: str = processor.image_token
        self._token: int = processor.tokenizer.convert_tokens_to_ids(self._mark)

    def within(self, text: str) -> tuple[ImageFile, ...]:
        return tuple(_image(url) for url in _IMAGE.findall(text))

    def encode(self, text: str, images: Sequence[ImageFile], special: bool) -> list[int]:
        """Ids of a text that holds these images; each fills as many tokens as the model gives it."""
        marked = _IMAGE.sub(lambda _: self._mark, text)
        self._check(marked, len(images))
        decoded = [pixels(image) for image in images]
        encoded = self._processor(text=[marked], images=[decoded], add_special_tokens=special)
        return list(encoded["input_ids"][0])

    def end(self, ids: Sequence[int]) -> int:
        """How many tokens of a prompt stand up to the end of its last image."""
        return len(ids) - list(ids)[::-1].index(self._token)

    def written(self, text: str, urls: Sequence[str]) -> str:
        """A rendered conversation with its images as markdown instead of marks."""
        self._check(text, len(urls))
        for url in urls:
            text = text.replace(self._mark, f"![]({url})", 1)
        return text

    def _check(self, text: str, images: int) -> None:
        if text.count(self._mark) != images:
            raise invalid(f"the text {self._mark} stands for an image; it cannot be part of a prompt's words")


def _image(url: str) -> ImageFile:
    """The image in a data URL. Nothing is fetched on a client's behalf."""
    head, comma, data = url.partition(",")
    if not (head.startswith("data:image/") and head.endswith(";base64") and comma):
        raise invalid("an image must be given as a data URL (data:image/png;base64,...)")
    try:
        return ImageFile.of(base64.b64decode(data, validate=True))
    except binascii.Error as error:
        raise invalid(f"an image's data URL is not base64: {error}") from error
