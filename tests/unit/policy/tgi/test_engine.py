"""The engine in front of a stand-in of the wire; what every engine does is tested in test_engines.py."""

import asyncio
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from farfield_kernel.errors import (
    CONTEXT_FULL,
    WEIGHTS_NOT_SERVED,
    Exhausted,
    FailedPrecondition,
    InvalidArgument,
    Unavailable,
)
from farfield_model.chat import Message
from farfield_policy.engine import FinishReason, Prompt, Requirement, Version
from farfield_policy.tgi.engine import TgiEngine

Ask = Callable[..., Prompt]


async def one(engine: TgiEngine, prompt: Prompt) -> Any:
    (result,) = await asyncio.gather(*engine.submit([prompt]), return_exceptions=True)
    return result


async def test_ids_and_logprobs_are_the_servers(engine: TgiEngine, wire: Any, ask: Ask) -> None:
    done = await one(engine, ask())
    assert done.text == "d e f"
    assert done.response_ids == [8, 9, 10, 1]
    assert done.logprobs == [-0.5] * 4
    assert done.raw_logprobs == ()
    assert done.finish_reason is FinishReason.STOP_TOKEN
    assert wire.requests[0] == {
        "inputs": "<user> a b c <end> <assistant> ",
        "parameters": {
            "details": True,
            "do_sample": True,
            "temperature": 1.0,
            "seed": 7,
            "max_new_tokens": 8,
            "decoder_input_details": True,
        },
        "stream": False,
    }


async def test_the_description_is_true(engine: TgiEngine) -> None:
    about = engine.describe()
    assert (about.engine, about.max_context_tokens, about.max_concurrency) == ("tgi", 256, 64)
    able = about.capabilities
    assert able.token_ids_out
    assert able.seed
    assert able.stop_strings
    assert not any((able.token_ids_in, able.logprobs_raw, able.score, able.stop_token_ids, able.images))
    assert able.weight_update.value == "none"


async def test_only_the_first_prompt_asks_how_it_was_read(engine: TgiEngine, wire: Any, ask: Ask) -> None:
    for _ in range(3):
        assert (await one(engine, ask())).prompt_ids == [3, 5, 6, 7, 1, 4]
    asked = [request["parameters"]["decoder_input_details"] for request in wire.requests]
    assert asked == [True, False, False]


async def test_a_greedy_prompt_says_so_and_has_no_seed(engine: TgiEngine, wire: Any, ask: Ask) -> None:
    await one(engine, ask(temperature=0))
    parameters = wire.requests[0]["parameters"]
    assert parameters["do_sample"] is False
    assert not {"temperature", "seed", "top_p", "top_k"} & parameters.keys()


@pytest.mark.parametrize(
    ("given", "sent"),
    [({"top_p": 1.0, "top_k": 0}, {}), ({"top_p": 0.9, "top_k": 5}, {"top_p": 0.9, "top_k": 5})],
)
async def test_filters_that_filter_nothing_are_left_out(
    engine: TgiEngine, wire: Any, ask: Ask, given: dict[str, Any], sent: dict[str, Any]
) -> None:
    await one(engine, ask(**given))
    parameters = wire.requests[0]["parameters"]
    assert {name: parameters[name] for name in ("top_p", "top_k") if name in parameters} == sent


@pytest.mark.parametrize("seed", [0, 1, (1 << 63) + 5, (1 << 64) - 1])
async def test_a_seed_arrives_exactly(engine: TgiEngine, wire: Any, ask: Ask, seed: int) -> None:
    await one(engine, ask(seed=seed))
    assert wire.requests[0]["parameters"]["seed"] == seed


async def test_a_group_is_as_many_requests(engine: TgiEngine, wire: Any, ask: Ask) -> None:
    await asyncio.gather(*engine.submit([ask(seed=seed) for seed in range(3)]))
    assert sorted(request["parameters"]["seed"] for request in wire.requests) == [0, 1, 2]
    assert not any("best_of" in request["parameters"] for request in wire.requests)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"stop_token_ids": (3,)}, "no stop tokens"),
        ({"stop_strings": tuple("abcde")}, "the server takes 4"),
        ({"prefix_ids": (1, 2)}, "the whole conversation as messages"),
    ],
)
async def test_what_it_cannot_do_is_refused(
    engine: TgiEngine, wire: Any, ask: Ask, given: dict[str, Any], words: str
) -> None:
    error = await one(engine, ask(**given))
    assert isinstance(error, FailedPrecondition)
    assert words in str(error)
    assert not wire.requests


async def test_more_tokens_than_stay_exact_are_refused(
    tgi_wire: ModuleType, wire: Any, open_one: Callable[..., Any], ask: Ask
) -> None:
    wire.info = {**tgi_wire.INFO, "max_total_tokens": 4096, "max_input_tokens": 4095}
    engine = await open_one()
    error = await one(engine, ask(new=1025))
    assert isinstance(error, FailedPrecondition)
    assert "beyond 1024" in str(error)
    assert (await one(engine, ask(new=1024))).response_ids


async def test_a_full_context_ends_the_conversation(
    tgi_wire: ModuleType, wire: Any, open_one: Callable[..., Any], ask: Ask
) -> None:
    wire.info = {**tgi_wire.INFO, "max_total_tokens": 8, "max_input_tokens": 7}
    engine = await open_one()
    done = await one(engine, ask())  # 6 tokens of prompt leave 2
    assert done.finish_reason is FinishReason.CONTEXT
    assert len(done.response_ids) == 2
    error = await one(engine, ask(messages=(Message("user", "a b c d e"),)))
    assert isinstance(error, FailedPrecondition)
    assert error.reason == CONTEXT_FULL


async def test_a_full_queue_says_when_to_come_back(wire: Any, open_one: Callable[..., Any], ask: Ask) -> None:
    engine = await open_one(max_queue=2)
    outcomes = await asyncio.gather(*engine.submit([ask(), ask(), ask()]), return_exceptions=True)
    assert [isinstance(outcome, Exhausted) for outcome in outcomes] == [False, False, True]


async def test_no_more_run_at_once_than_the_server_takes(
    tgi_wire: ModuleType, wire: Any, open_one: Callable[..., Any], ask: Ask
) -> None:
    wire.info = {**tgi_wire.INFO, "max_concurrent_requests": 2}
    engine = await open_one()
    assert engine.describe().max_concurrency == 2
    wire.hold.clear()
    futures = engine.submit([ask(seed=seed) for seed in range(5)])
    await wire.until_running(2)
    await asyncio.sleep(0.05)
    assert wire.running == 2
    wire.hold.set()
    assert len(await asyncio.gather(*futures)) == 5


async def test_the_users_own_token_is_not_sent(
    engine: TgiEngine, wire: Any, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    await one(engine, ask())
    assert wire.headers
    assert not any("hf_secret" in head for head in wire.headers)


async def test_the_configured_token_is_sent(wire: Any, open_one: Callable[..., Any], ask: Ask) -> None:
    await one(await open_one(token="mine"), ask())
    assert all("bearer mine" in head.lower() for head in wire.headers)


class TestWeights:
    async def test_a_fixed_server_keeps_its_own(self, engine: TgiEngine, ask: Ask) -> None:
        with pytest.raises(FailedPrecondition, match="is 'fixed'"):
            await engine.load_weights("folder", Version("run", 1))
        assert (await one(engine, ask())).run_id == ""

    async def test_nobody_waits_for_weights_that_a_fixed_server_never_has(
        self, engine: TgiEngine, ask: Ask
    ) -> None:
        error = await one(engine, ask(require=Requirement("run", 1)))
        assert isinstance(error, FailedPrecondition)
        assert not error.reason
        assert "a run needs kind 'process'" in str(error)

    async def test_one_that_serves_another_model_is_refused(
        self, open_one: Callable[..., Any], checkpoint: Any
    ) -> None:
        with pytest.raises(FailedPrecondition, match="serves 'stand-in'"):
            await open_one(model_path=str(checkpoint))

    async def test_a_response_is_of_the_weights_it_began_on(
        self, tgi_wire: ModuleType, wire: Any, open_one: Callable[..., Any], ask: Ask
    ) -> None:
        """Blue and green: the old server answers what it has begun, and is let go of then."""
        hosting = tgi_wire.TwinHosting(wire.url, in_place=False)
        engine = await open_one(hosting)
        wire.hold.clear()
        (early,) = engine.submit([ask()])
        await wire.until_running(1)
        await engine.load_weights("folder", Version("run", 1))
        (late,) = engine.submit([ask()])
        assert not hosting.retired.is_set()
        wire.hold.set()
        assert (await early).run_id == ""
        assert (await late).run_id == "run"
        await hosting.retired.wait()

    async def test_a_server_that_is_replaced_in_its_place_finishes_first(
        self, tgi_wire: ModuleType, wire: Any, open_one: Callable[..., Any], ask: Ask
    ) -> None:
        engine = await open_one(tgi_wire.TwinHosting(wire.url))
        wire.hold.clear()
        (early,) = engine.submit([ask()])
        await wire.until_running(1)
        loading = asyncio.ensure_future(engine.load_weights("folder", Version("run", 1)))
        (late,) = engine.submit([ask(require=Requirement("run", 1))])
        await asyncio.sleep(0.05)
        assert not loading.done()
        assert wire.running == 1
        wire.hold.set()
        assert (await early).run_id == ""
        assert (await loading).stall_seconds > 0
        assert (await late).run_id == "run"

    async def test_weights_wait_until_they_are_far_enough_ahead_or_required(
        self, tgi_wire: ModuleType, wire: Any, open_one: Callable[..., Any], ask: Ask
    ) -> None:
        hosting = tgi_wire.TwinHosting(wire.url)
        hosting.every = 3
        engine = await open_one(hosting)

        async def served(version: int) -> int:
            return (await engine.load_weights("folder", Version("run", version))).weights.version

        assert [await served(version) for version in range(5)] == [0, 0, 0, 3, 3]
        required = await one(engine, ask(require=Requirement("run", 4)))
        assert required.spans[0].version == 4

    async def test_weights_that_do_not_come_up_rest_before_they_are_tried_again(
        self, tgi_wire: ModuleType, wire: Any, open_one: Callable[..., Any], ask: Ask
    ) -> None:
        hosting = tgi_wire.TwinHosting(wire.url)
        engine = await open_one(hosting, weights_wait_seconds=0.02)
        hosting.broken = True
        with pytest.raises(FailedPrecondition, match="broken"):
            await engine.load_weights("folder", Version("run", 1))
        with pytest.raises(FailedPrecondition, match="tried again in") as caught:
            await engine.load_weights("folder", Version("run", 1))
        assert caught.value.retry_after > 1
        assert hosting.asked == 1
        assert (await one(engine, ask())).run_id == ""
        error = await one(engine, ask(require=Requirement("run", 1)))
        assert error.reason == WEIGHTS_NOT_SERVED
        hosting.broken = False
        assert (await engine.load_weights("folder", Version("run", 2))).weights.version == 2

    async def test_a_change_is_finished_without_whoever_asked_for_it(
        self, tgi_wire: ModuleType, wire: Any, open_one: Callable[..., Any], ask: Ask
    ) -> None:
        """A caller's deadline must not leave the machine without a server."""
        hosting = tgi_wire.TwinHosting(wire.url)
        engine = await open_one(hosting)
        hosting.ready.clear()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await engine.load_weights("folder", Version("run", 1))
        (late,) = engine.submit([ask(require=Requirement("run", 1))])
        hosting.ready.set()
        assert (await late).run_id == "run"
        assert hosting.asked == 1

    async def test_closing_does_not_wait_for_a_server_that_comes_up(
        self, tgi_wire: ModuleType, wire: Any, open_one: Callable[..., Any]
    ) -> None:
        hosting = tgi_wire.TwinHosting(wire.url)
        engine = await open_one(hosting)
        hosting.ready.clear()
        loading = asyncio.ensure_future(engine.load_weights("folder", Version("run", 1)))
        await asyncio.sleep(0.02)
        await engine.close()
        (error,) = await asyncio.gather(loading, return_exceptions=True)
        assert isinstance(error, Unavailable)


async def test_images_are_refused_by_a_model_without_eyes(engine: TgiEngine, ask: Ask) -> None:
    from farfield_model.images import ImageFile

    error = await one(engine, ask(messages=(Message("user", ("look", ImageFile.of(b"png"))),)))
    assert isinstance(error, FailedPrecondition)
    assert "capabilities.images" in str(error)


async def test_a_request_larger_than_the_server_takes_is_not_sent(
    wire: Any, open_one: Callable[..., Any], ask: Ask
) -> None:
    engine = await open_one(payload_limit=200)
    error = await one(engine, ask(messages=(Message("user", "a " * 80),)))
    assert isinstance(error, InvalidArgument)
    assert "the server takes 200" in str(error)
    assert not wire.requests


async def test_a_server_that_is_not_there_is_waited_for_and_named(
    open_one: Callable[..., Any],
) -> None:
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9 .*cannot be reached"):
        await open_one(url="http://127.0.0.1:9", weights={"kind": "fixed", "start_seconds": 0})
