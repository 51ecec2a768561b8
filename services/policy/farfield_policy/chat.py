"""From messages to ids without ever tokenizing anything twice.

A conversation that goes on is its prefix ids, exactly as they were sampled, plus the ids of what the chat
template puts between the last response and the next: the end of the assistant's turn, the new messages and
the invitation to answer. That text is read off by rendering a placeholder conversation, and is tokenized
by itself.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from jinja2.exceptions import TemplateError

from farfield_kernel.errors import FailedPrecondition, InvalidArgument
from farfield_policy.engine import Message

_MARK = "farfieldplaceholder"
_PLACEHOLDER = (Message("user", "question"), Message("assistant", _MARK))
_REMEMBERED = 4096


class Chat:
    """The chat template and tokenizer of a model. Raises FailedPrecondition for a template with which a
    conversation cannot be extended."""

    def __init__(self, tokenizer: Any, eos_ids: Sequence[int], allow_rewriting: bool = False) -> None:
        self._tokenizer = tokenizer
        self._eos = frozenset(eos_ids)
        self._known: OrderedDict[tuple[bool, tuple[Message, ...]], tuple[int, ...]] = OrderedDict()
        self._closing = ""
        self._ends_itself = False  # whether the template ends an answer with an end-of-sequence token
        if tokenizer.chat_template:
            self._closing = self._find_closing()
            closing = tokenizer.encode(self._closing, add_special_tokens=False)
            self._ends_itself = not self._eos.isdisjoint(closing)
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

    def decode(self, ids: Sequence[int]) -> str:
        """Text without special tokens, spaces as the tokenizer has them."""
        return self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)

    def _remember(self, opening: bool, messages: tuple[Message, ...]) -> tuple[int, ...]:
        key = (opening, messages)
        if key in self._known:
            self._known.move_to_end(key)
        else:
            text = self._render(messages, True) if opening else self._delta(messages)
            self._known[key] = tuple(self._tokenizer.encode(text, add_special_tokens=False))
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
        if not self._tokenizer.chat_template:
            raise FailedPrecondition(
                "the model's tokenizer has no chat template, so it takes prefix_ids and no messages"
            )
        conversation = [{"role": message.role, "content": message.text} for message in messages]
        try:
            return self._tokenizer.apply_chat_template(
                conversation, tokenize=False, add_generation_prompt=invite
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
