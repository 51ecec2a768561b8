import pytest

from farfield.policy.v1 import policy_pb2 as pb
from farfield.types.v1 import types_pb2
from farfield_kernel import wire
from farfield_kernel.errors import Exhausted, InvalidArgument, error_of
from farfield_model.chat import Message
from farfield_policy import messages
from farfield_policy.engine import Completion, FinishReason, Requirement, Sampling, Span

USER = types_pb2.Message(role=types_pb2.ROLE_USER, parts=[{"text": "a "}, {"text": "b"}])


def test_a_prompt_is_read_whole() -> None:
    prompt = messages.prompt_from(
        pb.Prompt(
            request_id="r",
            prefix_ids=wire.ids_to_bytes([4, 5]),
            messages=[USER],
            sampling=types_pb2.Sampling(
                temperature=0.5, top_p=0.25, top_k=7, max_new_tokens=9, stop_strings=["x"], stop_token_ids=[3]
            ),
            seed=2**64 - 1,
            require=pb.WeightVersion(run_id="run", version=4, digest="d"),
            max_staleness=2,
        )
    )
    assert prompt.prefix_ids == [4, 5]
    assert prompt.messages == (Message("user", "a b"),)
    assert prompt.sampling == Sampling(9, 0.5, 0.25, 7, ("x",), (3,))
    assert prompt.seed == 2**64 - 1
    assert prompt.require == Requirement("run", 4, "d", 2)


def test_no_run_requires_no_weights() -> None:
    assert messages.prompt_from(pb.Prompt(require=pb.WeightVersion(version=4))).require is None


@pytest.mark.parametrize(
    ("prompt", "error", "words"),
    [
        (pb.Prompt(messages=[types_pb2.Message()]), InvalidArgument, "role"),
        (pb.Prompt(prefix_ids=b"123"), InvalidArgument, "4-byte"),
        (
            pb.Prompt(messages=[types_pb2.Message(role=types_pb2.ROLE_USER, parts=[{"image": {}}])]),
            InvalidArgument,
            "neither bytes nor",
        ),
        (
            pb.Prompt(require=pb.WeightVersion(run_id="run"), max_staleness=-1),
            InvalidArgument,
            "max_staleness",
        ),
    ],
)
def test_a_malformed_prompt_is_refused(prompt: pb.Prompt, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        messages.prompt_from(prompt)


def test_a_response_is_written_whole() -> None:
    done = Completion([4], [5, 6], [-0.5, -1], [-0.25, -2], FinishReason.CONTEXT, "t", (Span(3, 2),), "run")
    response = messages.result_of("r", done).response
    assert wire.ids_from_bytes(response.response_ids) == [5, 6]
    assert wire.floats_from_bytes(response.logprobs) == [-0.5, -1]
    assert wire.floats_from_bytes(response.raw_logprobs) == [-0.25, -2]
    assert response.finish_reason == types_pb2.FINISH_REASON_CONTEXT
    assert [(span.version, span.tokens) for span in response.versions] == [(3, 2)]


def test_an_error_stays_with_its_item() -> None:
    result = messages.result_of("r", Exhausted("full", retry_after=2))
    assert result.request_id == "r"
    assert error_of(result.error).retry_after == 2
