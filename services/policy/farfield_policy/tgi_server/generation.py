"""Generates on the engine what a client asked for."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from farfield_policy.engine import Completion, Engine, Forced, Prompt
from farfield_policy.tgi_server.errors import invalid
from farfield_policy.tgi_server.requests import Generate, Parameters
from farfield_policy.tgi_server.text import Inputs, Text
from farfield_policy.tgi_server.validation import Limits, Plan, check, plan


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that can be served."""

    inputs: Inputs
    parameters: Parameters
    plan: Plan

    def prompts(self, on_token: Callable[[int, float], None] | None = None) -> list[Prompt]:
        return [
            Prompt(
                sampling=self.plan.sampling,
                prefix_ids=self.inputs.ids,
                prefix_images=self.inputs.images,
                seed=seed,
                on_token=on_token,
            )
            for seed in self.plan.seeds
        ]


@dataclass(frozen=True, slots=True)
class Drawn:
    """One token of a response. The last one has the completion that it ends."""

    id: int
    logprob: float
    completion: Completion | None = None


class Generation:
    """Requests of one engine."""

    def __init__(self, engine: Engine, text: Text, limits: Limits) -> None:
        self._engine = engine
        self._text = text
        self._limits = limits
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="tgi-images")

    async def ask(self, request: Generate, *, streams: bool = False, special: bool = True) -> Asked:
        """`special`: whether the tokenizer adds its special tokens to the prompt."""
        parameters = request.parameters
        check(parameters, self._limits, streams)
        inputs = await self._read(request.inputs, special)
        if parameters.truncate is not None and parameters.truncate < len(inputs.ids):
            if inputs.images:
                raise invalid("`truncate` is not supported for prompts with images")
            inputs = Inputs(inputs.text, inputs.ids[-parameters.truncate :])
        return Asked(inputs, parameters, plan(parameters, len(inputs.ids), self._limits))

    async def _read(self, text: str, special: bool) -> Inputs:
        """To decode images takes its time; the event loop does not wait for it."""
        if not self._text.sees:
            return self._text.read(text, special)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reading, self._text.read, text, special)

    async def whole(self, asked: Asked) -> list[Completion]:
        """One completion for each seed. A client that goes away frees their rows."""
        futures = self._engine.submit(asked.prompts())
        try:
            return list(await asyncio.gather(*futures))
        finally:
            for future in futures:
                future.cancel()

    async def tokens(self, asked: Asked) -> AsyncIterator[Drawn]:
        """Tokens as they are drawn; an engine that cannot tell them gives them all at its end."""
        heard: asyncio.Queue[Drawn | None] = asyncio.Queue()
        prompts = asked.prompts(lambda token, logprob: heard.put_nowait(Drawn(token, logprob)))
        [future] = self._engine.submit(prompts)
        future.add_done_callback(lambda _: heard.put_nowait(None))
        told = 0
        try:
            while (drawn := await heard.get()) is not None:
                told += 1
                yield drawn
            completion = future.result()
            pairs = list(zip(completion.response_ids, completion.logprobs, strict=True))
            for token, logprob in pairs[told:-1]:
                yield Drawn(token, logprob)
            yield Drawn(*pairs[-1], completion)
        finally:
            future.cancel()

    async def prefill(self, asked: Asked) -> list[float | None]:
        """Raw logprobs of the prompt's tokens, as the weights that serve now give them. The first has none,
        nor has any up to the last image's end."""
        inputs = asked.inputs
        known = max(inputs.sighted, 1)
        if known == len(inputs.ids):
            return [None] * known
        forced = Forced(inputs.ids[:known], inputs.ids[known:], images=inputs.images)
        [scores] = (await self._engine.score([forced])).results
        if isinstance(scores, Exception):
            raise scores
        return [*[None] * known, *scores.raw_logprobs]

    def close(self) -> None:
        self._reading.shutdown(wait=False, cancel_futures=True)
