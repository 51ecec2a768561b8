"""The engine before a stand-in for a vLLM server: what it draws is what our own engine draws."""

import asyncio
import json
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from farfield_kernel.errors import (
    CONTEXT_FULL,
    DeadlineExceeded,
    Exhausted,
    FailedPrecondition,
    FarfieldError,
    InvalidArgument,
    PluginFailure,
    Unavailable,
)
from farfield_model.chat import Message
from farfield_model.images import ImageFile
from farfield_policy.config import TorchConfig
from farfield_policy.embedded.engine import open_engine as open_torch
from farfield_policy.engine import Forced, Prompt, Sampling, Version, WeightUpdate
from farfield_policy.vllm.engine import VllmEngine

HELLO = (Message("user", "a b c"),)


def ask(new: int = 12, temperature: float = 1.0, seed: int = 0, **more: Any) -> Prompt:
    sampling = Sampling(new, temperature, **more.pop("sampling", {}))
    return Prompt(sampling, messages=more.pop("messages", HELLO), seed=seed, **more)


async def outcome(engine: VllmEngine, prompt: Prompt) -> Any:
    (result,) = await asyncio.gather(*engine.submit([prompt]), return_exceptions=True)
    return result


async def running(server: Any, count: int) -> None:
    while server.running != count:  # noqa: ASYNC110 - a server tells nobody
        await asyncio.sleep(0.01)


async def test_it_draws_what_the_torch_engine_draws(engine: VllmEngine, checkpoint: Path) -> None:
    native = open_torch(TorchConfig(model=str(checkpoint), max_rows=8))
    rules: list[dict[str, Any]] = [{}, {"top_k": 5}, {"top_p": 0.8}, {"stop_strings": ("d",)}, {}]
    prompts = [
        ask(20, (1.0, 0.7, 0.0)[at % 3], 2**64 - 5 - at, sampling=rule) for at, rule in enumerate(rules * 3)
    ]
    expected = await asyncio.gather(*native.submit(prompts))
    drawn = await asyncio.gather(*engine.submit(prompts))
    for own, theirs in zip(drawn, expected, strict=True):
        assert (own.prompt_ids, own.response_ids) == (theirs.prompt_ids, theirs.response_ids)
        assert (own.finish_reason, own.text, own.spans) == (theirs.finish_reason, theirs.text, theirs.spans)
        assert own.logprobs == pytest.approx(theirs.logprobs, abs=1e-5)
    scored = await engine.score([Forced(one.prompt_ids, one.response_ids) for one in drawn])
    for result, theirs in zip(scored.results, expected, strict=True):
        assert result.logprobs == pytest.approx(theirs.raw_logprobs, abs=1e-4)
    await native.close()


async def test_it_says_what_the_server_can(engine: VllmEngine, server: Any) -> None:
    about = engine.describe()
    able = about.capabilities
    assert (about.engine, about.max_context_tokens, about.eos_token_ids) == ("vllm", 128, (1,))
    assert about.vocabulary == 41
    assert able.token_ids_in
    assert able.token_ids_out
    assert able.logprobs_processed
    assert able.score
    assert able.lora
    assert not able.logprobs_raw
    assert not able.images
    assert not able.deterministic
    assert able.weight_update is WeightUpdate.DISK
    probed = [data for path, data in server.asked if path == "/v1/completions"]
    assert probed[0]["logprobs"] == 2
    assert probed[1]["prompt_logprobs"] == 0


async def test_a_server_of_raw_logprobs_serves_what_is_sampled_as_it_is(
    checkpoint: Path, vllm_stand_in: ModuleType, open_one: Any
) -> None:
    async with vllm_stand_in.VllmStandIn(checkpoint, processed=False) as server:
        engine = await open_one(server)
        able = engine.describe().capabilities
        assert able.logprobs_raw
        assert not able.logprobs_processed
        done = await outcome(engine, ask())
        assert list(done.raw_logprobs) == list(done.logprobs)
        for other in (ask(temperature=0.5), ask(sampling={"top_k": 3}), ask(sampling={"top_p": 0.5})):
            refused = await outcome(engine, other)
            assert isinstance(refused, FailedPrecondition)
            assert "--logprobs-mode processed_logprobs" in str(refused)


async def test_a_server_without_the_endpoints_cannot_be_given_weights(
    checkpoint: Path, vllm_stand_in: ModuleType, open_one: Any, folders: list[Path], adapters: list[Path]
) -> None:
    async with vllm_stand_in.VllmStandIn(checkpoint, updates=False, adapters=False) as server:
        engine = await open_one(server)
        able = engine.describe().capabilities
        assert able.weight_update is WeightUpdate.NONE
        assert not able.lora
        with pytest.raises(FailedPrecondition, match="VLLM_SERVER_DEV_MODE=1"):
            await engine.load_weights(str(folders[0]), Version("run", 1))
        with pytest.raises(FailedPrecondition, match="--enable-lora"):
            await engine.load_weights(str(adapters[0]), Version("run", 1))
        assert (await outcome(engine, ask())).response_ids


@pytest.mark.parametrize(("device", "update"), [("cpu", "none"), ("cuda", "disk")])
async def test_weights_that_a_server_would_change_by_half_are_not_changed(
    checkpoint: Path, tmp_path: Path, vllm_stand_in: ModuleType, open_one: Any, device: str, update: str
) -> None:
    tied = shutil.copytree(checkpoint, tmp_path / "tied")
    config = json.loads((tied / "config.json").read_bytes())
    (tied / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": True}))
    server = vllm_stand_in.VllmStandIn(checkpoint)
    server.device = device
    async with server:
        engine = await open_one(server, tokenizer=str(tied))
        assert engine.describe().capabilities.weight_update.value == update


PICTURE = ImageFile.of(b"picture")


@pytest.mark.parametrize(
    ("prompt", "error", "words"),
    [
        (ask(messages=(Message("user", (PICTURE, "what?")),)), FailedPrecondition, "token ids or images"),
        (ask(prefix_ids=[5], prefix_images=(PICTURE,)), FailedPrecondition, "images is false"),
        (ask(temperature=0.001), FailedPrecondition, "raise it to 0.01"),
        (ask(messages=(), prefix_ids=[5] * 128), FailedPrecondition, "the context holds 128"),
        (ask(messages=(), prefix_ids=[5, 4000]), InvalidArgument, "vocabulary of 41"),
        (ask(new=0), InvalidArgument, "max_new_tokens"),
    ],
)
async def test_what_cannot_be_served_as_asked_is_refused(
    engine: VllmEngine, prompt: Prompt, error: type[FarfieldError], words: str
) -> None:
    refused = await outcome(engine, prompt)
    assert isinstance(refused, error)
    assert words in str(refused)


async def test_a_full_context_has_its_reason(engine: VllmEngine) -> None:
    refused = await outcome(engine, ask(messages=(), prefix_ids=[5] * 128))
    assert refused.reason == CONTEXT_FULL


async def test_scores_are_at_temperature_one_and_leave_room_for_a_token(engine: VllmEngine) -> None:
    items = [Forced([5, 6], [7], 1.0), Forced([5], [6], 0.5), Forced([5] * 100, [6] * 28)]
    good, tempered, full = (await engine.score(items)).results
    assert len(good.logprobs) == 1
    assert isinstance(tempered, FailedPrecondition)
    assert isinstance(full, InvalidArgument)


# Faults


@pytest.mark.parametrize("status", [429, 503, 502, 0])
async def test_what_passes_is_tried_again(
    engine: VllmEngine, server: Any, vllm_stand_in: ModuleType, status: int
) -> None:
    whole = await outcome(engine, ask(seed=5))
    server.faults += [vllm_stand_in.Fault(status), vllm_stand_in.Fault(status, late=True)]
    again = await outcome(engine, ask(seed=5))
    assert not server.faults
    assert again.response_ids == whole.response_ids


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (429, Exhausted),
        (503, Unavailable),
        (0, Unavailable),
        (500, PluginFailure),
        (400, InvalidArgument),
        (422, InvalidArgument),
        (401, FailedPrecondition),
    ],
)
async def test_what_lasts_is_the_prompts_error(
    server: Any, open_one: Any, vllm_stand_in: ModuleType, status: int, error: type[FarfieldError]
) -> None:
    engine = await open_one(server, retries=1)
    server.faults += [vllm_stand_in.Fault(status)] * 2
    failed = await outcome(engine, ask())
    assert type(failed) is error
    server.faults.clear()
    assert (await outcome(engine, ask())).response_ids


async def test_a_busy_server_may_say_when_to_come_back(
    server: Any, open_one: Any, vllm_stand_in: ModuleType
) -> None:
    engine = await open_one(server, retries=0)
    server.faults.append(vllm_stand_in.Fault(429, headers={"Retry-After": "7"}))
    assert (await outcome(engine, ask())).retry_after == 7


async def test_a_server_that_does_not_answer_is_given_up(server: Any, open_one: Any) -> None:
    engine = await open_one(server, timeout_seconds=0.5)
    server.hold.clear()
    assert isinstance(await outcome(engine, ask()), DeadlineExceeded)
    server.hold.set()
    assert (await outcome(engine, ask())).response_ids


async def test_what_nobody_waits_for_is_given_up_by_the_server(engine: VllmEngine, server: Any) -> None:
    server.hold.clear()
    futures = engine.submit([ask(seed=seed) for seed in range(4)])
    await running(server, 4)
    for future in futures:
        future.cancel()
    await running(server, 0)
    server.hold.set()
    assert await engine.pause(drain=True) == 0


async def test_closing_answers_whatever_runs(engine: VllmEngine, server: Any) -> None:
    server.hold.clear()
    (response,) = engine.submit([ask()])
    await running(server, 1)
    await engine.close()
    with pytest.raises(Unavailable, match="shutting down"):
        await response


async def test_a_full_queue_says_when_to_come_back(server: Any, open_one: Any) -> None:
    engine = await open_one(server, max_queue=2)
    results = await asyncio.gather(*engine.submit([ask(seed=s) for s in range(3)]), return_exceptions=True)
    assert [isinstance(result, Exhausted) for result in results] == [False, False, True]


# At the start


async def test_a_key_is_shown_and_a_wrong_one_is_named(
    checkpoint: Path, vllm_stand_in: ModuleType, open_one: Any
) -> None:
    async with vllm_stand_in.VllmStandIn(checkpoint, key="secret") as server:
        with pytest.raises(FailedPrecondition, match=r"engine\.token"):
            await open_one(server)
        engine = await open_one(server, token="secret")
        assert (await outcome(engine, ask())).response_ids


async def test_a_server_that_never_comes_up_is_named(
    checkpoint: Path, vllm_stand_in: ModuleType, open_one: Any
) -> None:
    server = vllm_stand_in.VllmStandIn(checkpoint)
    server.port = 1
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1 in 0 seconds .*vllm serve"):
        await open_one(server, start_seconds=0, retries=0)


async def test_a_model_that_is_not_there_is_told_from_those_that_are(
    server: Any, open_one: Any, checkpoint: Path
) -> None:
    with pytest.raises(FailedPrecondition, match=rf"'other'; .* serves {checkpoint}"):
        await open_one(server, model="other")
    assert (await open_one(server, model=str(checkpoint))).describe().engine == "vllm"
