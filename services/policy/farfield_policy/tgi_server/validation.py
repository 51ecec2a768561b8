"""Parameters of a request to the engine's own, refused by the rules of text-generation-inference."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from farfield_policy.engine import Sampling
from farfield_policy.tgi_server.errors import invalid
from farfield_policy.tgi_server.requests import Parameters

_USUAL_NEW_TOKENS = 1024
_SMALLEST, _LARGEST = 2**-126, 2.0**127
"""Temperatures that the engine's numbers of 32 bits hold."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may ask for."""

    max_input_tokens: int
    max_total_tokens: int
    max_best_of: int
    max_stop_sequences: int


@dataclass(frozen=True, slots=True)
class Plan:
    """One prompt, `seeds` times. A greedy one has a seed that nobody needs to know."""

    sampling: Sampling
    seeds: tuple[int, ...]
    samples: bool


def check(parameters: Parameters, limits: Limits, streams: bool) -> None:
    """Refuses with the first thing that is wrong, whatever the prompt."""
    for fault in [*_ranges(parameters), *_several(parameters, limits, streams), *_missing(parameters)]:
        raise invalid(fault)


def plan(parameters: Parameters, input_tokens: int, limits: Limits) -> Plan:
    """How a prompt of so many tokens is generated."""
    if not input_tokens:
        raise invalid("`inputs` cannot be empty")
    if input_tokens > limits.max_input_tokens:
        raise invalid(f"`inputs` must have less than {limits.max_input_tokens} tokens. Given: {input_tokens}")
    room = limits.max_total_tokens - input_tokens
    new = min(_USUAL_NEW_TOKENS, room) if parameters.max_new_tokens is None else parameters.max_new_tokens
    if new > room:
        raise invalid(
            f"`inputs` tokens + `max_new_tokens` must be <= {limits.max_total_tokens}. "
            f"Given: {input_tokens} `inputs` tokens and {new} `max_new_tokens`"
        )
    samples = _samples(parameters)
    sampling = Sampling(
        max_new_tokens=new,
        temperature=(parameters.temperature or 1.0) if samples else 0.0,
        top_p=parameters.top_p or 1.0,
        top_k=parameters.top_k or 0,
        stop_strings=tuple(parameters.stop),
        stop_at_token_end=True,
    )
    return Plan(sampling, _seeds(parameters), samples)


def _samples(parameters: Parameters) -> bool:
    """Whatever bends the distribution turns sampling on, as `do_sample` does."""
    tempered = parameters.temperature not in (None, 1.0)
    return parameters.do_sample or tempered or bool(parameters.top_k) or parameters.top_p is not None


def _seeds(parameters: Parameters) -> tuple[int, ...]:
    if parameters.seed is not None:
        return (parameters.seed,)
    return tuple(secrets.randbits(64) for _ in range(parameters.best_of or 1))


def _ranges(given: Parameters) -> Iterator[str]:
    if given.temperature is not None and not _SMALLEST <= given.temperature <= _LARGEST:
        yield "`temperature` must be strictly positive"
    if given.repetition_penalty is not None and given.repetition_penalty <= 0:
        yield "`repetition_penalty` must be strictly positive"
    if given.frequency_penalty is not None and not -2 <= given.frequency_penalty <= 2:
        yield "`frequency_penalty` must be >= -2.0 and <= 2.0"
    if given.top_p is not None and not 0 < given.top_p < 1:
        yield "`top_p` must be > 0.0 and < 1.0"
    if given.typical_p is not None and not 0 < given.typical_p < 1:
        yield "`typical_p` must be > 0.0 and < 1.0"
    if given.top_k is not None and given.top_k <= 0:
        yield "`top_k` must be strictly positive"
    if given.max_new_tokens == 0:
        yield "`max_new_tokens` must be strictly positive"
    if given.truncate == 0:
        yield "`truncate` must be strictly positive"
    if "" in given.stop:
        yield "`stop` must not hold an empty sequence"


def _several(given: Parameters, limits: Limits, streams: bool) -> Iterator[str]:
    if len(given.stop) > limits.max_stop_sequences:
        yield f"`stop` supports up to {limits.max_stop_sequences} stop sequences. Given: {len(given.stop)}"
    if streams and given.decoder_input_details:
        yield "`decoder_input_details` == true is not supported when streaming tokens"
    if given.best_of is None or given.best_of == 1:
        return
    if not 0 < given.best_of <= limits.max_best_of:
        yield f"`best_of` must be > 0 and <= {limits.max_best_of}. Given: {given.best_of}"
    if streams:
        yield "`best_of` != 1 is not supported when streaming tokens"
    if given.seed is not None:
        yield "`seed` must not be set when `best_of` > 1"
    if not _samples(given):
        yield "you must use sampling when `best_of` is > 1"


def _missing(given: Parameters) -> Iterator[str]:
    """What the original can and this engine cannot. It is refused, for another answer would pass for the
    one that was asked for."""
    asked = {
        "adapter_id": bool(given.adapter_id),
        "frequency_penalty": bool(given.frequency_penalty),
        "grammar": given.grammar is not None,
        "repetition_penalty": given.repetition_penalty not in (None, 1.0),
        "top_n_tokens": bool(given.top_n_tokens),
        "typical_p": given.typical_p is not None,
        "watermark": given.watermark,
    }
    for name in (name for name, wanted in asked.items() if wanted):
        yield f"`{name}` is not supported by this engine"
