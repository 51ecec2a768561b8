"""What a policy has seen of an episode: messages, with the verifier's feedback among them."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from farfield.environment.v1.environment_pb2 import Observation
from farfield.types.v1.types_pb2 import ROLE_ASSISTANT, ROLE_SYSTEM, ROLE_USER, Image, Message, Part
from farfield_gymnasium.client.spaces import pixels

Observed = Literal["conversation", "new"]
_NAMES = {ROLE_SYSTEM: "system", ROLE_USER: "user", ROLE_ASSISTANT: "assistant"}


class Conversation:
    """`new` are the messages since the last response, `all` those before it too."""

    def __init__(self) -> None:
        self.all: list[Message] = []
        self.new: list[Message] = []

    def answer(self, response: str) -> None:
        self.all.append(Message(role=ROLE_ASSISTANT, parts=[Part(text=response)]))

    def observe(self, observation: Observation, feedback: str = "") -> None:
        """As a rollout worker does: feedback opens the next user message, and a fresh context drops it
        with all that was before."""
        self.new = list(observation.messages)
        if observation.fresh_context:
            self.all = []
        elif feedback:
            self.new = _with_feedback(feedback, self.new)
        self.all += self.new

    def shown(self, what: Observed) -> list[Message]:
        return self.all if what == "conversation" else self.new


def _with_feedback(feedback: str, messages: list[Message]) -> list[Message]:
    if not messages or messages[0].role != ROLE_USER:
        return [Message(role=ROLE_USER, parts=[Part(text=feedback)]), *messages]
    parted = feedback if feedback[-1].isspace() else feedback + "\n"
    merged = Message(role=ROLE_USER, parts=[Part(text=parted), *messages[0].parts])
    return [merged, *messages[1:]]


def text_of(messages: Sequence[Message]) -> str:
    """Paragraphs, each after the name of who says it."""
    return "\n\n".join(f"{_NAMES[one.role]}: {''.join(part.text for part in one.parts)}" for one in messages)


def plain(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """As chat templates take them."""
    return [{"role": _NAMES[one.role], "content": [_plain(part) for part in one.parts]} for one in messages]


def _plain(part: Part) -> dict[str, str]:
    return {"type": "image"} if part.HasField("image") else {"type": "text", "text": part.text}


def images_of(messages: Sequence[Message]) -> Iterator[Image]:
    for message in messages:
        for part in message.parts:
            if part.HasField("image"):
                yield part.image


def observation(messages: Sequence[Message], image_size: tuple[int, int] | None) -> Any:
    """A value of `spaces.observed`."""
    if image_size is None:
        return text_of(messages)
    images = tuple(pixels(image.data, image_size) for image in images_of(messages))
    return {"text": text_of(messages), "images": images}
