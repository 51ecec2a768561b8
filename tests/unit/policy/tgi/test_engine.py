"""The engine in front of a stand-in of the wire; what every engine does is tested in test_engines.py."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from farfield_model.chat import Message
from farfield_policy.engine import FinishReason, Prompt, Sampling
from farfield_policy.tgi.config import TgiConfig
from farfield_policy.tgi.engine import TgiEngine, open_engine

HELLO = (Message("user", "a b c"),)


def ask(new: int = 8, temperature: float = 1.0, seed: int = 7, **more: Any) -> Prompt:
    sampling = {name: more.pop(name) for name in list(more) if name in Sampling.__dataclass_fields__}
    return Prompt(
        Sampling(new, temperature, **sampling), messages=more.pop("messages", HELLO), seed=seed, **more
    )


@pytest.fixture
async def wire(tgi_wire: ModuleType, make_word_tokenizer: Callable[..., Any]) -> AsyncIterator[Any]:
    async with tgi_wire.TgiWire(tgi_wire.scripted(make_word_tokenizer(), ["d e f"])) as served:
        yield served


Open = Callable[..., Any]


@pytest.fixture
async def open_one(wire: Any, checkpoint: Path) -> AsyncIterator[Open]:
    opened: list[TgiEngine] = []

    async def make(**more: Any) -> TgiEngine:
        config = TgiConfig(kind="tgi", **{"url": wire.url, "tokenizer": str(checkpoint), **more})
        opened.append(await open_engine(config))
        return opened[-1]

    yield make
    for engine in opened:
        await engine.close()


@pytest.fixture
async def engine(open_one: Open) -> TgiEngine:
    return await open_one()


async def one(engine: TgiEngine, prompt: Prompt) -> Any:
    (result,) = await asyncio.gather(*engine.submit([prompt]), return_exceptions=True)
    return result


async def test_ids_and_logprobs_are_the_servers(engine: TgiEngine, wire: Any) -> None:
    done = await one(engine, ask())
    assert done.text == "d e f"
    assert done.response_ids == [8, 9, 10, 1]
    assert done.logprobs == [-0.5] * 4
    assert done.raw_logprobs == ()
    assert done.finish_reason is FinishReason.STOP_TOKEN
    assert wire.requests[0] == {
        "inputs": "<user> a b c <end> <assistant> ",
        "parameters": {
            "details": True,
            "do_sample": True,
            "temperature": 1.0,
            "seed": 7,
            "max_new_tokens": 8,
            "decoder_input_details": True,
        },
        "stream": False,
    }


async def test_the_description_is_true(engine: TgiEngine) -> None:
    about = engine.describe()
    assert (about.engine, about.max_context_tokens, about.max_concurrency) == ("tgi", 256, 64)
    able = about.capabilities
    assert able.token_ids_out
    assert able.seed
    assert able.stop_strings
    assert not any((able.token_ids_in, able.logprobs_raw, able.score, able.stop_token_ids, able.images))
    assert able.weight_update.value == "none"
