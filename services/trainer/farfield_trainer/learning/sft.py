"""Supervised fine-tuning: demonstrations as token sequences with a loss weight per token.

A demonstration is tokenized as it would have been sampled: each prompt segment is rendered and tokenized on
its own, and an assistant's ids are those of its text plus the end-of-turn token. So the model learns from
the very token boundaries that it meets when it generates.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from farfield_kernel.errors import InvalidArgument

_PROBE = "probedanswer"


@dataclass(frozen=True)
class SupervisedSample:
    """One conversation to imitate.

    `messages` are (role, text) pairs with role "system", "user" or "assistant"; `weights` holds the loss
    weight of each assistant message, in order (empty: 1 each).
    """

    messages: Sequence[tuple[str, str]]
    weights: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """ids[start:end] of its sequence, to be learned with this weight per token."""

    sequence: int
    start: int
    end: int
    weight: float


@dataclass(slots=True)
class Supervised:
    sequences: list[list[int]] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)


class Renderer:
    """Token ids of conversations under a tokenizer's chat template."""

    def __init__(self, tokenizer: Any, end_ids: Sequence[int]) -> None:
        """`end_ids`: the tokens that end a response when the model generates."""
        self._tokenizer = tokenizer
        closing = self._ids(self._after_answer([], invite=False))
        ends = [index for index, token in enumerate(closing) if token in end_ids]
        self._end = closing[ends[0]] if ends else end_ids[0]
        self._closing_length = ends[0] + 1 if ends else 0

    def opening(self, messages: Sequence[tuple[str, str]]) -> list[int]:
        """The prompt that starts a conversation and asks for an answer."""
        return self._ids(self._render(messages, True))

    def continuation(self, messages: Sequence[tuple[str, str]]) -> list[int]:
        """What follows an answer with its end-of-turn token: the new messages and the next request."""
        return self._ids(self._after_answer(messages, invite=True))[self._closing_length :]

    def answer(self, text: str) -> list[int]:
        return [*self._ids(text), self._end]

    def _after_answer(self, messages: Sequence[tuple[str, str]], *, invite: bool) -> str:
        """What the template writes after an assistant's words."""
        before = [("user", "probe"), ("assistant", _PROBE)]
        return self._render([*before, *messages], invite).partition(_PROBE)[2]

    def _ids(self, text: str) -> list[int]:
        return self._tokenizer(text, add_special_tokens=False).input_ids

    def _render(self, messages: Sequence[tuple[str, str]], invite: bool) -> str:
        chat = [{"role": role, "content": text} for role, text in messages]
        return self._tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=invite)


def tokenize(samples: Sequence[SupervisedSample], renderer: Renderer) -> Supervised:
    """Sequences and the assistant messages in them. Targets of weight 0 are context only."""
    result = Supervised()
    for sample in samples:
        ids, spans = _conversation(sample.messages, renderer)
        weights = list(sample.weights) or [1.0] * len(spans)
        if len(weights) != len(spans) or min(weights, default=1.0) < 0:
            raise InvalidArgument(
                f"a demonstration with {len(spans)} assistant messages needs as many weights of 0 or more, "
                f"found {weights}"
            )
        kept = [(span, weight) for span, weight in zip(spans, weights, strict=True) if weight > 0]
        if kept:
            place = len(result.sequences)
            result.sequences.append(ids[: kept[-1][0][1]])
            result.targets += [Target(place, start, end, weight) for (start, end), weight in kept]
    return result


def _conversation(
    messages: Sequence[tuple[str, str]], renderer: Renderer
) -> tuple[list[int], list[tuple[int, int]]]:
    """Ids of the whole conversation, and where its assistant messages start and end."""
    ids: list[int] = []
    spans: list[tuple[int, int]] = []
    new: list[tuple[str, str]] = []
    for role, text in messages:
        if role != "assistant":
            new.append((role, text))
            continue
        if not new:
            raise InvalidArgument("a demonstration has an assistant message with nothing to answer")
        ids += renderer.continuation(new) if spans else renderer.opening(new)
        start = len(ids)
        ids += renderer.answer(text)
        spans.append((start, len(ids)))
        new = []
    return ids, spans
