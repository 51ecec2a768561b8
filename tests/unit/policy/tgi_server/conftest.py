"""A Llama whose tokenizer writes a BOS before every prompt, served as text-generation-inference would."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import torch
from tokenizers import processors
from transformers import LlamaConfig, LlamaForCausalLM

from farfield_policy.config import TorchConfig
from farfield_policy.embedded.engine import TorchEngine, open_engine
from farfield_policy.engine import Engine
from farfield_policy.tgi_server.config import TgiServerConfig
from farfield_policy.tgi_server.server import listening, offer
from farfield_policy.tgi_server.text import Text

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<{{ message.role }}>{{ message.content }}<end>"
    "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)


@pytest.fixture(scope="session")
def spoken(tmp_path_factory: pytest.TempPathFactory, make_byte_tokenizer: Callable[..., Any]) -> Path:
    """One token per byte, and a BOS."""
    tokenizer = make_byte_tokenizer(TEMPLATE, ["<user>", "<assistant>", "<system>"], "<end>")
    tokenizer.add_special_tokens({"bos_token": "<bos>"})
    begins = processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", tokenizer.bos_token_id)]
    )
    tokenizer.backend_tokenizer.post_processor = begins
    torch.manual_seed(0)
    module = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=256,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=None,
            initializer_range=0.3,
        )
    )
    folder = tmp_path_factory.mktemp("spoken")
    module.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
async def engine(spoken: Path) -> AsyncIterator[TorchEngine]:
    engine = open_engine(TorchConfig(model=str(spoken), max_rows=8))
    yield engine
    await engine.close()


Serve = Callable[..., AbstractAsyncContextManager[httpx2.AsyncClient]]


@pytest.fixture
def serve(spoken: Path) -> Serve:
    """Serves an engine for the length of a block; yields an HTTP client of it."""

    @asynccontextmanager
    async def serve(
        engine: Engine, folder: Path = spoken, **config: Any
    ) -> AsyncIterator[httpx2.AsyncClient]:
        middlewares, token = config.pop("middlewares", ()), config.pop("token", "")
        terms = offer(engine, str(folder), TgiServerConfig(port=0, **config), token)
        async with (
            listening(engine, Text(str(folder)), terms, middlewares=middlewares) as url,
            httpx2.AsyncClient(base_url=url, timeout=60) as client,
        ):
            yield client

    return serve


@pytest.fixture
async def http(serve: Serve, engine: TorchEngine) -> AsyncIterator[httpx2.AsyncClient]:
    async with serve(engine, model_id="toy") as client:
        yield client
