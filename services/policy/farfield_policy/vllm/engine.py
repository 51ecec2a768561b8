"""The engine: prompts become ids here, a vLLM server draws, and what it draws is checked and stamped."""

import asyncio
import logging
from collections.abc import Sequence
from time import perf_counter
from typing import Any

from transformers import AutoConfig

from farfield_kernel.errors import FailedPrecondition, FarfieldError, NotFound, PluginFailure
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
from farfield_policy.limits import check_prompt_ids, fault_of
from farfield_policy.prompt_tasks import PromptTasks
from farfield_policy.vllm.config import VllmConfig
from farfield_policy.vllm.probe import Found, await_server, probe
from farfield_policy.vllm.remote import Remote
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
    """Used from one event loop, on which everything runs."""

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
        self.weights = ServerWeights(server, found, config.max_concurrency, config.weights_wait_seconds)
        self._gate = self.weights.gate
        self._prompts = PromptTasks(self._answer, config.max_queue)
        meters.rows.set(config.max_concurrency)

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
            weights=self._gate.server.version,
            max_context_tokens=found.card.max_context,
            max_concurrency=self._config.max_concurrency,
            eos_token_ids=self._eos_ids,
            vocabulary=self._vocabulary,
        )

    def submit(self, prompts: Sequence[Prompt]) -> list[asyncio.Future[Completion]]:
        return self._prompts.submit(prompts)

    async def score(self, items: Sequence[Forced]) -> Scored:
        if not self._found.score:
            raise FailedPrecondition("this server gives no prompt logprobs (capabilities.score is false)")
        async with self._gate.entered(None) as served:
            scored = (self._score(item, served.model) for item in items)
            results = await asyncio.gather(*scored, return_exceptions=True)
            await self.weights.confirm()
        return Scored(list(map(_outcome, results)), served.version)

    async def load_weights(self, path: str, weights: Version) -> Swapped:
        started = perf_counter()
        stall = await self.weights.change(path, weights)
        seconds = perf_counter() - started
        meters.load_seconds.observe(seconds)
        meters.swap_seconds.observe(stall)
        log.info("serving %s from %s", weights, path)
        return Swapped(weights, seconds, stall)

    async def pause(self, drain: bool) -> int:
        self._gate.check_open()
        await self._gate.pause()
        return await self.weights.idle() if drain else self.weights.running

    async def resume(self) -> None:
        await self._gate.resume()

    async def close(self) -> None:
        """The server is left as it is."""
        await self._gate.close()
        await self._prompts.close()
        await self.weights.close()
        await self._server.close()

    async def _answer(self, prompt: Prompt) -> Completion:
        ask = self._read(prompt)
        async with self._gate.entered(prompt.require) as served:
            answer = answer_from(await self._complete(request_of(ask, served.model)), ask.ids)
            await self.weights.confirm()
        raw = not self._found.processed
        return completion_of(ask, answer, served.version, self._chat.decode, raw=raw)

    async def _complete(self, body: dict[str, Any]) -> Any:
        try:
            return await self._server.complete(body)
        except NotFound as error:
            why = "the vLLM server does not know the model that it was given; try again later"
            raise await self.weights.lost(why) from error

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
        vocabulary, tied = _of_model(config.tokenizer, tokenizer)
        found = await probe(server, config.model, [eos_ids[0], eos_ids[0]], tied)
        engine = VllmEngine(config, server, found, chat, eos_ids, vocabulary)
        await engine.weights.adopt()
    except BaseException:
        await server.close()
        raise
    return engine


def _of_model(path: str, tokenizer: Any) -> tuple[int, bool]:
    """How many ids the model knows, and whether its embeddings are tied; of a tokenizer alone its own ids."""
    try:
        text = AutoConfig.from_pretrained(path).get_text_config()
    except (OSError, ValueError):
        return len(tokenizer), False
    return int(text.vocab_size), bool(text.tie_word_embeddings)
