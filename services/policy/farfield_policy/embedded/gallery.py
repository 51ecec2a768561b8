"""The images that the engine has been given: bytes and pixels by digest, so that none has to come twice."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from farfield_kernel.errors import IMAGES_UNKNOWN, FailedPrecondition
from farfield_model.chat import Message
from farfield_model.images import ImageFile
from farfield_model.vision import Picture, Vision
from farfield_policy import meters


@dataclass(slots=True)
class _Held:
    image: ImageFile
    picture: Picture

    @property
    def bytes(self) -> int:
        return len(self.image.data) + self.picture.bytes


class Gallery:
    """The latest used images, up to a number of bytes. Used by one thread."""

    def __init__(self, vision: Vision, most_bytes: int) -> None:
        self._vision, self._most_bytes = vision, most_bytes
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._bytes = 0

    def pictures(self, images: Sequence[ImageFile]) -> list[Picture]:
        """The images in the model's pixels. FailedPrecondition with the reason IMAGES_UNKNOWN where one
        came without bytes and is not held; InvalidArgument for one that does not decode."""
        self._shrink()
        return [self._find(image).picture for image in images]

    def complete(self, message: Message) -> Message:
        """The message with the bytes of its images; call `pictures` first."""
        if isinstance(message.content, str):
            return message
        parts = (
            self._held[part.sha256].image if isinstance(part, ImageFile) else part for part in message.content
        )
        return Message(message.role, tuple(parts))

    def _find(self, image: ImageFile) -> _Held:
        held = self._held.get(image.sha256)
        if held is None:
            if not image.data:
                raise FailedPrecondition(
                    f"this engine does not have the bytes of image {image.sha256}; send them with the prompt",
                    reason=IMAGES_UNKNOWN,
                )
            held = self._held[image.sha256] = _Held(image, self._vision.prepare(image))
            self._bytes += held.bytes
            meters.image_bytes.set(self._bytes)
            meters.images_read.inc()
        else:
            meters.images_held.inc()
        self._held.move_to_end(image.sha256)
        return held

    def _shrink(self) -> None:
        """Called between prompts, so that a prompt's own images are all there while it is looked at."""
        while self._bytes > self._most_bytes and len(self._held) > 1:
            _, dropped = self._held.popitem(last=False)
            self._bytes -= dropped.bytes
            meters.image_evictions.inc()
        meters.image_bytes.set(self._bytes)
