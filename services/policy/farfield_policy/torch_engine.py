"""The embedded engine: any Hugging Face causal or vision-language model, decoded by our own loop."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import torch

from farfield_kernel.errors import (
    CONTEXT_FULL,
    Exhausted,
    FailedPrecondition,
    FarfieldError,
    InvalidArgument,
    PluginFailure,
    Unavailable,
)
from farfield_model.chat import Chat, images_of
from farfield_model.loading import end_ids, load_tokenizer
from farfield_model.vision import Picture
from farfield_policy import meters
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
from farfield_policy.gallery import Gallery
from farfield_policy.model import Model, load, load_beside
from farfield_policy.rows import Request
from farfield_policy.scoring import Seen, score
from farfield_policy.sight import Sight, sight_of

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
        self._gallery = Gallery(model.vision, config.kept_image_bytes) if model.vision else None
        self._looking = ThreadPoolExecutor(1, thread_name_prefix="images")  # decoding them takes its time
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
                score=True,
                images=self._gallery is not None,
                weight_update_from_disk=True,
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
        if self._gallery is None:
            self._enter(taken, [self._read(prompt) for prompt, _ in taken])
        else:
            asked = [prompt for prompt, _ in taken]
            reading = self._looking.submit(lambda: [self._read(prompt) for prompt in asked])
            reading.add_done_callback(lambda done: self._post(self._enter, taken, done.result()))
        return futures

    async def score(self, items: Sequence[Forced]) -> Scored:
        self._check_open()
        future: asyncio.Future[Scored] = self._loop.create_future()
        most = 0 if self._config.deterministic else self._config.prefill_tokens
        sights = await self._loop.run_in_executor(self._looking, lambda: [*map(self._sight, items)])

        def run() -> None:
            # Between two steps, and so on one version; a failure is the caller's, not the batch's.
            try:
                results = score(self._decoder.model, items, most, self._max_context, sights)
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
        self._looking.shutdown(cancel_futures=True)

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

    def _read(self, prompt: Prompt) -> Request | FarfieldError:
        """The prompt by its ids; knows nothing of the event loop."""
        try:
            prompt.sampling.validate()
            ids, sight = self._ids(prompt)
            self._check_ids(ids)
        except FarfieldError as error:
            return error
        except Exception:
            log.exception("a prompt could not be read")
            return PluginFailure(
                "the model's processor failed on this prompt; the service's log has the details"
            )
        stops = tuple(sorted({*self._eos_ids, *prompt.sampling.stop_token_ids}))
        return Request(ids, prompt.sampling, prompt.seed, stops, sight)

    def _ids(self, prompt: Prompt) -> tuple[list[int], Sight | None]:
        new = images_of(prompt.messages)
        if self._gallery is None or not (new or prompt.prefix_images):
            if new or prompt.prefix_images:
                raise FailedPrecondition("this model takes no images (capabilities.images is false)")
            return self._chat.build(prompt.prefix_ids, prompt.messages), None
        pictures = self._gallery.pictures([*prompt.prefix_images, *new])
        messages = tuple(map(self._gallery.complete, prompt.messages))
        ids = self._chat.build(prompt.prefix_ids, messages)
        return ids, self._sight_of(ids, pictures)

    def _sight_of(self, ids: Sequence[int], pictures: Sequence[Picture]) -> Sight:
        model = self._model
        assert model.vision is not None  # noqa: S101 - a gallery has a model with eyes
        return sight_of(ids, pictures, model.vision, model.module, model.vocabulary)

    def _sight(self, item: Forced) -> Seen:
        if not item.images:
            return None
        if self._gallery is None:
            return FailedPrecondition("this model takes no images (capabilities.images is false)")
        try:
            return self._sight_of(item.prompt_ids, self._gallery.pictures(item.images))
        except FarfieldError as error:
            return error

    def _enter(
        self,
        taken: Sequence[tuple[Prompt, asyncio.Future[Completion]]],
        requests: Sequence[Request | FarfieldError],
    ) -> None:
        tickets = []
        for (prompt, future), request in zip(taken, requests, strict=True):
            if isinstance(request, FarfieldError) or self._closed:
                _settle(future, request if isinstance(request, FarfieldError) else Unavailable(SHUTTING_DOWN))
            elif not future.done():
                ticket = Ticket(request, prompt.require, self._done(future))
                future.add_done_callback(partial(self._withdraw, ticket))
                tickets.append(ticket)
        if tickets:
            self._thread.submit(tickets)

    def _withdraw(self, ticket: Ticket, future: asyncio.Future[Completion]) -> None:
        if future.cancelled():
            self._thread.cancel(ticket)

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
    tokenizer = load_tokenizer(config.model)
    eos_ids = end_ids(model.module, tokenizer)
    chat = Chat(tokenizer, eos_ids, config.allow_rewriting_template, model.vision)
    return TorchEngine(config, model, chat, eos_ids)
