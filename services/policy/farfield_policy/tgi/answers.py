"""From a server's answer to a completion, if it is one: an answer that contradicts itself is a failure."""

import math
from collections.abc import Sequence
from typing import Any

from farfield_kernel.errors import FarfieldError, PluginFailure
from farfield_model.chat import Chat
from farfield_policy.engine import Completion, FinishReason, Span, Version
from farfield_policy.stops import cut
from farfield_policy.tgi.failures import reported
from farfield_policy.tgi.requests import Request

_REASONS = {
    "eos_token": FinishReason.STOP_TOKEN,
    "stop_sequence": FinishReason.STOP_STRING,
    "length": FinishReason.LENGTH,
}


def completion_of(answer: Any, request: Request, chat: Chat, version: Version) -> Completion:
    """`answer`: what `text_generation` returned. Raw logprobs are unknown, and so left out."""
    if answer.get("error"):
        raise reported(str(answer["error"]), str(answer.get("error_type") or ""))
    details = answer.details
    if details is None or details.tokens is None or answer.generated_text is None:
        raise _broken("it has no details; is the route that of a text-generation-inference server?")
    _check_details(details, request)
    ids = [token.id for token in details.tokens]
    text = chat.decode(ids)
    if _squeezed(text) != _squeezed(answer.generated_text):
        raise _broken(
            f"its ids read {_short(text)} and its text {_short(answer.generated_text)}; is engine.tokenizer "
            "that of the server's model?"
        )
    reason = _reason(details.finish_reason, len(ids), request)
    count, text, reason = _stopped(ids, text, reason, request, chat)
    return Completion(
        prompt_ids=_prompt_ids(details.prefill or [], request),
        response_ids=ids[:count],
        logprobs=[token.logprob for token in details.tokens[:count]],
        raw_logprobs=(),
        finish_reason=reason,
        text=text,
        spans=(Span(version.version, count),),
        run_id=version.run_id,
    )


def _check_details(details: Any, request: Request) -> None:
    tokens = details.tokens
    if not tokens or details.generated_tokens != len(tokens):
        raise _broken(f"it counts {details.generated_tokens} tokens and lists {len(tokens)}")
    if len(tokens) > request.limit:
        raise _broken(f"it has {len(tokens)} tokens; {request.limit} were asked for")
    for token in tokens:
        if not isinstance(token.id, int) or token.id < 0 or not _is_logprob(token.logprob):
            raise _broken(f"token {token.id} has the logprob {token.logprob}")
    if request.sampled and details.seed not in (None, request.seed):
        raise _broken(f"it drew by seed {details.seed}; {request.seed} was given")


def _is_logprob(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value <= _ROUNDING


_ROUNDING = 1e-3
"""How far above 0 half precision may put the logprob of a certain token."""


def _prompt_ids(prefill: Sequence[Any], request: Request) -> list[int]:
    """The prompt as the server saw it, where it says so. Text must be what was meant; how many tokens an
    image takes is the server's to know."""
    seen = [token.id for token in prefill]
    if not seen or seen == request.prompt_ids:
        return request.prompt_ids
    if request.images:
        return seen
    raise _broken(
        f"the server saw a prompt of {len(seen)} other tokens than the {len(request.prompt_ids)} that were "
        "meant; is engine.tokenizer that of its model?"
    )


def _reason(named: Any, count: int, request: Request) -> FinishReason:
    if named not in _REASONS:
        raise _broken(f"it ended for '{named}', which is no reason")
    reason = _REASONS[named]
    if reason is not FinishReason.LENGTH:
        return reason
    if count < request.limit:
        raise _broken(f"it ended for length after {count} of {request.limit} tokens")
    return FinishReason.CONTEXT if request.limit < request.sampling.max_new_tokens else reason


def _stopped(
    ids: Sequence[int], text: str, reason: FinishReason, request: Request, chat: Chat
) -> tuple[int, str, FinishReason]:
    """Where the response ends. A server sees a stop string only at the end of a token; one that ended within
    it stops the response here, as if nothing had been drawn after it."""
    stops = request.sampling.stop_strings
    if not stops or cut(text, stops) is None:
        return len(ids), text, reason
    for count in range(1, len(ids) + 1):
        stopped = cut(chat.decode(ids[:count]), stops)
        if stopped is not None:
            return count, stopped, FinishReason.STOP_STRING
    return len(ids), text, reason


def _squeezed(text: str) -> str:
    """Without white space, which decoders clean up differently."""
    return "".join(text.split())


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}…")


def _broken(why: str) -> FarfieldError:
    return PluginFailure(f"the server's answer is not one: {why}")
