"""An engine that answers from a script: for tests of whatever calls a policy. No model, no torch.

Ids are the UTF-8 bytes of the text, END ends a response, and every logprob is LOGPROB. A conversation reads
as one line per message, `role: text`; an image as `[image DIGEST]`, with the first digits of its digest.
"""

import asyncio
from collections.abc import Callable, Sequence

from farfield_kernel.errors import (
    WEIGHTS_NOT_SERVED,
    FailedPrecondition,
    FarfieldError,
    InvalidArgument,
    Unavailable,
)
from farfield_model.chat import Content, Message
from farfield_policy.engine import (
    SHUTTING_DOWN,
    Capabilities,
    Completion,
    Description,
    FinishReason,
    Forced,
    Prompt,
    Scored,
    Scores,
    Span,
    Swapped,
    Version,
    WeightUpdate,
)
from farfield_policy.stops import cut

END = 256
LOGPROB = -0.5
CONTEXT = 1 << 20

Script = Sequence[str] | Callable[[Prompt, str], str]
"""Responses given in turn, over and over, or a function of the prompt and its conversation as text."""


class ScriptedEngine:
    def __init__(
        self, script: Script, latency_seconds: float = 0.0, weights_wait_seconds: float = 1.0, rows: int = 64
    ) -> None:
        self._script = script
        self._latency = latency_seconds
        self._wait_seconds = weights_wait_seconds
        self._asked = 0
        self._version = Version()
        self._rows = asyncio.Semaphore(rows)
        self._capacity = rows
        self._paused = False
        self._closed = False
        self._running = 0
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Future[Completion]] = set()

    def describe(self) -> Description:
        return Description(
            engine="scripted",
            capabilities=Capabilities(
                score=True, images=True, weight_update=WeightUpdate.DISK, deterministic=True
            ),
            weights=self._version,
            max_context_tokens=CONTEXT,
            max_concurrency=self._capacity,
            eos_token_ids=(END,),
            vocabulary=END + 1,
        )

    def submit(self, prompts: Sequence[Prompt]) -> list[asyncio.Future[Completion]]:
        futures: list[asyncio.Future[Completion]] = []
        for prompt in prompts:
            task: asyncio.Future[Completion] = asyncio.ensure_future(self._answer(prompt, self._asked))
            self._asked += 1
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            futures.append(task)
        return futures

    async def score(self, items: Sequence[Forced]) -> Scored:
        results: list[Scores | Exception] = []
        for item in items:
            logprobs = [LOGPROB] * len(item.response_ids)
            whole = item.prompt_ids and item.response_ids
            results.append(Scores(logprobs, logprobs) if whole else InvalidArgument("nothing to score"))
        return Scored(results, self._version)

    async def load_weights(self, path: str, weights: Version) -> Swapped:
        self._version = weights
        await self._notify()
        return Swapped(weights, 0.0, 0.0)

    async def pause(self, drain: bool) -> int:
        self._paused = True
        async with self._changed:
            await self._changed.wait_for(lambda: not (drain and self._running))
        return self._running

    async def resume(self) -> None:
        self._paused = False
        await self._notify()

    async def close(self) -> None:
        self._closed = True
        await self._notify()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _answer(self, prompt: Prompt, number: int) -> Completion:
        prompt.sampling.validate()
        ids = [*prompt.prefix_ids, *_delta(prompt)]
        if not ids:
            raise InvalidArgument("the prompt is empty: give prefix_ids, messages or both")
        await self._turn(prompt)
        async with self._rows:
            self._running += 1
            try:
                await asyncio.sleep(self._latency)
                return self._complete(prompt, ids, number)
            finally:
                self._running -= 1
                await self._notify()

    async def _turn(self, prompt: Prompt) -> None:
        """Waits until the engine is not paused and serves what the prompt requires."""
        try:
            async with asyncio.timeout(self._wait_seconds), self._changed:
                await self._changed.wait_for(lambda: self._closed or self._obstacle(prompt) is None)
        except TimeoutError:
            obstacle = self._obstacle(prompt)
            if obstacle is not None:
                raise obstacle from None
        if self._closed:
            raise Unavailable(SHUTTING_DOWN)

    def _obstacle(self, prompt: Prompt) -> FarfieldError | None:
        if self._paused:
            return Unavailable("generation is paused; try again later")
        if prompt.require is None or prompt.require.met_by(self._version):
            return None
        why = f"{prompt.require} is required; {self._version} is served"
        return FailedPrecondition(why, reason=WEIGHTS_NOT_SERVED)

    def _complete(self, prompt: Prompt, ids: list[int], number: int) -> Completion:
        if callable(self._script):
            text = self._script(prompt, text_of(ids))
        else:
            text = self._script[number % len(self._script)]
        response, reason, text = _limited(text, prompt)
        logprobs = [LOGPROB] * len(response)
        spans = (Span(self._version.version, len(response)),)
        return Completion(ids, response, logprobs, logprobs, reason, text, spans, self._version.run_id)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def text_of(ids: Sequence[int]) -> str:
    """A conversation as text."""
    return bytes(i for i in ids if i < END).decode(errors="replace")


def _delta(prompt: Prompt) -> list[int]:
    """What new messages add: the end of an answer that was cut short, the messages, the invitation."""
    if not prompt.messages:
        return []
    said = [*prompt.messages, Message("assistant", "")]
    text = "\n".join(f"{role}: {_words(content)}" for role, content in said)
    ended = [] if not prompt.prefix_ids or prompt.prefix_ids[-1] == END else [END]
    return [*ended, *(f"\n{text}" if prompt.prefix_ids else text).encode()]


def _words(content: Content) -> str:
    if isinstance(content, str):
        return content
    return "".join(part if isinstance(part, str) else f"[image {part.sha256[:8]}]" for part in content)


def _limited(text: str, prompt: Prompt) -> tuple[list[int], FinishReason, str]:
    sampling = prompt.sampling
    reason = FinishReason.STOP_TOKEN
    stopped = cut(text, sampling.stop_strings)
    if stopped is not None:
        text, reason = stopped, FinishReason.STOP_STRING
    ids = [*text.encode(), *([END] if reason is FinishReason.STOP_TOKEN else [])]
    if len(ids) > sampling.max_new_tokens:
        ids, reason = ids[: sampling.max_new_tokens], FinishReason.LENGTH
    return ids, reason, text_of(ids)
