"""What is asked of /v1/completions, and what is made of answers: token ids decide."""

from typing import Any

import pytest

from farfield_kernel.errors import DataLoss, FailedPrecondition, PluginFailure, Unavailable
from farfield_policy.engine import FinishReason, Sampling, Version
from farfield_policy.vllm.wire import (
    Answer,
    Ask,
    answer_from,
    completion_of,
    is_plain,
    request_of,
    scores_from,
    shows_processed,
    signed,
)

END = 9


def decode(ids: Any) -> str:
    return "".join("abcdefgh"[token] for token in ids if token < 8)


def ask(new: int = 5, room: int = 100, **sampling: Any) -> Ask:
    return Ask([1, 2], Sampling(new, **sampling), 3, (END,), room)


def answer(ids: list[int], finish: str = "length", by: int | str | None = None) -> Answer:
    return Answer(ids, [-float(at) for at in range(len(ids))], finish, by)


def body(**choice: Any) -> dict[str, Any]:
    whole = {
        "token_ids": [4, 9],
        "prompt_token_ids": [1, 2],
        "finish_reason": "stop",
        "stop_reason": None,
        "logprobs": {"token_logprobs": [-0.5, -0.25]},
    }
    return {"choices": [{**whole, **choice}]}


def test_everything_that_a_server_may_have_a_default_for_is_sent() -> None:
    sent = request_of(ask(50, room=7, top_p=0.0), "model")
    assert sent["max_tokens"] == 7
    assert sent["stop_token_ids"] == [END]
    off = {"top_p": 1.0, "top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0, "temperature": 0.0}
    assert sent.items() >= (off | {"presence_penalty": 0.0, "frequency_penalty": 0.0}).items()


def test_seeds_keep_their_bits_and_are_never_the_one_that_means_none() -> None:
    seeds = [0, 5, 2**63 - 1, 2**63, 2**64 - 3]
    assert [signed(seed) % 2**64 for seed in seeds] == seeds
    assert all(-(2**63) <= signed(seed) < 2**63 for seed in seeds)
    assert signed(2**64 - 1) == -2


@pytest.mark.parametrize(
    ("sampling", "plain"),
    [
        (Sampling(1), True),
        (Sampling(1, 1.0, 0.0), True),
        (Sampling(1, 0.5), False),
        (Sampling(1, 1.0, top_k=5), False),
        (Sampling(1, 1.0, 0.9), False),
    ],
)
def test_what_is_plain(sampling: Sampling, plain: bool) -> None:
    assert is_plain(sampling) is plain


def test_an_answer_is_its_ids_and_logprobs() -> None:
    assert answer_from(body(), [1, 2]) == Answer([4, 9], [-0.5, -0.25], "stop", None)


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        ({"choices": []}, PluginFailure, "no completion"),
        (None, PluginFailure, "no completion"),
        (body(token_ids=None), FailedPrecondition, "0.10.2"),
        (body(prompt_token_ids=[1, 2, 3]), DataLoss, "not the 2"),
        (body(logprobs=None), PluginFailure, "0 logprobs"),
        (body(logprobs={"token_logprobs": [-0.5, -9999.0]}), PluginFailure, "not finite"),
        (body(logprobs={"token_logprobs": [-0.5, None]}), PluginFailure, "not finite"),
    ],
)
def test_answers_that_cannot_be_trained_on_are_errors(data: Any, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        answer_from(data, [1, 2])


@pytest.mark.parametrize(
    ("asked", "drawn", "count", "reason", "text"),
    [
        (ask(), answer([0, 1, END], "stop"), 3, FinishReason.STOP_TOKEN, "ab"),
        (ask(3), answer([0, 1, 2]), 3, FinishReason.LENGTH, "abc"),
        (ask(9, room=3), answer([0, 1, 2]), 3, FinishReason.CONTEXT, "abc"),
        (ask(stop_strings=("bc",)), answer([0, 1, 2], "stop", "bc"), 3, FinishReason.STOP_STRING, "abc"),
        # drawn on after the string was whole
        (ask(stop_strings=("b",)), answer([0, 1, 2, 3], "stop", "b"), 2, FinishReason.STOP_STRING, "ab"),
        (ask(4, stop_strings=("b",)), answer([0, 1, 2, 3]), 2, FinishReason.STOP_STRING, "ab"),
        (ask(stop_strings=("c",)), answer([0, 1, END], "stop"), 3, FinishReason.STOP_TOKEN, "ab"),
        (ask(stop_strings=("z",)), answer([0, 1], "stop", "z"), 2, FinishReason.STOP_STRING, "ab"),
        (ask(), answer([0, 7], "stop", 7), 2, FinishReason.STOP_TOKEN, "ah"),
    ],
)
def test_where_a_response_ends(
    asked: Ask, drawn: Answer, count: int, reason: FinishReason, text: str
) -> None:
    done = completion_of(asked, drawn, Version("run", 4), decode, raw=False)
    assert (done.finish_reason, done.text) == (reason, text)
    assert (done.response_ids, done.logprobs) == (drawn.ids[:count], drawn.logprobs[:count])
    assert [(span.version, span.tokens) for span in done.spans] == [(4, count)]
    assert done.raw_logprobs == ()


def test_responses_that_the_server_gave_up_are_no_responses() -> None:
    with pytest.raises(Unavailable):
        completion_of(ask(), answer([0], "abort"), Version(), decode, raw=False)
    with pytest.raises(PluginFailure, match="'repetition'"):
        completion_of(ask(), answer([0], "repetition"), Version(), decode, raw=False)


def test_scores_are_the_responses_share_of_the_prompt_logprobs() -> None:
    rows = [None, {"2": {"logprob": -1.0}}, {"3": {"logprob": -2.0}, "7": {"logprob": -0.1}}]
    assert scores_from(body(prompt_logprobs=rows), [1, 2], [3]).logprobs == [-2.0]
    with pytest.raises(PluginFailure, match="3 of 4"):
        scores_from(body(prompt_logprobs=rows), [1, 2], [3, 4])
    with pytest.raises(PluginFailure, match="lack a token"):
        scores_from(body(prompt_logprobs=rows), [1, 2], [4])


@pytest.mark.parametrize(
    ("values", "processed"), [([0.0, -9999.0], True), ([-0.3, -1.5], False), ([0.0, -12.0], False)]
)
def test_logprobs_of_the_only_possible_token_tell_the_mode(values: list[float], processed: bool) -> None:
    top = dict(zip(("a", "b"), values, strict=True))
    assert shows_processed(body(logprobs={"top_logprobs": [top]})) is processed


@pytest.mark.parametrize("values", [[5.0, 2.0], [-0.1, -0.2], [0.0]])
def test_logits_are_no_logprobs(values: list[float]) -> None:
    top = {str(at): value for at, value in enumerate(values)}
    with pytest.raises(FailedPrecondition, match="--logprobs-mode processed_logprobs"):
        shows_processed(body(logprobs={"top_logprobs": [top]}))
