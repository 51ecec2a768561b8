"""The embedded engine: any Hugging Face causal or vision-language model, decoded by our own loop."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch

from farfield_kernel.batching import settle
from farfield_kernel.errors import Exhausted, FarfieldError, Unavailable
from farfield_model.chat import Chat
from farfield_model.tokenizing import end_ids, load_tokenizer
from farfield_policy import meters
from farfield_policy.config import TorchConfig
from farfield_policy.embedded.decode import Decoder, Settings
from farfield_policy.embedded.decode_thread import SHUTTING_DOWN, DecodeThread, Ticket
from farfield_policy.embedded.determinism import prove
from farfield_policy.embedded.model import Model, load, load_beside
from farfield_policy.embedded.reading import Reader
from farfield_policy.embedded.rows import Request
from farfield_policy.embedded.scoring import score
from farfield_policy.engine import (
    Capabilities,
    Completion,
    Description,
    Forced,
    Prompt,
    Scored,
    Swapped,
    Version,
    WeightUpdate,
)

log = logging.getLogger(__name__)
T = TypeVar("T")
LOST = "the engine is lost; the service's log has the details"


class TorchEngine:
    """Made on the event loop that calls it; decoding runs in a thread of its own."""

    def __init__(self, config: TorchConfig, model: Model, chat: Chat, eos_ids: tuple[int, ...]) -> None:
        self._config = config
        self._model = model
        self._eos_ids = eos_ids
        self._version = Version()
        self._max_context = min(config.max_context, model.max_context)
        self._pending = 0
        self._closed = False
        self._reader = Reader(chat, model, eos_ids, self._max_context, config.kept_image_bytes)
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="reader")
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
        meters.rows.set(config.max_rows)
        self._lost: asyncio.Future[None] = self._loop.create_future()
        self._thread = DecodeThread(
            self._decoder, config.weights_wait_seconds, lambda error: self._post(self._lose, error)
        )
        self._thread.start()

    def describe(self) -> Description:
        return Description(
            engine="torch",
            capabilities=Capabilities(
                score=True,
                images=self._reader.sees,
                lora=True,
                weight_update=WeightUpdate.DISK,
                deterministic=self._config.deterministic,
            ),
            weights=self._version,
            max_context_tokens=self._max_context,
            max_concurrency=self._config.max_rows,
            eos_token_ids=self._eos_ids,
            parameters=self._model.parameters,
            vocabulary=self._model.vocabulary,
        )

    def submit(self, prompts: Sequence[Prompt]) -> list[asyncio.Future[Completion]]:
        futures: list[asyncio.Future[Completion]] = [self._loop.create_future() for _ in prompts]
        taken = [pair for pair in zip(prompts, futures, strict=True) if self._takes(pair[1])]
        if not taken:
            return futures
        asked = [prompt for prompt, _ in taken]
        if self._reader.sees:  # to decode images takes its time
            reading = self._reading.submit(self._reader.read, asked)
            reading.add_done_callback(lambda done: self._post(self._enter, taken, _read_by(done)))
        else:
            self._enter(taken, self._reader.read(asked))
        return futures

    async def score(self, items: Sequence[Forced]) -> Scored:
        self._check_open()
        future: asyncio.Future[Scored] = self._loop.create_future()
        most = 0 if self._config.deterministic else self._config.prefill_tokens
        sights = await self._loop.run_in_executor(self._reading, self._reader.sights, items)
        self._check_open()

        def run() -> None:
            # Between two steps, and so on one version; a failure is the caller's, not the batch's.
            try:
                results = score(self._decoder.model, items, most, self._max_context, sights)
                self._post(settle, future, Scored(results, self._decoder.version))
            except Exception as error:
                self._post(settle, future, error)

        self._thread.call(run)
        return await self._told(future)

    async def load_weights(self, path: str, weights: Version) -> Swapped:
        async with self._loading:
            self._check_open()
            started = time.perf_counter()
            model = await asyncio.to_thread(load_beside, path, self._model, Path(self._config.model))
            seconds = time.perf_counter() - started
            swapped: asyncio.Future[float] = self._loop.create_future()
            self._thread.swap(model, weights, lambda stall: self._post(settle, swapped, stall))
            stall = await self._told(swapped)
            self._model = self._reader.model = model
            self._version = weights
            meters.load_seconds.observe(seconds)
            log.info("serving %s from %s", weights, path)
            return Swapped(weights, seconds, stall)

    async def pause(self, drain: bool) -> int:
        self._check_open()
        drained: asyncio.Future[int] = self._loop.create_future()
        self._thread.pause(lambda running: self._post(settle, drained, running), drain)
        return await self._told(drained)

    async def resume(self) -> None:
        self._thread.resume()

    async def close(self) -> None:
        self._closed = True
        async with self._loading:
            await asyncio.to_thread(self._reading.shutdown, cancel_futures=True)
            await asyncio.to_thread(self._thread.stop)

    async def lasts(self) -> None:
        """As long as the engine does. Raises when it is lost, so that the process ends, for a new one."""
        await asyncio.shield(self._lost)

    def _lose(self, error: BaseException) -> None:
        self._closed = True
        self._thread.abandon(Unavailable(LOST))
        settle(self._lost, RuntimeError(f"the decode thread died: {error}"))
        self._lost.exception()  # seen, also where nobody waits for it

    async def _told(self, answer: asyncio.Future[T]) -> T:
        """What the decode thread answers."""
        either: list[asyncio.Future[Any]] = [answer, self._lost]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise Unavailable(LOST)
        return answer.result()

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable(SHUTTING_DOWN)

    # On the way in

    def _takes(self, future: asyncio.Future[Completion]) -> bool:
        """Counts a prompt as pending; False where it was refused."""
        if self._closed:
            future.set_exception(Unavailable(SHUTTING_DOWN))
        elif self._pending >= self._config.max_queue:
            future.set_exception(Exhausted(f"{self._pending} prompts wait or run already", retry_after=1))
        else:
            self._pending += 1
            future.add_done_callback(self._settled)
            return True
        return False

    def _settled(self, future: asyncio.Future[Completion]) -> None:
        self._pending -= 1

    def _enter(
        self,
        taken: Sequence[tuple[Prompt, asyncio.Future[Completion]]],
        requests: Sequence[Request | FarfieldError] | None,
    ) -> None:
        """Queues what could be read. Without requests, or when it has closed, there is nobody to serve."""
        tickets = []
        if requests is None or self._closed:
            requests = [Unavailable(SHUTTING_DOWN)] * len(taken)
        for (prompt, future), request in zip(taken, requests, strict=True):
            if isinstance(request, FarfieldError):
                settle(future, request)
            elif not future.done():
                if prompt.on_token is not None:
                    request.on_token = partial(self._post, prompt.on_token)
                ticket = Ticket(request, prompt.require, self._done(future))
                future.add_done_callback(partial(self._withdraw, ticket))
                tickets.append(ticket)
        if tickets:
            self._thread.submit(tickets)

    def _withdraw(self, ticket: Ticket, future: asyncio.Future[Completion]) -> None:
        if future.cancelled():
            self._thread.cancel(ticket)

    def _done(self, future: asyncio.Future[Completion]) -> Callable[[Ticket, object], None]:
        return lambda ticket, result: self._post(settle, future, result)

    def _post(self, function: Callable, *arguments: object) -> None:
        """Runs a function on the event loop; a loop that is closed has nobody left to tell."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *arguments)


def _read_by(done: Future[list[Request | FarfieldError]]) -> list[Request | FarfieldError] | None:
    """None for prompts that a closing engine read no more."""
    return None if done.cancelled() else done.result()


def open_engine(config: TorchConfig) -> TorchEngine:
    """Loads the configured model and its tokenizer. Call on the event loop."""
    torch.set_num_threads(config.threads)
    model = load(
        config.model, config.max_context, config.dtype, config.device, config.attention, config.fused
    )
    tokenizer = load_tokenizer(config.model)
    eos_ids = end_ids(model.module, tokenizer)
    chat = Chat(tokenizer, eos_ids, config.allow_rewriting_template, model.vision)
    return TorchEngine(config, model, chat, eos_ids)
