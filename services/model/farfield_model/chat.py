"""From messages to ids without ever tokenizing anything twice.

A conversation that goes on is its prefix ids, exactly as they were sampled, plus the ids of what the chat
template puts between the last response and the next: the end of the assistant's turn, the new messages and
the invitation to answer. That text is read off by rendering a placeholder conversation, and is tokenized
by itself.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

from jinja2.exceptions import TemplateError

from farfield_kernel.errors import FailedPrecondition, InvalidArgument
from farfield_model.images import ImageFile

Content: TypeAlias = str | tuple[str | ImageFile, ...]


class Message(NamedTuple):
    """One message of a conversation: its content is text, or pieces of text and images in their order."""

    role: str
    content: Content

    @property
    def images(self) -> list[ImageFile]:
        if isinstance(self.content, str):
            return []
        return [part for part in self.content if isinstance(part, ImageFile)]


def images_of(messages: Sequence[Message]) -> list[ImageFile]:
    return [image for message in messages for image in message.images]


_MARK = "farfieldplaceholder"
_PLACEHOLDER = (Message("user", "question"), Message("assistant", _MARK))
_REMEMBERED = 4096
_DAY = {
    "%d": "26", "%m": "07", "%b": "Jul", "%B": "July", "%y": "24", "%Y": "2024", "%a": "Fri", "%A": "Friday",
    "%H": "00", "%M": "00", "%S": "00",
}  # fmt: skip
"""What a template that asks for today's date is told, whatever the day."""


class Eyes(Protocol):
    """What a chat with images needs; `farfield_model.vision.Vision` has it."""

    processor: Any

    def tokenize(self, text: str, images: Sequence[ImageFile]) -> list[int]: ...


class Chat:
    """The chat template and tokenizer of a model. Raises FailedPrecondition for a template with which a
    conversation cannot be extended."""

    def __init__(
        self, tokenizer: Any, eos_ids: Sequence[int], allow_rewriting: bool = False, eyes: Eyes | None = None
    ) -> None:
        self._tokenizer = tokenizer
        self._eyes = eyes
        self._template: Any = tokenizer
        if eyes and eyes.processor.chat_template:
            self._template = eyes.processor
        self._eos = frozenset(eos_ids)
        self._known: OrderedDict[tuple[bool, tuple[Message, ...]], tuple[int, ...]] = OrderedDict()
        self._closing = ""
        self._end = min(self._eos, default=-1)
        self._ends_itself = False  # whether the template ends an answer with an end-of-sequence token
        if self._template.chat_template:
            self._closing = self._find_closing()
            ends = [token for token in self.encode(self._closing) if token in self._eos]
            self._ends_itself = bool(ends)
            self._end = ends[0] if ends else min(self._eos, default=-1)
            if not allow_rewriting:
                self._check_append_only()

    def build(self, prefix_ids: Sequence[int], messages: tuple[Message, ...]) -> list[int]:
        """The whole prompt. Without messages the prefix is the prompt."""
        if not messages:
            return list(prefix_ids)
        if not prefix_ids:
            return list(self._remember(True, messages))
        ids = self._remember(False, messages)
        return [*prefix_ids, *(self._without_end(ids) if prefix_ids[-1] in self._eos else ids)]

    def render(self, messages: Sequence[Message]) -> str:
        """The whole prompt as text, for servers that tokenize by themselves."""
        return self._render(messages, True)

    def encode(self, text: str, images: Sequence[ImageFile] = ()) -> list[int]:
        """Ids of rendered text alone: no special token is added to what it says."""
        if self._eyes is not None:
            return self._eyes.tokenize(text, images)
        if images:
            raise FailedPrecondition("the model takes no images")
        return list(self._tokenizer.encode(text, add_special_tokens=False))

    @property
    def has_template(self) -> bool:
        return bool(self._template.chat_template)

    def answer(self, text: str) -> list[int]:
        """An assistant's words as they would have been sampled: their ids and the token that ends a turn."""
        return [*self.encode(text), self._end]

    def decode(self, ids: Sequence[int]) -> str:
        """Text without special tokens, spaces as the tokenizer has them."""
        return self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)

    def _remember(self, opening: bool, messages: tuple[Message, ...]) -> tuple[int, ...]:
        """Ids of what messages add. Images are remembered by their names, not by their bytes."""
        images = images_of(messages)
        key = (opening, tuple(map(_named, messages)) if images else messages)
        if key in self._known:
            self._known.move_to_end(key)
        else:
            text = self._render(messages, True) if opening else self._delta(messages)
            self._known[key] = tuple(self.encode(text, images))
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return self._known[key]

    def _delta(self, messages: tuple[Message, ...]) -> str:
        rendered = self._render((*_PLACEHOLDER, *messages), True)
        _, mark, delta = rendered.partition(_MARK)
        if not mark or not delta.startswith(self._closing):
            raise FailedPrecondition(
                "the model's chat template renders an answer differently when these messages follow it"
            )
        return delta

    def _without_end(self, ids: Sequence[int]) -> Sequence[int]:
        """What follows a response that already ended with an end-of-sequence token."""
        if not self._ends_itself:
            return ids
        first = next(at for at, token in enumerate(ids) if token in self._eos)
        return ids[first + 1 :]

    def _render(self, messages: Sequence[Message], invite: bool) -> str:
        if not self._template.chat_template:
            raise FailedPrecondition(
                "the model's tokenizer has no chat template, so it takes prefix_ids and no messages"
            )
        conversation = [
            {"role": role, "content": content if self._eyes is None else _pieces(content)}
            for role, content in messages
        ]
        try:
            return self._template.apply_chat_template(
                conversation,
                chat_template=_on_one_day(self._template.chat_template),
                tokenize=False,
                add_generation_prompt=invite,
            )
        except TemplateError as error:
            raise InvalidArgument(f"the model's chat template refuses these messages: {error}") from error

    def _find_closing(self) -> str:
        """What the template writes after an assistant's words."""
        _, mark, after = self._render(_PLACEHOLDER, False).partition(_MARK)
        if not mark or _MARK in after:
            raise FailedPrecondition(
                "the model's chat template does not render an assistant's words exactly once, so that a "
                "conversation cannot be extended by ids"
            )
        return after

    def _check_append_only(self) -> None:
        """A longer conversation must render as the shorter one and something more."""
        asked = self._render(_PLACEHOLDER[:1], True)
        answered = self._render(_PLACEHOLDER, False)
        going_on = self._render((*_PLACEHOLDER, Message("user", "again")), True)
        if not answered.startswith(asked + _MARK):
            self._refuse("the invitation to answer is not what stands before an answer", asked, answered)
        if not going_on.startswith(answered):
            self._refuse("a further message changes what was rendered before it", answered, going_on)

    @staticmethod
    def _refuse(reason: str, short: str, long: str) -> None:
        raise FailedPrecondition(
            f"the model's chat template is not append-only: {reason} ({short!r} against {long!r}). "
            "Ids that were sampled would not be the ids of the conversation. Use a template that only "
            "appends, or set allow_rewriting_template to go by what it appends after the last answer"
        )


def _on_one_day(template: Any) -> Any:
    """The template with a clock that stands still. Prompts that tell the date would differ from one day of a
    run, and from one replica, to the next."""
    if not isinstance(template, str) or "strftime_now" not in template:
        return template
    told = "".join(f"|replace('{code}', '{text}')" for code, text in _DAY.items())
    return "{%- macro strftime_now(format) -%}{{ format" + told + " }}{%- endmacro -%}" + template


def _named(message: Message) -> Message:
    """The message with its images named, not held."""
    if isinstance(message.content, str):
        return message
    parts = (ImageFile(part.sha256) if isinstance(part, ImageFile) else part for part in message.content)
    return Message(message.role, tuple(parts))


def _pieces(content: Content) -> list[dict[str, str]]:
    """Content as templates of vision-language models expect it."""
    parts = (content,) if isinstance(content, str) else content
    return [
        {"type": "image"} if isinstance(part, ImageFile) else {"type": "text", "text": part} for part in parts
    ]
