"""The embedded engine: any Hugging Face causal language model, decoded by our own loop."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence

import torch
from transformers import AutoTokenizer, GenerationConfig

from farfield_kernel.errors import (
    CONTEXT_FULL,
    Exhausted,
    FailedPrecondition,
    FarfieldError,
    InvalidArgument,
    Unavailable,
)
from farfield_policy import meters
from farfield_policy.chat import Chat
from farfield_policy.config import TorchConfig
from farfield_policy.decode import Decoder, Settings
from farfield_policy.decode_thread import SHUTTING_DOWN, DecodeThread, Ticket
from farfield_policy.determinism import prove
from farfield_policy.engine import (
    Capabilities,
    Completion,
    Description,
    Forced,
    Prompt,
    Scored,
    Swapped,
    Version,
)
from farfield_policy.model import Model, load, load_beside
from farfield_policy.rows import Request
from farfield_policy.scoring import score

log = logging.getLogger(__name__)


class TorchEngine:
    """Made on the event loop that calls it; decoding runs in a thread of its own."""

    def __init__(self, config: TorchConfig, model: Model, chat: Chat, eos_ids: tuple[int, ...]) -> None:
        self._config = config
        self._model = model
        self._chat = chat
        self._eos_ids = eos_ids
        self._version = Version()
        self._max_context = min(config.max_context, model.max_context)
        self._pending = 0
        self._closed = False
        self._loading = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        settings = Settings(
            rows=config.max_rows,
            max_context=self._max_context,
            prefill_tokens=config.prefill_tokens,
            kept_tokens=config.kept_tokens,
            deterministic=config.deterministic,
        )
        self._decoder = Decoder(model, self._version, settings, chat.decode)
        if config.deterministic:
            prove(self._decoder, settings.rows)
        meters.version.labels("").set(0)
        self._thread = DecodeThread(self._decoder, config.weights_wait_seconds)
        self._thread.start()

    def describe(self) -> Description:
        return Description(
            engine="torch",
            capabilities=Capabilities(
                score=True, weight_update_from_disk=True, deterministic=self._config.deterministic
            ),
            weights=self._version,
            max_context_tokens=self._max_context,
            max_concurrency=self._config.max_rows,
            eos_token_ids=self._eos_ids,
            parameters=self._model.parameters,
            vocabulary=self._model.vocabulary,
        )

    def submit(self, prompts: Sequence[Prompt]) -> list[asyncio.Future[Completion]]:
        futures: list[asyncio.Future[Completion]] = []
        tickets = []
        for prompt in prompts:
            future: asyncio.Future[Completion] = self._loop.create_future()
            futures.append(future)
            try:
                tickets.append(self._ticket(prompt, future))
            except FarfieldError as error:
                future.set_exception(error)
        if tickets:
            self._thread.submit(tickets)
        return futures

    async def score(self, items: Sequence[Forced]) -> Scored:
        self._check_open()
        future: asyncio.Future[Scored] = self._loop.create_future()
        most = 0 if self._config.deterministic else self._config.prefill_tokens

        def run() -> None:
            # Between two steps, and so on one version; a failure is the caller's, not the batch's.
            try:
                results = score(self._decoder.model, items, most, self._max_context)
                self._post(_settle, future, Scored(results, self._decoder.version))
            except Exception as error:
                self._post(_settle, future, error)

        self._thread.call(run)
        return await future

    async def load_weights(self, path: str, weights: Version) -> Swapped:
        async with self._loading:
            self._check_open()
            started = time.perf_counter()
            model = await asyncio.to_thread(load_beside, path, self._model)
            seconds = time.perf_counter() - started
            swapped: asyncio.Future[float] = self._loop.create_future()
            self._thread.swap(model, weights, lambda stall: self._post(_settle, swapped, stall))
            stall = await swapped
            self._model, self._version = model, weights
            meters.load_seconds.observe(seconds)
            meters.version.clear()
            meters.version.labels(weights.run_id).set(weights.version)
            log.info("serving %s from %s", weights, path)
            return Swapped(weights, seconds, stall)

    async def pause(self, drain: bool) -> int:
        self._check_open()
        drained: asyncio.Future[int] = self._loop.create_future()
        self._thread.pause(lambda running: self._post(_settle, drained, running), drain)
        return await drained

    async def resume(self) -> None:
        self._thread.resume()

    async def close(self) -> None:
        self._closed = True
        async with self._loading:
            await asyncio.to_thread(self._thread.stop)

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable(SHUTTING_DOWN)

    def _ticket(self, prompt: Prompt, future: asyncio.Future[Completion]) -> Ticket:
        self._check_open()
        if self._pending >= self._config.max_queue:
            raise Exhausted(f"{self._pending} prompts wait or run already", retry_after=1)
        prompt.sampling.validate()
        ids = self._chat.build(prompt.prefix_ids, prompt.messages)
        self._check_ids(ids)
        stops = tuple(sorted({*self._eos_ids, *prompt.sampling.stop_token_ids}))
        ticket = Ticket(Request(ids, prompt.sampling, prompt.seed, stops), prompt.require, self._done(future))
        self._pending += 1
        future.add_done_callback(lambda done: self._settled(done, ticket))
        return ticket

    def _check_ids(self, ids: list[int]) -> None:
        if not ids:
            raise InvalidArgument("the prompt is empty: give prefix_ids, messages or both")
        if min(ids) < 0 or max(ids) >= self._model.vocabulary:
            raise InvalidArgument(f"prefix_ids go beyond the vocabulary of {self._model.vocabulary} ids")
        if len(ids) >= self._max_context:
            raise FailedPrecondition(
                f"the prompt has {len(ids)} tokens; the context holds {self._max_context}, "
                "and at least one is needed for the response",
                reason=CONTEXT_FULL,
            )

    def _settled(self, future: asyncio.Future[Completion], ticket: Ticket) -> None:
        self._pending -= 1
        if future.cancelled():
            self._thread.cancel(ticket)

    def _done(self, future: asyncio.Future[Completion]) -> Callable[[Ticket, object], None]:
        return lambda ticket, result: self._post(_settle, future, result)

    def _post(self, function: Callable, *arguments: object) -> None:
        """Runs a function on the event loop; a loop that is closed has nobody left to tell."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *arguments)


def _settle(future: asyncio.Future, result: object) -> None:
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)


def open_engine(config: TorchConfig) -> TorchEngine:
    """Loads the configured model and its tokenizer. Call on the event loop."""
    torch.set_num_threads(config.threads)
    model = load(
        config.model, config.max_context, config.dtype, config.device, config.attention, config.fused
    )
    tokenizer = AutoTokenizer.from_pretrained(config.model)
    eos_ids = end_ids(config.model, model, tokenizer.eos_token_id)
    chat = Chat(tokenizer, eos_ids, config.allow_rewriting_template)
    return TorchEngine(config, model, chat, eos_ids)


def end_ids(path: str, model: Model, tokenizer_eos: int | None) -> tuple[int, ...]:
    """Every id that ends a response, from the generation config, the model's config and the tokenizer."""
    try:
        generation = GenerationConfig.from_pretrained(path)
    except OSError:
        generation = GenerationConfig()
    found: set[int] = set()
    for given in (generation.eos_token_id, model.module.config.eos_token_id, tokenizer_eos):
        found.update(given if isinstance(given, list) else [] if given is None else [given])
    return tuple(sorted(found))
