"""`/v1/completions` with token ids both ways: what is asked, and what the answer says. Pure functions.

Every parameter that a server may have a default for is sent, so that the model's generation_config.json
changes nothing.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from farfield_kernel.errors import DataLoss, FailedPrecondition, PluginFailure, Unavailable
from farfield_policy.engine import Completion, FinishReason, Sampling, Scores, Span, Version
from farfield_policy.stops import Decode, hit

LOWEST = -9999.0
"""What the server writes for the logprob of an impossible token."""
COOLEST = 0.01
"""vLLM raises a temperature between 0 and this one to it."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A prompt by its ids. `stop_ids`: every id that ends the response. `room`: tokens that the context
    leaves for it."""

    ids: Sequence[int]
    sampling: Sampling
    seed: int
    stop_ids: tuple[int, ...]
    room: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server drew: ids with the token that ended them, and a logprob of each."""

    ids: list[int]
    logprobs: list[float]
    finish: str
    stopped_by: int | str | None


def is_plain(sampling: Sampling) -> bool:
    """Whether what is sampled is the model's own distribution, so that raw and processed logprobs are one."""
    return sampling.temperature in (0, 1) and sampling.top_k == 0 and sampling.top_p in (0, 1)


def request_of(ask: Ask, model: str) -> dict[str, Any]:
    sampling = ask.sampling
    return {
        "model": model,
        "prompt": list(ask.ids),
        "max_tokens": min(sampling.max_new_tokens, ask.room),
        "temperature": sampling.temperature,
        "top_p": sampling.top_p or 1.0,
        "top_k": sampling.top_k,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "seed": signed(ask.seed),
        "stop": list(sampling.stop_strings),
        "stop_token_ids": list(ask.stop_ids),
        "logprobs": 0,  # that of the drawn token alone
        "return_token_ids": True,
        "return_tokens_as_token_ids": True,  # so that no token has to be spelled out
    }


def signed(seed: int) -> int:
    """A uint64 seed as the int64 that the server takes; -1 would mean no seed there."""
    wrapped = seed - (1 << 64) if seed >= 1 << 63 else seed
    return -2 if wrapped == -1 else wrapped


def answer_from(data: Any, prompt_ids: Sequence[int]) -> Answer:
    """DataLoss where the server read another prompt than it was given."""
    choice = _choice(data)
    ids, seen = choice.get("token_ids"), choice.get("prompt_token_ids")
    if ids is None or seen is None:
        raise FailedPrecondition("the server answers without token ids; serve with vLLM 0.10.2 or newer")
    if list(seen) != list(prompt_ids):
        raise DataLoss(
            f"the server read {len(seen)} token ids that are not the {len(prompt_ids)} it was sent"
        )
    logprobs = (choice.get("logprobs") or {}).get("token_logprobs") or []
    if len(logprobs) != len(ids):
        raise PluginFailure(f"the server answered {len(ids)} token ids with {len(logprobs)} logprobs")
    if not all(_is_possible(logprob) for logprob in logprobs):
        raise PluginFailure("the server drew a token whose logprob is not finite")
    return Answer(ids, logprobs, str(choice.get("finish_reason")), choice.get("stop_reason"))


def completion_of(ask: Ask, answer: Answer, served: Version, decode: Decode, *, raw: bool) -> Completion:
    """`raw`: the server's logprobs are the model's own, and what was sampled is plain."""
    count, reason, text = _end(ask, answer, decode)
    logprobs = answer.logprobs[:count]
    return Completion(
        prompt_ids=ask.ids,
        response_ids=answer.ids[:count],
        logprobs=logprobs,
        raw_logprobs=logprobs if raw else (),
        finish_reason=reason,
        text=text,
        spans=(Span(served.version, count),),
        run_id=served.run_id,
    )


def _end(ask: Ask, answer: Answer, decode: Decode) -> tuple[int, FinishReason, str]:
    """How many of the ids are the response's, why it ended, and its text. Where a stop string ends it is
    read off the ids: the server may have drawn a few more before it saw the string."""
    ids, stop_strings = answer.ids, ask.sampling.stop_strings
    stopped = bool(ids) and ids[-1] in ask.stop_ids
    if stop_strings:
        for count in range(1, len(ids) + (not stopped)):
            text = hit(ids[:count], stop_strings, decode)
            if text is not None:
                return count, FinishReason.STOP_STRING, text
    if stopped:
        return len(ids), FinishReason.STOP_TOKEN, decode(ids[:-1])
    return len(ids), _reason(ask, answer), decode(ids)


def _reason(ask: Ask, answer: Answer) -> FinishReason:
    match answer.finish, answer.stopped_by:
        case "length", _:
            asked = ask.sampling.max_new_tokens <= ask.room
            return FinishReason.LENGTH if asked else FinishReason.CONTEXT
        case "stop", str():
            return FinishReason.STOP_STRING
        case "stop", _:
            return FinishReason.STOP_TOKEN
        case "abort", _:
            raise Unavailable("the server gave the response up before it was finished")
    raise PluginFailure(f"the server ended a response for a reason unknown here: '{answer.finish}'")


def score_request(ids: Sequence[int], model: str) -> dict[str, Any]:
    """Asks for the logprob of every id of the prompt; one token more cannot be avoided."""
    return {
        "model": model,
        "prompt": list(ids),
        "max_tokens": 1,
        "temperature": 0.0,
        "prompt_logprobs": 0,
        "return_token_ids": True,
    }


def scores_from(data: Any, prompt: Sequence[int], response: Sequence[int]) -> Scores:
    """The response's share of the prompt logprobs, which are the model's own at temperature 1."""
    rows = _choice(data).get("prompt_logprobs") or []
    if len(rows) != len(prompt) + len(response):
        raise PluginFailure(f"the server scored {len(rows)} of {len(prompt) + len(response)} token ids")
    try:
        own = zip(rows[len(prompt) :], response, strict=True)
        logprobs = [float(row[str(token)]["logprob"]) for row, token in own]
    except (KeyError, TypeError) as error:
        raise PluginFailure(f"the server's prompt logprobs lack a token: {error!r}") from error
    return Scores(logprobs, logprobs)


def shows_processed(data: Any) -> bool:
    """Whether the logprobs of a draw with top_k 1, asked for two tokens, are those of what was sampled: one
    token has all of it. Raises FailedPrecondition where they are no logprobs at all."""
    top = (_choice(data).get("logprobs") or {}).get("top_logprobs") or [{}]
    values = sorted(top[0].values(), reverse=True)
    if len(values) < 2 or sum(math.exp(min(value, 1.0)) for value in values) > 1.001:
        raise FailedPrecondition(
            f"the server's logprobs of one token and the next are {values[:2]}, which are none; "
            "start it with --logprobs-mode processed_logprobs"
        )
    return abs(values[0]) < 1e-4 and values[1] <= LOWEST


def _choice(data: Any) -> Mapping[str, Any]:
    choices = data.get("choices") if isinstance(data, dict) else None
    if not choices or not isinstance(choices[0], dict):
        raise PluginFailure("the server's answer holds no completion")
    return choices[0]


def _is_possible(logprob: Any) -> bool:
    return isinstance(logprob, (int, float)) and math.isfinite(logprob) and logprob > LOWEST
