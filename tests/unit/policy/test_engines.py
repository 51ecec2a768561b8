"""What every engine does: each of them under the same tests; tgi and vllm before stand-ins of their wires."""

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from farfield_kernel.errors import (
    WEIGHTS_NOT_SERVED,
    Exhausted,
    FailedPrecondition,
    FarfieldError,
    InvalidArgument,
    PluginFailure,
    Unavailable,
)
from farfield_model.chat import Message
from farfield_policy.config import TorchConfig
from farfield_policy.embedded.engine import TorchEngine, open_engine
from farfield_policy.engine import (
    Engine,
    FinishReason,
    Forced,
    Prompt,
    Requirement,
    Sampling,
    Version,
)
from farfield_policy.scripted import ScriptedEngine
from farfield_policy.tgi.config import TgiConfig
from farfield_policy.tgi.engine import open_engine as open_tgi_engine
from farfield_policy.vllm.config import VllmConfig
from farfield_policy.vllm.engine import open_engine as open_vllm_engine

HELLO = (Message("user", "a b c"),)
LONG = 120
"""Tokens of a response that is not over when a test gets to its next line."""


def ask(new: int = 8, temperature: float = 1.0, seed: int = 0, **more: Any) -> Prompt:
    return Prompt(Sampling(new, temperature), messages=more.pop("messages", HELLO), seed=seed, **more)


Open = Callable[..., Awaitable[Engine]]


@pytest.fixture(params=["torch", "scripted", "tgi", "vllm"])
async def open_one(
    request: pytest.FixtureRequest,
    checkpoint: Path,
    tgi_wire: ModuleType,
    vllm_stand_in: ModuleType,
    make_word_tokenizer: Callable[..., Any],
) -> AsyncIterator[Open]:
    """Opens an engine that waits so many seconds for weights."""
    model = str(checkpoint)

    async with AsyncExitStack() as opened:

        async def make(wait: float = 30) -> Engine:
            match request.param:
                case "torch":
                    engine: Engine = open_engine(
                        TorchConfig(model=model, max_rows=4, weights_wait_seconds=wait)
                    )
                case "scripted":
                    engine = ScriptedEngine(["d e f", "g"], 0.001, weights_wait_seconds=wait, rows=4)
                case "tgi":
                    twin = tgi_wire.TgiWire(tgi_wire.scripted(make_word_tokenizer(), ["d e f", "g"]))
                    wire = await opened.enter_async_context(twin)
                    tgi = TgiConfig(kind="tgi", url=wire.url, tokenizer=model, weights_wait_seconds=wait)
                    engine = await open_tgi_engine(tgi, tgi_wire.TwinHosting(wire.url))
                case _:
                    server = await opened.enter_async_context(vllm_stand_in.VllmStandIn(checkpoint, rows=4))
                    vllm = VllmConfig(kind="vllm", url=server.url, tokenizer=model, max_concurrency=4)
                    patient = vllm.model_copy(update={"weights_wait_seconds": wait})
                    engine = await open_vllm_engine(patient)
            opened.push_async_callback(engine.close)
            return engine

        yield make


@pytest.fixture
async def engine(open_one: Open) -> Engine:
    return await open_one()


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory, make_llama: Callable[[int], Any]) -> str:
    folder = tmp_path_factory.mktemp("published")
    make_llama(7).save_pretrained(folder)
    return str(folder)


async def outcome(future: asyncio.Future) -> Any:
    (result,) = await asyncio.gather(future, return_exceptions=True)
    return result


def raises(*_: object) -> None:
    raise RuntimeError("no device")


class TestEveryEngine:
    async def test_a_response_has_ids_and_logprobs(self, engine: Engine) -> None:
        (done,) = await asyncio.gather(*engine.submit([ask()]))
        assert done.prompt_ids
        assert 1 <= len(done.response_ids) <= 8
        assert len(done.response_ids) == len(done.logprobs)
        raw = engine.describe().capabilities.logprobs_raw
        assert len(done.raw_logprobs) == (len(done.response_ids) if raw else 0)
        assert sum(span.tokens for span in done.spans) == len(done.response_ids)

    async def test_a_conversation_goes_on_from_its_ids(self, engine: Engine) -> None:
        (first,) = await asyncio.gather(*engine.submit([ask()]))
        prefix = [*first.prompt_ids, *first.response_ids]
        second = await outcome(engine.submit([ask(prefix_ids=prefix)])[0])
        if not engine.describe().capabilities.token_ids_in:
            assert isinstance(second, FailedPrecondition)
            assert "the whole conversation as messages" in str(second)
            return
        assert second.prompt_ids[: len(prefix)] == prefix
        assert len(second.prompt_ids) > len(prefix)

    async def test_more_prompts_than_rows_are_all_answered(self, engine: Engine) -> None:
        prompts = [ask(seed=seed) for seed in range(11)]
        assert len(await asyncio.gather(*engine.submit(prompts))) == 11

    async def test_a_malformed_prompt_fails_alone(self, engine: Engine) -> None:
        good, none, empty = engine.submit([ask(), ask(new=0), ask(messages=())])
        assert (await good).response_ids
        for future, words in ((none, "max_new_tokens"), (empty, "empty")):
            error = await outcome(future)
            assert isinstance(error, InvalidArgument)
            assert words in str(error)

    async def test_weights_are_described_and_stamped(self, engine: Engine, published: str) -> None:
        assert engine.describe().weights == Version("", 0)
        swapped = await engine.load_weights(published, Version("run", 2, "abc"))
        assert swapped.weights == engine.describe().weights == Version("run", 2, "abc")
        (done,) = await asyncio.gather(*engine.submit([ask()]))
        assert (done.run_id, done.spans[0].version) == ("run", 2)

    async def test_a_prompt_waits_for_the_weights_it_requires(self, engine: Engine, published: str) -> None:
        (early,) = engine.submit([ask(require=Requirement("run", 1))])
        await engine.load_weights(published, Version("run", 1))
        assert (await early).run_id == "run"

    async def test_weights_that_do_not_come_are_a_failed_precondition(
        self, open_one: Open, published: str
    ) -> None:
        engine = await open_one(wait=0.02)
        await engine.load_weights(published, Version("run", 3, "abc"))
        unmet = [Requirement("other"), Requirement("run", 5, "", 1), Requirement("run", 3, "def")]
        unmet.append(Requirement("run", 2, "", 2))  # newer: of a life that the run has fallen back behind
        met = [Requirement("run", 5, "", 2), Requirement("run", 3), Requirement("run", 3, "abc")]
        futures = engine.submit([ask(require=require) for require in (*unmet, *met)])
        results = [await outcome(future) for future in futures]
        for error in results[: len(unmet)]:
            assert isinstance(error, FailedPrecondition)
            assert error.reason == WEIGHTS_NOT_SERVED
            assert "version 3 of run 'run' is served" in str(error)
        assert all(result.response_ids for result in results[len(unmet) :])

    async def test_scores_come_with_their_version(self, engine: Engine, published: str) -> None:
        if not engine.describe().capabilities.score:
            with pytest.raises(FailedPrecondition, match="scores no token ids"):
                await engine.score([Forced([5, 6], [7, 8, 9])])
            return
        await engine.load_weights(published, Version("run", 1))
        scored = await engine.score([Forced([5, 6], [7, 8, 9]), Forced([], [7])])
        assert len(scored.results[0].logprobs) == 3
        assert isinstance(scored.results[1], InvalidArgument)
        assert scored.weights == Version("run", 1)

    async def test_a_pause_drains_and_admits_nothing_until_resumed(self, engine: Engine) -> None:
        short, long = engine.submit([ask(new=1), ask(new=40)])
        await short  # and so both were admitted
        assert await engine.pause(drain=True) == 0
        assert (await long).response_ids
        (waiting,) = engine.submit([ask()])
        assert await engine.pause(drain=False) == 0
        assert not waiting.done()
        await engine.resume()
        assert (await waiting).response_ids

    async def test_a_pause_that_does_not_end_is_unavailable(self, open_one: Open) -> None:
        engine = await open_one(wait=0.02)
        await engine.pause(drain=False)
        assert isinstance(await outcome(engine.submit([ask()])[0]), Unavailable)

    async def test_cancelled_prompts_make_room(self, engine: Engine) -> None:
        hopeless = engine.submit([ask(new=LONG, seed=seed) for seed in range(20)])
        await asyncio.sleep(0)
        for future in hopeless:
            future.cancel()
        (done,) = await asyncio.gather(*engine.submit([ask()]))
        assert done.response_ids
        assert await engine.pause(drain=True) == 0

    async def test_a_closed_engine_is_unavailable(self, engine: Engine) -> None:
        (waiting,) = engine.submit([ask(require=Requirement("never"))])
        await engine.close()
        assert isinstance(await outcome(waiting), FarfieldError)
        assert isinstance(await outcome(engine.submit([ask()])[0]), Unavailable)


class TestTorchEngine:
    @pytest.fixture
    async def opened(self, checkpoint: Path) -> AsyncIterator[TorchEngine]:
        config = TorchConfig(model=str(checkpoint), max_rows=4, max_queue=6, max_context=100)
        engine = open_engine(config)
        yield engine
        await engine.close()

    async def test_the_same_seed_gives_the_same_response(self, opened: TorchEngine) -> None:
        prompts = [ask(seed=1), ask(seed=2), ask(seed=1)]
        same, other, again = await asyncio.gather(*opened.submit(prompts))
        assert same.response_ids == again.response_ids != other.response_ids

    async def test_sampled_and_scored_logprobs_agree(self, opened: TorchEngine) -> None:
        done = await asyncio.gather(*opened.submit([ask(seed=seed) for seed in range(5)]))
        scored = await opened.score([Forced(one.prompt_ids, one.response_ids) for one in done])
        for one, scores in zip(done, scored.results, strict=True):
            assert one.logprobs == pytest.approx(scores.logprobs, abs=1e-4)

    async def test_a_swap_does_not_interrupt_running_responses(
        self, opened: TorchEngine, published: str
    ) -> None:
        await opened.load_weights(published, Version("run", 1))
        require = Requirement("run", 2, "", 1)
        short, *futures = opened.submit(
            [
                Prompt(Sampling(new, 1.0), [5, 6, 7], seed=seed, require=require)
                for seed, new in enumerate((1, 90, 90, 90))
            ]
        )
        await short  # and so all of them run
        await opened.load_weights(published, Version("run", 2))
        for done in await asyncio.gather(*futures):
            assert [span.version for span in done.spans] in ([1], [1, 2])
            assert sum(span.tokens for span in done.spans) == len(done.response_ids)

    async def test_another_run_fails_what_required_the_old_one(
        self, checkpoint: Path, published: str
    ) -> None:
        engine = open_engine(TorchConfig(model=str(checkpoint), max_rows=2, weights_wait_seconds=0.02))
        await engine.load_weights(published, Version("run", 1))
        futures = engine.submit([ask(90, seed=seed, require=Requirement("run", 1)) for seed in range(6)])
        await engine.load_weights(published, Version("other", 0))
        for future in futures:
            result = await outcome(future)
            assert isinstance(result, FailedPrecondition) or result.run_id == "run"
        await engine.close()

    async def test_no_version_is_held_longer_than_it_serves(
        self, opened: TorchEngine, published: str
    ) -> None:
        first = weakref.ref(opened._decoder.model.module)
        await opened.load_weights(published, Version("run", 1))
        await asyncio.gather(*opened.submit([ask()]))
        gc.collect()
        assert first() is None

    async def test_a_step_that_fails_hurts_its_batch_alone(
        self, opened: TorchEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as broken:
            broken.setattr(opened._decoder, "step", raises)
            assert isinstance(await outcome(opened.submit([ask()])[0]), PluginFailure)
        (done,) = await asyncio.gather(*opened.submit([ask()]))
        assert done.response_ids

    async def test_a_lost_device_ends_the_service_and_leaves_nobody_waiting(
        self, opened: TorchEngine, published: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(opened._decoder, "step", raises)
        monkeypatch.setattr(opened._decoder, "reset", raises)
        waits, runs = opened.submit([ask(require=Requirement("never")), ask()])
        with pytest.raises(RuntimeError, match="no device"):
            await opened.lasts()
        assert isinstance(await outcome(runs), PluginFailure)
        assert isinstance(await outcome(waits), Unavailable)
        assert isinstance(await outcome(opened.submit([ask()])[0]), Unavailable)
        with pytest.raises(Unavailable):
            await opened.load_weights(published, Version("run", 1))

    async def test_what_comes_while_a_device_is_lost_is_answered_too(
        self, opened: TorchEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        failing, submitted = threading.Event(), threading.Event()

        def lost() -> None:
            failing.set()
            submitted.wait(10)
            raises()

        monkeypatch.setattr(opened._decoder, "step", raises)
        monkeypatch.setattr(opened._decoder, "reset", lost)
        (first,) = opened.submit([ask()])
        assert await asyncio.to_thread(failing.wait, 10)
        (late,) = opened.submit([ask()])
        submitted.set()
        assert isinstance(await outcome(first), PluginFailure)
        assert isinstance(await asyncio.wait_for(outcome(late), 10), Unavailable)

    async def test_a_full_queue_says_when_to_come_back(self, opened: TorchEngine) -> None:
        futures = opened.submit([ask(seed=seed) for seed in range(8)])
        results = [await outcome(future) for future in futures]
        assert [isinstance(result, Exhausted) for result in results] == [False] * 6 + [True] * 2
        assert results[-1].retry_after
        assert (await opened.submit([ask()])[0]).response_ids

    async def test_prompts_that_cannot_be_served_say_why(self, opened: TorchEngine) -> None:
        for prompt, error, words in (
            (ask(messages=(), prefix_ids=[5] * 100), FailedPrecondition, "100 tokens; the context holds 100"),
            (ask(messages=(), prefix_ids=[5, 4000]), InvalidArgument, "vocabulary"),
            (ask(messages=(), prefix_ids=[-1]), InvalidArgument, "vocabulary"),
            (ask(temperature=-1.0), InvalidArgument, "temperature"),
        ):
            result = await outcome(opened.submit([prompt])[0])
            assert isinstance(result, error)
            assert words in str(result)

    async def test_stop_token_and_text(self, opened: TorchEngine) -> None:
        prompt = Prompt(Sampling(60, 1.0, stop_token_ids=tuple(range(5, 41))), messages=HELLO)
        done = await opened.submit([prompt])[0]
        assert done.finish_reason is FinishReason.STOP_TOKEN
        assert "<" not in done.text

    async def test_a_failure_of_the_model_hurts_the_running_batch_alone(
        self, opened: TorchEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module = opened._model.module

        def explode(*args: object) -> None:
            raise RuntimeError("no more memory")

        handle = module.model.norm.register_forward_pre_hook(explode)
        opened._model._fused._norm.register_forward_pre_hook(explode)
        result = await outcome(opened.submit([ask()])[0])
        assert isinstance(result, FarfieldError)
        assert "memory" not in str(result)
        handle.remove()
        opened._model._fused._norm._forward_pre_hooks.clear()
        assert (await opened.submit([ask()])[0]).response_ids

    async def test_tokens_are_told_as_they_are_drawn_and_the_last_by_the_completion(
        self, opened: TorchEngine
    ) -> None:
        told: list[list[tuple[int, float]]] = [[], []]
        prompts = [
            ask(9, seed=seed, on_token=lambda *token, seed=seed: told[seed].append(token)) for seed in (0, 1)
        ]
        for heard, future in zip(told, opened.submit([*prompts, ask(9, seed=2)]), strict=False):
            done = await future
            assert heard == list(zip(done.response_ids, done.logprobs, strict=True))[:-1]

    async def test_it_describes_itself(self, opened: TorchEngine) -> None:
        about = opened.describe()
        assert (about.engine, about.max_context_tokens, about.max_concurrency) == ("torch", 100, 4)
        assert about.eos_token_ids == (1,)
        assert about.vocabulary == 41
        assert about.parameters > 10_000


class TestScriptedEngine:
    async def test_responses_are_given_in_turn(self) -> None:
        engine = ScriptedEngine(["one", "two"])
        done = await asyncio.gather(*engine.submit([ask(), ask(), ask()]))
        assert [one.text for one in done] == ["one", "two"] * 1 + ["one"]

    async def test_a_function_answers_the_conversation(self) -> None:
        engine = ScriptedEngine(lambda prompt, text: text.splitlines()[-2].removeprefix("user: ").upper())
        (done,) = await asyncio.gather(*engine.submit([ask()]))
        assert done.text == "A B C"
        assert done.finish_reason is FinishReason.STOP_TOKEN

    async def test_stops_and_lengths_cut_the_script(self) -> None:
        engine = ScriptedEngine(["one stop two"])
        stopping = Prompt(Sampling(50, stop_strings=("stop",)), messages=HELLO)
        stopped, short = await asyncio.gather(*engine.submit([stopping, ask(new=3)]))
        assert (stopped.text, stopped.finish_reason) == ("one stop", FinishReason.STOP_STRING)
        assert (short.text, short.finish_reason) == ("one", FinishReason.LENGTH)


class TestDeterministicEngine:
    async def test_results_are_bit_identical_however_prompts_arrive(self, checkpoint: Path) -> None:
        config = TorchConfig(model=str(checkpoint), max_rows=16, max_context=100, deterministic=True)
        engine = open_engine(config)
        assert engine.describe().capabilities.deterministic
        prompts = [ask(12, seed=seed) for seed in range(20)]
        together = await asyncio.gather(*engine.submit(prompts))
        assert [await engine.submit([prompt])[0] for prompt in prompts] == together
        await engine.close()
