"""The engine: prompts become ids here, a vLLM server draws, and what it draws is checked and stamped."""

import asyncio
import logging
from collections.abc import Sequence
from time import perf_counter
from typing import Any

from transformers import AutoConfig

from farfield_kernel.batching import settle
from farfield_kernel.errors import (
    Exhausted,
    FailedPrecondition,
    FarfieldError,
    NotFound,
    PluginFailure,
    Unavailable,
)
from farfield_model.chat import Chat, images_of
from farfield_model.tokenizing import end_ids_in, load_tokenizer
from farfield_policy import meters
from farfield_policy.engine import (
    Capabilities,
    Completion,
    Description,
    Forced,
    Prompt,
    Scored,
    Scores,
    Swapped,
    Version,
    WeightUpdate,
)
from farfield_policy.gate import SHUTTING_DOWN, Gate
from farfield_policy.limits import check_prompt_ids, fault_of
from farfield_policy.remote import Remote
from farfield_policy.vllm.config import VllmConfig
from farfield_policy.vllm.probe import Found, await_server, probe
from farfield_policy.vllm.server import Server
from farfield_policy.vllm.weights import ServerWeights
from farfield_policy.vllm.wire import (
    COOLEST,
    Ask,
    answer_from,
    completion_of,
    is_plain,
    request_of,
    score_request,
    scores_from,
)

log = logging.getLogger(__name__)


class VllmEngine:
    """Made on the event loop that calls it; a task for every prompt."""

    def __init__(
        self,
        config: VllmConfig,
        server: Server,
        found: Found,
        chat: Chat,
        eos_ids: tuple[int, ...],
        vocabulary: int,
    ) -> None:
        self._config, self._server, self._found = config, server, found
        self._chat, self._eos_ids, self._vocabulary = chat, eos_ids, vocabulary
        self._gate = Gate(config.max_concurrency, config.weights_wait_seconds)
        self._weights = ServerWeights(server, self._gate, found)
        self._tasks: dict[asyncio.Future[Completion], asyncio.Task[None]] = {}
        self._closed = False

    async def adopt(self) -> None:
        """Call before anything else."""
        await self._weights.adopt()
        meters.rows.set(self._config.max_concurrency)

    def describe(self) -> Description:
        found = self._found
        return Description(
            engine="vllm",
            capabilities=Capabilities(
                logprobs_raw=not found.processed,
                logprobs_processed=found.processed,
                score=found.score,
                lora=found.adapters,
                weight_update=WeightUpdate.DISK if found.in_place else WeightUpdate.NONE,
            ),
            weights=self._gate.serving,
            max_context_tokens=found.card.max_context,
            max_concurrency=self._config.max_concurrency,
            eos_token_ids=self._eos_ids,
            vocabulary=self._vocabulary,
        )

    def submit(self, prompts: Sequence[Prompt]) -> list[asyncio.Future[Completion]]:
        return [self._start(prompt) for prompt in prompts]

    async def score(self, items: Sequence[Forced]) -> Scored:
        if not self._found.score:
            raise FailedPrecondition("this server gives no prompt logprobs (capabilities.score is false)")
        async with self._gate.passage() as served:
            with self._weights.used() as model:
                results = await asyncio.gather(
                    *(self._score(item, model) for item in items), return_exceptions=True
                )
            await self._weights.confirm()
        return Scored([_outcome(result) for result in results], served)

    async def load_weights(self, path: str, weights: Version) -> Swapped:
        self._check_open()
        started = perf_counter()
        stall = await self._weights.change(path, weights)
        seconds = perf_counter() - started
        meters.load_seconds.observe(seconds)
        meters.swap_seconds.observe(stall)
        log.info("serving %s from %s", weights, path)
        return Swapped(weights, seconds, stall)

    async def pause(self, drain: bool) -> int:
        self._check_open()
        return await self._gate.pause(drain)

    async def resume(self) -> None:
        await self._gate.resume()

    async def close(self) -> None:
        """Responses that still run are told UNAVAILABLE; the server is left as it is."""
        if self._closed:
            return
        self._closed = True
        await self._gate.close()
        await self._weights.close()
        tasks = dict(self._tasks)
        for future, task in tasks.items():
            settle(future, Unavailable(SHUTTING_DOWN))
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        await self._server.close()

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable(SHUTTING_DOWN)

    # One prompt

    def _start(self, prompt: Prompt) -> asyncio.Future[Completion]:
        future: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        if self._closed:
            future.set_exception(Unavailable(SHUTTING_DOWN))
        elif len(self._tasks) >= self._config.max_queue:
            future.set_exception(Exhausted(f"{len(self._tasks)} prompts wait or run already", retry_after=1))
        else:
            task = asyncio.create_task(self._serve(prompt, future))
            self._tasks[future] = task
            future.add_done_callback(self._forget)
        return future

    def _forget(self, future: asyncio.Future[Completion]) -> None:
        """A response that nobody waits for any more is given up by the server when its call is."""
        task = self._tasks.pop(future, None)
        if task and future.cancelled():
            task.cancel()

    async def _serve(self, prompt: Prompt, future: asyncio.Future[Completion]) -> None:
        started = perf_counter()
        try:
            result: Completion | Exception = await self._answer(prompt)
        except FarfieldError as error:
            result = error
        except Exception:  # a defect of ours hurts this prompt alone
            log.exception("a prompt could not be served")
            result = PluginFailure("the engine failed; the service's log has the details")
        if isinstance(result, Exception):
            meters.failed.inc()
        meters.request_seconds.observe(perf_counter() - started)
        settle(future, result)

    async def _answer(self, prompt: Prompt) -> Completion:
        ask = self._read(prompt)
        meters.queued.inc()
        try:
            async with self._gate.passage(prompt.require) as served:
                with meters.running.track_inprogress(), self._weights.used() as model:
                    data = await self._complete(request_of(ask, model))
                raw = not self._found.processed
                answer = answer_from(data, ask.ids)
                done = completion_of(ask, answer, served, self._chat.decode, raw=raw)
                await self._weights.confirm()
        finally:
            meters.queued.dec()
        meters.answered(done)
        return done

    async def _complete(self, body: dict[str, Any]) -> Any:
        try:
            return await self._server.complete(body)
        except NotFound as error:
            why = "the vLLM server does not know the model that it was given; try again later"
            raise await self._weights.lost(why) from error

    def _read(self, prompt: Prompt) -> Ask:
        sampling = prompt.sampling
        sampling.validate()
        if prompt.prefix_images or images_of(prompt.messages):
            raise FailedPrecondition(
                "engine vllm takes no images (capabilities.images is false): vLLM's completions take token "
                "ids or images, not both; serve this model with engine torch"
            )
        if not self._found.processed and not is_plain(sampling):
            raise FailedPrecondition(
                f"temperature {sampling.temperature:g}, top_k {sampling.top_k}, top_p {sampling.top_p:g}: "
                "the server gives the model's own logprobs and not those of such samples; start it with "
                "--logprobs-mode processed_logprobs"
            )
        if 0 < sampling.temperature < COOLEST:
            raise FailedPrecondition(
                f"sampling.temperature is {sampling.temperature:g}; vLLM would raise it to {COOLEST}: "
                "set 0 for greedy responses"
            )
        ids = self._chat.build(prompt.prefix_ids, prompt.messages)
        check_prompt_ids(ids, self._vocabulary, self._found.card.max_context)
        stops = tuple(sorted({*self._eos_ids, *sampling.stop_token_ids}))
        return Ask(ids, sampling, prompt.seed, stops, self._found.card.max_context - len(ids))

    async def _score(self, item: Forced, model: str) -> Scores:
        if item.images:
            raise FailedPrecondition("engine vllm takes no images (capabilities.images is false)")
        # The server draws one token more than it scores, and that has to fit too.
        fault = fault_of(item, self._vocabulary, self._found.card.max_context - 1)
        if fault:
            raise fault
        if item.temperature not in (0, 1):
            raise FailedPrecondition(
                f"temperature is {item.temperature:g}; vLLM scores a prompt at temperature 1 alone"
            )
        ids = [*item.prompt_ids, *item.response_ids]
        data = await self._complete(score_request(ids, model))
        return scores_from(data, item.prompt_ids, item.response_ids)


def _outcome(result: Scores | BaseException) -> Scores | Exception:
    if isinstance(result, (Scores, FarfieldError)):
        return result
    if isinstance(result, Exception):
        log.error("a response could not be scored", exc_info=result)
        return PluginFailure("the engine failed; the service's log has the details")
    raise result


async def open_engine(config: VllmConfig) -> VllmEngine:
    """Waits for the server, asks it what it can do, and takes over what it serves."""
    tokenizer = load_tokenizer(config.tokenizer)
    eos_ids = end_ids_in(config.tokenizer, tokenizer)
    if not eos_ids:
        raise FailedPrecondition(f"{config.tokenizer} names no end-of-sequence token")
    chat = Chat(tokenizer, eos_ids, config.allow_rewriting_template)
    connections = config.max_concurrency + 8
    remote = Remote(
        config.url,
        config.token,
        config.timeout_seconds,
        connections,
        config.retries,
        config.first_pause_seconds,
    )
    server = Server(remote, config.load_seconds)
    try:
        await await_server(server, config.start_seconds)
        found = await probe(server, config.model, [eos_ids[0], eos_ids[0]])
        engine = VllmEngine(config, server, found, chat, eos_ids, _vocabulary(config.tokenizer, tokenizer))
        await engine.adopt()
    except BaseException:
        await server.close()
        raise
    return engine


def _vocabulary(path: str, tokenizer: Any) -> int:
    """How many ids the model knows; the tokenizer's where there is a tokenizer alone."""
    try:
        return int(AutoConfig.from_pretrained(path).get_text_config().vocab_size)
    except (OSError, ValueError):
        return len(tokenizer)
