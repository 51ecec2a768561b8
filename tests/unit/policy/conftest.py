"""Language models of a few thousand parameters, of three architectures, and a checkpoint on disk."""

from collections.abc import Callable, Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from farfield_policy.embedded.decode import Decoder, Settings
from farfield_policy.embedded.model import Model
from farfield_policy.embedded.rows import Request
from farfield_policy.engine import Completion, Sampling, Version

torch.set_num_threads(1)

WORDS = 41
"""Of the word tokenizer."""
CONTEXT = 128


def llama(seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=WORDS,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=CONTEXT,
            eos_token_id=1,
            pad_token_id=0,
            initializer_range=0.3,
        )
    )


def gpt2() -> Any:
    torch.manual_seed(1)
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=WORDS,
            n_embd=32,
            n_layer=2,
            n_head=4,
            n_positions=CONTEXT,
            initializer_range=0.3,
            bos_token_id=1,
            eos_token_id=1,
        )
    )


def qwen3() -> Any:
    torch.manual_seed(2)
    return Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=WORDS,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=16,
            max_position_embeddings=CONTEXT,
            eos_token_id=1,
            pad_token_id=0,
            initializer_range=0.3,
        )
    )


ARCHITECTURES: dict[str, Callable[[], Any]] = {"llama": llama, "gpt2": gpt2, "qwen3": qwen3}


@pytest.fixture(scope="session", params=[*ARCHITECTURES, "llama, not fused"])
def model(request: pytest.FixtureRequest) -> Model:
    """One of each architecture."""
    name, _, plain = request.param.partition(", ")
    return Model(ARCHITECTURES[name](), CONTEXT, fused=not plain)


@pytest.fixture(scope="session")
def llama_model() -> Model:
    return Model(llama(), CONTEXT)


@pytest.fixture(scope="session")
def other_llama_model() -> Model:
    return Model(llama(seed=9), CONTEXT)


@pytest.fixture(scope="session")
def make_llama() -> Callable[[int], Any]:
    """Builds the module of a seed."""
    return llama


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, make_word_tokenizer: Callable[..., Any]) -> Path:
    """A Llama with its tokenizer and chat template, as a folder."""
    folder = tmp_path_factory.mktemp("checkpoint")
    llama().save_pretrained(folder)
    make_word_tokenizer().save_pretrained(folder)
    return folder


Play = Callable[..., list[Completion]]


@pytest.fixture(scope="session")
def play() -> Play:
    """Runs requests through a decoder, at most `at_once` of them admitted in one go."""

    def run(decoder: Decoder, requests: Sequence[Request], at_once: int = 1000) -> list[Completion]:
        waiting, results = list(requests), {}
        while waiting or decoder.running:
            count = min(decoder.free, at_once, len(waiting))
            finished = decoder.admit(waiting[:count]) if count else []
            waiting = waiting[count:]
            for done in [*finished, *decoder.step()]:
                results[id(done.request)] = done.result
        return [results[id(request)] for request in requests]

    return run


@pytest.fixture(scope="session")
def make_decoder() -> Callable[..., Decoder]:
    def make(
        model: Model, rows: int = 8, deterministic: bool = False, context: int = CONTEXT, kept: int = 4096
    ) -> Decoder:
        settings = Settings(rows, context, 256, kept, deterministic)
        return Decoder(model, Version(), settings, lambda ids: " ".join(f"w{i}" for i in ids))

    return make


@pytest.fixture(scope="session")
def make_requests() -> Callable[..., list[Request]]:
    """Requests of many lengths, temperatures and filters; every fourth shares its prompt with the last."""

    def make(count: int, most: int = 40, **fixed: Any) -> list[Request]:
        generator = torch.Generator().manual_seed(count)
        prompts: list[list[int]] = []
        requests = []
        for seed in range(count):
            size = int(torch.randint(1, most, (), generator=generator))
            ids = torch.randint(5, WORDS, (size,), generator=generator).tolist()
            prompts.append(prompts[-1] if seed % 4 == 3 else ids)
            drawn = {
                "max_new_tokens": 3 + 5 * (seed % 7),
                "temperature": (1.0, 0.7, 0.0)[seed % 3],
                "top_k": (0, 5)[seed % 2],
                "top_p": (0.0, 0.9, 1.0, 0.5)[seed % 4],
            }
            requests.append(Request(prompts[-1], Sampling(**{**drawn, **fixed}), seed, (1,)))
        return requests

    return make


@pytest.fixture(scope="session")
def tgi_wire() -> ModuleType:
    """`tgi_wire.py` beside this file."""
    spec = spec_from_file_location("tgi_wire", Path(__file__).with_name("tgi_wire.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
