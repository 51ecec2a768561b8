"""Text to ids and back, as text-generation-inference does both."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jinja2.exceptions import TemplateError

from farfield_model.images import ImageFile
from farfield_model.loading import sees_images
from farfield_model.tokenizing import load_processor, load_tokenizer
from farfield_policy.tgi_server.errors import invalid
from farfield_policy.tgi_server.pictures import Pictures
from farfield_policy.tgi_server.pieces import Pieces
from farfield_policy.tgi_server.requests import ChatMessage


@dataclass(frozen=True, slots=True)
class Inputs:
    """A prompt as its client wrote it, and as the engine takes it. The ids up to `sighted` are, or stand
    before, an image."""

    text: str
    ids: list[int]
    images: tuple[ImageFile, ...] = ()
    sighted: int = 0


class Text:
    """The tokenizer of a model folder and, where the model sees, its processor."""

    def __init__(self, folder: str) -> None:
        self._tokenizer: Any = load_tokenizer(folder)
        self._template: Any = self._tokenizer
        self._pictures: Pictures | None = None
        if sees_images(folder):
            processor = load_processor(folder)
            self._pictures = Pictures(processor)
            self._template = processor if processor.chat_template else self._tokenizer
        added = self._tokenizer.added_tokens_decoder.items()
        self.special = {*self._tokenizer.all_special_ids, *(at for at, token in added if token.special)}

    @property
    def sees(self) -> bool:
        return self._pictures is not None

    def read(self, text: str, special: bool = True) -> Inputs:
        """The ids of a prompt, with the tokenizer's special tokens around it unless told otherwise."""
        images = self._pictures.within(text) if self._pictures else ()
        if self._pictures is None or not images:
            return Inputs(text, list(self._tokenizer.encode(text, add_special_tokens=special)))
        ids = self._pictures.encode(text, images, special)
        return Inputs(text, ids, images, self._pictures.end(ids))

    def pieces(self, prompt: Sequence[int]) -> Pieces:
        """The texts of a response's tokens, special ones too."""
        return Pieces(self._decode, prompt)

    def said(self, prompt: Sequence[int], response: Sequence[int]) -> str:
        """The text of a response without special tokens, with the space that it begins with."""
        context = prompt[-1:]
        before = self._decode(context, plain=True)
        return self._decode([*context, *response], plain=True)[len(before) :]

    def word(self, token: int) -> str:
        return self._decode([token])

    def spans(self, text: str) -> list[dict[str, Any]]:
        """Each token of a text, and where it stands in it."""
        encoded = self._tokenizer(text, return_offsets_mapping=True)
        pairs = zip(encoded["input_ids"], encoded["offset_mapping"], strict=True)
        return [
            {"id": token, "text": text[start:stop], "start": start, "stop": stop}
            for token, (start, stop) in pairs
        ]

    def conversation(self, messages: Sequence[ChatMessage]) -> str:
        """A chat as the model's template writes it, images as markdown."""
        if not self._template.chat_template:
            raise invalid("the model has no chat template; use /generate")
        said = [{"role": message.role, "content": self._content(message)} for message in messages]
        try:
            text = self._template.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
        except (TemplateError, TypeError, ValueError) as error:  # a template may trip over anything
            raise invalid(f"the chat template refuses these messages: {error}") from error
        urls = [url for message in messages for url in message.image_urls]
        return str(text) if self._pictures is None else self._pictures.written(str(text), urls)

    def _content(self, message: ChatMessage) -> str | list[dict[str, str]]:
        """Content as templates expect it: pieces where the model sees, else text."""
        if self.sees:
            return [
                {"type": "image"} if piece.image_url else {"type": "text", "text": piece.text}
                for piece in message.pieces
            ]
        if message.image_urls:
            raise invalid("the model takes no images")
        return "".join(piece.text for piece in message.pieces)

    def _decode(self, ids: Sequence[int], plain: bool = False) -> str:
        """`plain`: without special tokens."""
        return str(self._tokenizer.decode(ids, skip_special_tokens=plain, clean_up_tokenization_spaces=False))
