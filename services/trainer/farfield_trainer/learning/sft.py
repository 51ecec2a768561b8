"""Supervised fine-tuning: demonstrations as token sequences with a loss weight per token.

A demonstration is tokenized as it would have been sampled: each prompt segment is rendered and tokenized on
its own, and an assistant's ids are those of its text plus the end-of-turn token. So the model learns from
the very token boundaries that it meets when it generates.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from farfield_kernel.errors import InvalidArgument
from farfield_model.chat import Chat, Content, Message, images_of
from farfield_model.images import ImageFile


@dataclass(frozen=True)
class SupervisedSample:
    """One conversation to imitate.

    `messages` are (role, content) pairs with role "system", "user" or "assistant", content text or a tuple
    of text and images; `weights` holds the loss weight of each assistant message, in order (empty: 1 each).
    """

    messages: Sequence[tuple[str, Content]]
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
    images: list[list[ImageFile]] = field(default_factory=list)
    """Those that each sequence shows, in their order."""
    targets: list[Target] = field(default_factory=list)


def tokenize(samples: Sequence[SupervisedSample], chat: Chat) -> Supervised:
    """Sequences and the assistant messages in them. Targets of weight 0 are context only."""
    result = Supervised()
    for sample in samples:
        ids, spans, images = _conversation(sample.messages, chat)
        weights = list(sample.weights) or [1.0] * len(spans)
        if len(weights) != len(spans) or min(weights, default=1.0) < 0:
            raise InvalidArgument(
                f"a demonstration with {len(spans)} assistant messages needs as many weights of 0 or more, "
                f"found {weights}"
            )
        kept = [(span, weight) for span, weight in zip(spans, weights, strict=True) if weight > 0]
        if kept:
            place, last = len(result.sequences), kept[-1][0]
            result.sequences.append(ids[: last.end])
            result.images.append(images[: last.images])
            result.targets += [Target(place, span.start, span.end, weight) for span, weight in kept]
    return result


@dataclass(frozen=True, slots=True)
class _Answer:
    """ids[start:end] of a conversation, and how many images stand before it."""

    start: int
    end: int
    images: int


def _conversation(
    messages: Sequence[tuple[str, Content]], chat: Chat
) -> tuple[list[int], list[_Answer], list[ImageFile]]:
    """Ids of the whole conversation, its assistant messages, and its images."""
    ids: list[int] = []
    answers: list[_Answer] = []
    images: list[ImageFile] = []
    new: list[Message] = []
    for role, content in messages:
        if role != "assistant":
            new.append(Message(role, content))
            continue
        if not new or not isinstance(content, str):
            raise InvalidArgument("a demonstration has an assistant message with nothing to answer")
        ids = chat.build(ids, tuple(new))
        images += images_of(new)
        start = len(ids)
        ids += chat.answer(content)
        answers.append(_Answer(start, len(ids), len(images)))
        new = []
    return ids, answers, images
