"""An engine in front of a stand-in of the wire."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from farfield_model.chat import Message
from farfield_policy.engine import Prompt, Sampling
from farfield_policy.tgi import server
from farfield_policy.tgi.config import TgiConfig
from farfield_policy.tgi.engine import TgiEngine, open_engine


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "FIRST_DELAY", 0.001)
    monkeypatch.setattr(server, "LAST_DELAY", 0.002)


@pytest.fixture
async def wire(tgi_wire: ModuleType, make_word_tokenizer: Callable[..., Any]) -> AsyncIterator[Any]:
    async with tgi_wire.TgiWire(tgi_wire.scripted(make_word_tokenizer(), ["d e f"])) as served:
        yield served


Open = Callable[..., Awaitable[TgiEngine]]


@pytest.fixture
async def open_one(wire: Any, checkpoint: Path) -> AsyncIterator[Open]:
    """Opens an engine with these settings, on the servers of a hosting if one is given."""
    opened: list[TgiEngine] = []

    async def make(hosting: Any = None, **more: Any) -> TgiEngine:
        config = TgiConfig(kind="tgi", **{"url": wire.url, "tokenizer": str(checkpoint), **more})
        opened.append(await open_engine(config, hosting))
        return opened[-1]

    yield make
    for engine in opened:
        await engine.close()


@pytest.fixture
async def engine(open_one: Open) -> TgiEngine:
    return await open_one()


@pytest.fixture(scope="session")
def ask() -> Callable[..., Prompt]:
    """A prompt; what is of its sampling goes there."""

    def make(new: int = 8, temperature: float = 1.0, seed: int = 7, **more: Any) -> Prompt:
        sampling = {name: more.pop(name) for name in list(more) if name in Sampling.__dataclass_fields__}
        messages = more.pop("messages", (Message("user", "a b c"),))
        return Prompt(Sampling(new, temperature, **sampling), messages=messages, seed=seed, **more)

    return make
