"""From a prompt to the text that a server is sent, and the ids that it will make of it.

The server tokenizes by itself and puts the tokenizer's special tokens before every text. Chat templates write
the same ones, so they are taken off the text: the model would see two of them otherwise. Images travel inside
the text, as markdown data URLs.
"""

import base64
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farfield_kernel.errors import IMAGES_UNKNOWN, FailedPrecondition, InvalidArgument
from farfield_model.chat import Chat, Content, Message, images_of
from farfield_model.images import FORMATS, ImageFile
from farfield_model.tokenizing import (
    ProcessorEyes,
    end_ids_in,
    has_processor,
    load_processor,
    load_tokenizer,
)
from farfield_policy.engine import Prompt

_SIGNATURES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}


@dataclass(frozen=True, slots=True)
class Written:
    """`ids`: the prompt as the server should see it; `images`: how many it holds."""

    text: str
    ids: list[int]
    images: int


class Writer:
    """Writes prompts for one model. Raises FailedPrecondition for a tokenizer whose prompts no server
    tokenizes as they are meant."""

    def __init__(
        self, tokenizer: Any, chat: Chat, eos_ids: tuple[int, ...], sees: bool, kept_image_bytes: int
    ) -> None:
        self.chat, self.eos_ids, self.sees = chat, eos_ids, sees
        self.vocabulary = len(tokenizer)
        self._special = _before_every_text(tokenizer)
        self._special_text = "".join(tokenizer.convert_ids_to_tokens(self._special))
        self._shelf = Shelf(kept_image_bytes)

    def write(self, prompt: Prompt) -> Written:
        if prompt.prefix_ids:
            raise FailedPrecondition(
                "this engine takes no token ids (capabilities.token_ids_in is false): send the whole "
                "conversation as messages, and no prefix_ids"
            )
        if not prompt.messages:
            raise InvalidArgument("the prompt is empty: give messages")
        images = images_of(prompt.messages)
        if images and not self.sees:
            raise FailedPrecondition("this model takes no images (capabilities.images is false)")
        messages = tuple(map(self._shelf.complete, prompt.messages))
        text = self._render(messages)
        ids = [*self._special, *self.chat.encode(text, images_of(messages))]
        if images:
            text = self._render(tuple(map(_inlined, messages)))
        return Written(text, ids, len(images))

    def _render(self, messages: Sequence[Message]) -> str:
        """Without what the server puts before it."""
        return self.chat.render(messages).removeprefix(self._special_text)


class Shelf:
    """The bytes of the latest images, so that none has to come twice."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes, self._bytes = most_bytes, 0
        self._held: OrderedDict[str, ImageFile] = OrderedDict()

    def complete(self, message: Message) -> Message:
        """The message with the bytes of its images; FailedPrecondition with the reason IMAGES_UNKNOWN where
        one came without and is not held."""
        if isinstance(message.content, str):
            return message
        parts = tuple(self._find(part) if isinstance(part, ImageFile) else part for part in message.content)
        self._shrink()
        return Message(message.role, parts)

    def _find(self, image: ImageFile) -> ImageFile:
        if image.sha256 not in self._held:
            if not image.data:
                raise FailedPrecondition(
                    f"this engine does not have the bytes of image {image.sha256}; send them with the prompt",
                    reason=IMAGES_UNKNOWN,
                )
            self._held[image.sha256] = image
            self._bytes += len(image.data)
        self._held.move_to_end(image.sha256)
        return self._held[image.sha256]

    def _shrink(self) -> None:
        while self._bytes > self._most_bytes and len(self._held) > 1:
            _, dropped = self._held.popitem(last=False)
            self._bytes -= len(dropped.data)


def open_writer(path: str, kept_image_bytes: int) -> Writer:
    """The writer of the model in a folder (or of a hub name)."""
    if path.startswith(("/", ".")) and not Path(path).is_dir():
        raise FailedPrecondition(
            f"engine.tokenizer (or model_path) names '{path}', which is no folder here; name that of the "
            "server's model, as this service sees it"
        )
    tokenizer = load_tokenizer(path)
    eos_ids = end_ids_in(path, tokenizer)
    sees = has_processor(path)
    eyes = ProcessorEyes(load_processor(path)) if sees else None
    # Every prompt is rendered from its first message on, so that a template may rewrite what came before.
    chat = Chat(tokenizer, eos_ids, allow_rewriting=True, eyes=eyes)
    if not chat.has_template:
        raise FailedPrecondition(
            f"the tokenizer in '{path}' has no chat template, and a server that takes no token ids is sent "
            "messages alone; add chat_template.jinja to it, or set engine.tokenizer to a folder with one"
        )
    return Writer(tokenizer, chat, eos_ids, sees, kept_image_bytes)


def _before_every_text(tokenizer: Any) -> list[int]:
    """The special tokens that the tokenizer puts before a text; it must put none after it."""
    bare = tokenizer.encode("a", add_special_tokens=False)
    whole = tokenizer.encode("a", add_special_tokens=True)
    at = next((at for at in range(len(whole)) if whole[at : at + len(bare)] == bare), 0)
    if whole[at:] != bare:
        after = tokenizer.convert_ids_to_tokens(whole[at + len(bare) :])
        raise FailedPrecondition(
            f"the tokenizer puts {after} after every text, and so will the server, where the model should go "
            "on with an answer; use a tokenizer that puts special tokens only before a text"
        )
    return list(whole[:at])


def _inlined(message: Message) -> Message:
    content: Content = message.content
    if isinstance(content, str):
        return message
    return Message(
        message.role, tuple(part if isinstance(part, str) else _markdown(part) for part in content)
    )


def _markdown(image: ImageFile) -> str:
    return f"![](data:{_media_type(image)};base64,{base64.b64encode(image.data).decode()})"


def _media_type(image: ImageFile) -> str:
    for signature, media_type in _SIGNATURES.items():
        if image.data.startswith(signature):
            return media_type
    raise InvalidArgument(f"image {image.sha256[:12]} is none of {', '.join(FORMATS)}")
