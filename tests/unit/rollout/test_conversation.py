"""Prefixes, new messages, and where feedback goes."""

import pytest

from farfield.environment.v1.environment_pb2 import Observation
from farfield.policy.v1.policy_pb2 import Response
from farfield.types.v1.types_pb2 import ROLE_ASSISTANT, ROLE_SYSTEM, ROLE_USER, Image, Message, Part
from farfield_kernel.errors import DataLoss
from farfield_kernel.wire import ids_to_bytes
from farfield_rollout.conversation import Conversation


def say(role: int, *texts: str) -> Message:
    return Message(role=role, parts=[Part(text=text) for text in texts])


def response(prompt: list[int], answer: list[int], text: str = "") -> Response:
    return Response(prompt_ids=ids_to_bytes(prompt), response_ids=ids_to_bytes(answer), text=text)


def opened(token_ids: bool = True) -> Conversation:
    conversation = Conversation(token_ids)
    conversation.observe(Observation(messages=[say(ROLE_SYSTEM, "rules"), say(ROLE_USER, "task")]))
    return conversation


def test_the_first_prompt_is_the_observation() -> None:
    conversation = opened()
    assert conversation.prefix_ids == b""
    assert [message.role for message in conversation.prompt()] == [ROLE_SYSTEM, ROLE_USER]
    assert not conversation.answer(response([1, 2], [3]))


def test_the_prefix_is_prompt_and_response_as_sampled() -> None:
    conversation = opened()
    conversation.answer(response([1, 2], [3, 4]))
    assert conversation.prefix_ids == ids_to_bytes([1, 2, 3, 4])
    assert conversation.prompt() == []
    assert conversation.answer(response([1, 2, 3, 4, 9], [5]))
    assert conversation.prefix_ids == ids_to_bytes([1, 2, 3, 4, 9, 5])


@pytest.mark.parametrize("prompt", [[1, 2, 3, 5, 9], [1, 2, 3], []])
def test_a_prompt_that_does_not_go_on_is_drift(prompt: list[int]) -> None:
    conversation = opened()
    conversation.answer(response([1, 2], [3, 4]))
    with pytest.raises(DataLoss, match="4 token ids"):
        conversation.answer(response(prompt, [5]))


def test_feedback_alone_is_the_users_message() -> None:
    conversation = opened()
    conversation.answer(response([1], [2]))
    conversation.observe(Observation(), "Try again.")
    assert conversation.prompt() == [say(ROLE_USER, "Try again.")]


def test_feedback_comes_first_in_one_message_with_what_the_environment_says() -> None:
    conversation = opened()
    conversation.observe(Observation(messages=[say(ROLE_USER, "Next."), say(ROLE_USER, "And.")]), "Wrong.")
    assert conversation.prompt() == [say(ROLE_USER, "Wrong.\n", "Next."), say(ROLE_USER, "And.")]
    conversation.observe(Observation(messages=[say(ROLE_USER, "Next.")]), "Wrong.\n\n")
    assert conversation.prompt() == [say(ROLE_USER, "Wrong.\n\n", "Next.")]


def test_feedback_is_not_merged_into_another_role() -> None:
    conversation = opened()
    conversation.observe(Observation(messages=[say(ROLE_SYSTEM, "New rules.")]), "Wrong.")
    assert conversation.prompt() == [say(ROLE_USER, "Wrong."), say(ROLE_SYSTEM, "New rules.")]


def test_feedback_goes_before_an_image() -> None:
    conversation = opened()
    seen = Message(role=ROLE_USER, parts=[Part(image=Image(sha256="d", data=b"png"))])
    conversation.observe(Observation(messages=[seen]), "Wrong.")
    (message,) = conversation.prompt()
    assert [part.WhichOneof("kind") for part in message.parts] == ["text", "image"]


@pytest.mark.parametrize("token_ids", [True, False])
def test_a_fresh_context_drops_past_and_feedback(token_ids: bool) -> None:
    conversation = opened(token_ids)
    conversation.answer(response([1], [2], "left"))
    view = say(ROLE_USER, "A new view.")
    conversation.observe(Observation(messages=[view], fresh_context=True), "Well done.")
    assert conversation.prefix_ids == b""
    assert conversation.prompt() == [view]
    assert not conversation.answer(response([7], [8]))


def test_without_token_input_the_whole_conversation_is_said() -> None:
    conversation = opened(token_ids=False)
    conversation.answer(response([1], [2], "four"))
    conversation.observe(Observation(), "Wrong.")
    assert conversation.prefix_ids == b""
    assert conversation.prompt()[2:] == [say(ROLE_ASSISTANT, "four"), say(ROLE_USER, "Wrong.")]
    assert conversation.messages == [say(ROLE_USER, "Wrong.")]
