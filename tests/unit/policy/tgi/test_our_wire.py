"""The engine before our own server of the protocol, over the torch engine: what comes of it is what the torch
engine answers itself, whatever fails on the way."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from farfield_model.chat import Message
from farfield_model.images import ImageFile
from farfield_policy.config import TorchConfig
from farfield_policy.embedded.engine import open_engine
from farfield_policy.engine import Engine, Prompt
from farfield_policy.tgi.config import TgiConfig
from farfield_policy.tgi.engine import open_engine as open_tgi_engine
from farfield_policy.tgi_server.config import TgiServerConfig
from farfield_policy.tgi_server.server import listening, offer
from farfield_policy.tgi_server.text import Text

Ask = Callable[..., Prompt]
AGAIN = (Message("user", "a b c"), Message("assistant", "d e"), Message("user", "f 1 2"))


@asynccontextmanager
async def both(folder: Path, middlewares: Any = ()) -> AsyncIterator[tuple[Engine, Engine]]:
    """The torch engine, and the engine `tgi` that reaches it by the wire."""
    native = open_engine(TorchConfig(model=str(folder), max_rows=4, deterministic=True))
    terms = offer(native, str(folder), TgiServerConfig(port=0))
    async with listening(native, Text(str(folder)), terms, middlewares=middlewares) as url:
        through = await open_tgi_engine(TgiConfig(kind="tgi", url=url, model_path=str(folder)))
        try:
            yield native, through
        finally:
            await through.close()
            await native.close()


async def agree(native: Engine, through: Engine, prompts: list[Prompt]) -> None:
    ours = await asyncio.gather(*native.submit(prompts))
    theirs = await asyncio.gather(*through.submit(prompts))
    for one, other in zip(ours, theirs, strict=True):
        assert list(other.prompt_ids) == list(one.prompt_ids)
        assert list(other.response_ids) == list(one.response_ids)
        assert list(other.logprobs) == pytest.approx(list(one.logprobs), abs=1e-5)
        assert (other.text, other.finish_reason) == (one.text, one.finish_reason)


async def test_responses_are_the_native_ones(checkpoint: Path, ask: Ask) -> None:
    ways = [{}, {"temperature": 0}, {"temperature": 0.6}, {"top_k": 5}, {"top_p": 0.8}, {"new": 1}]
    prompts = [ask(**{"new": 12, **way, "seed": seed}) for seed in (0, 3, (1 << 64) - 2) for way in ways]
    async with both(checkpoint) as (native, through):
        await agree(native, through, prompts)
        await agree(native, through, [ask(messages=AGAIN, seed=seed) for seed in range(4)])


async def test_stop_strings_end_where_the_native_engine_ends(checkpoint: Path, ask: Ask) -> None:
    """Of this tokenizer a word begins with its space: ` b` ends where a token does, `b ` within one."""
    stops = ((" b",), ("b ",), ("a", "k", "7"), ("no such word",))
    prompts = [ask(new=40, stop_strings=stop, seed=seed) for stop in stops for seed in range(6)]
    async with both(checkpoint) as (native, through):
        await agree(native, through, prompts)


async def test_failures_on_the_way_change_nothing(checkpoint: Path, ask: Ask, tgi_faults: ModuleType) -> None:
    met = tgi_faults.Faults()
    faults = [tgi_faults.overloaded, tgi_faults.incomplete, tgi_faults.unavailable, tgi_faults.dropped]
    met.then(*faults, tgi_faults.torn, *faults)
    async with both(checkpoint, [met.middleware]) as (native, through):
        await agree(native, through, [ask(seed=seed) for seed in range(8)])
    assert met.met == 9


async def test_images_are_seen_as_the_native_engine_sees_them(
    vision_checkpoint: Path, make_png: Callable[..., bytes], ask: Ask
) -> None:
    first, second = ImageFile.of(make_png(3)), ImageFile.of(make_png(5))
    messages = (
        Message("user", ("a", first, "b")),
        Message("assistant", "c"),
        Message("user", (second, "d")),
    )
    async with both(vision_checkpoint) as (native, through):
        assert through.describe().capabilities.images
        prompts = [ask(messages=messages[: 1 + 2 * (seed % 2)], seed=seed) for seed in range(4)]
        await agree(native, through, prompts)
        known = tuple(_without_bytes(message) for message in messages)
        await agree(native, through, [ask(messages=known, seed=9)])


def _without_bytes(message: Message) -> Message:
    parts = (ImageFile(part.sha256) if isinstance(part, ImageFile) else part for part in message.content)
    return Message(message.role, message.content if isinstance(message.content, str) else tuple(parts))
