from typing import Any

import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from farfield_policy.tgi_server.errors import TgiError
from farfield_policy.tgi_server.requests import Generate, Parameters
from farfield_policy.tgi_server.validation import Limits, check, plan

LIMITS = Limits(max_input_tokens=20, max_total_tokens=30, max_best_of=2, max_stop_sequences=4)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"temperature": 0.0}, "`temperature` must be strictly positive"),
        ({"temperature": 1e300}, "`temperature` must be"),
        ({"temperature": float("nan")}, "`temperature` must be"),
        ({"top_p": 1.0}, "`top_p` must be > 0.0 and < 1.0"),
        ({"top_k": 0}, "`top_k` must be strictly positive"),
        ({"typical_p": 1.0}, "`typical_p` must be"),
        ({"repetition_penalty": 0.0}, "`repetition_penalty` must be strictly positive"),
        ({"frequency_penalty": 3.0}, "`frequency_penalty`"),
        ({"max_new_tokens": 0}, "`max_new_tokens` must be strictly positive"),
        ({"truncate": 0}, "`truncate` must be strictly positive"),
        ({"stop": list("abcde")}, "`stop` supports up to 4 stop sequences. Given: 5"),
        ({"stop": [""]}, "`stop` must not hold an empty sequence"),
        ({"best_of": 3, "do_sample": True}, "`best_of` must be > 0 and <= 2. Given: 3"),
        ({"best_of": 2, "do_sample": True, "seed": 1}, "`seed` must not be set when `best_of` > 1"),
        ({"best_of": 2}, "you must use sampling when `best_of` is > 1"),
    ],
)
def test_what_the_original_refuses_is_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(TgiError, match=f"^Input validation error: {says}") as refused:
        check(Parameters(**given), LIMITS, streams=False)
    assert (refused.value.status, refused.value.error_type) == (422, "validation")


@pytest.mark.parametrize(
    "given",
    [
        {"adapter_id": "x"},
        {"frequency_penalty": 0.5},
        {"grammar": {"type": "regex", "value": "a"}},
        {"repetition_penalty": 1.2},
        {"top_n_tokens": 3},
        {"typical_p": 0.9},
        {"watermark": True},
    ],
)
def test_what_the_engine_cannot_do_is_refused_by_name(given: dict[str, Any]) -> None:
    with pytest.raises(TgiError, match=f"`{next(iter(given))}` is not supported by this engine"):
        check(Parameters(**given), LIMITS, streams=False)


def test_values_that_change_nothing_are_taken() -> None:
    check(Parameters(repetition_penalty=1.0, frequency_penalty=0.0, best_of=1, seed=3), LIMITS, streams=True)


@pytest.mark.parametrize("given", [{"decoder_input_details": True}, {"best_of": 2, "do_sample": True}])
def test_a_stream_has_no_details_of_the_prompt_and_one_answer(given: dict[str, Any]) -> None:
    check(Parameters(**given), LIMITS, streams=False)
    with pytest.raises(TgiError, match="not supported when streaming"):
        check(Parameters(**given), LIMITS, streams=True)


def test_sampling_is_on_where_asked_for_or_where_the_distribution_is_bent() -> None:
    assert Generate(inputs="a").parameters.do_sample
    assert not Generate.model_validate({"inputs": "a", "parameters": {}}).parameters.do_sample
    for given in ({}, {"temperature": 1.0}, {"seed": 1}):
        assert plan(Parameters(**given), 1, LIMITS).sampling.temperature == 0
    for given in ({"do_sample": True}, {"top_k": 2}, {"top_p": 0.9}):
        assert plan(Parameters(**given), 1, LIMITS).sampling.temperature == 1
    assert plan(Parameters(temperature=0.5), 1, LIMITS).sampling.temperature == 0.5


def test_lengths_are_limited() -> None:
    assert plan(Parameters(), 20, LIMITS).sampling.max_new_tokens == 10
    assert plan(Parameters(max_new_tokens=10), 20, LIMITS).sampling.max_new_tokens == 10
    for tokens, new, says in (
        (0, 1, "cannot be empty"),
        (21, 1, "less than 20 tokens. Given: 21"),
        (20, 11, "must be <= 30. Given: 20 `inputs` tokens and 11 `max_new_tokens`"),
    ):
        with pytest.raises(TgiError, match=says):
            plan(Parameters(max_new_tokens=new), tokens, LIMITS)


def test_each_answer_of_several_has_a_seed_of_its_own() -> None:
    seeds = plan(Parameters(best_of=2, do_sample=True), 1, LIMITS).seeds
    assert len(set(seeds)) == 2
    assert plan(Parameters(seed=7), 1, LIMITS).seeds == (7,)


NUMBERS = st.none() | st.floats(0, 2) | st.floats()
GIVEN = st.fixed_dictionaries(
    {},
    optional={
        "best_of": st.none() | st.integers(0, 4),
        "do_sample": st.booleans(),
        "max_new_tokens": st.none() | st.integers(0, 40),
        "seed": st.none() | st.integers(0, 2**64 - 1),
        "stop": st.lists(st.text(max_size=2), max_size=5),
        "temperature": NUMBERS,
        "top_k": st.none() | st.integers(1, 50) | st.integers(-(2**31), 2**31 - 1),
        "top_p": NUMBERS,
    },
)


@drawn(GIVEN, st.integers(0, 40), st.booleans())
def test_what_is_not_refused_is_sampling_that_the_engine_takes(
    given: dict[str, Any], tokens: int, streams: bool
) -> None:
    try:
        parameters = Parameters(**given)
        check(parameters, LIMITS, streams)
        planned = plan(parameters, tokens, LIMITS)
    except TgiError:
        return
    planned.sampling.validate()
    assert planned.samples == (planned.sampling.temperature > 0)
    assert np.float32(planned.sampling.temperature) < np.inf
    assert 1 <= planned.sampling.max_new_tokens <= LIMITS.max_total_tokens - tokens
