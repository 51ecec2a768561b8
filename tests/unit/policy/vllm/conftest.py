"""A stand-in server on the small model, engines before it, and folders of weights."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from farfield_policy.vllm.config import VllmConfig
from farfield_policy.vllm.engine import VllmEngine, open_engine

Open = Callable[..., Awaitable[VllmEngine]]


@pytest.fixture
async def server(checkpoint: Path, vllm_stand_in: ModuleType) -> AsyncIterator[Any]:
    async with vllm_stand_in.VllmStandIn(checkpoint) as server:
        yield server


@pytest.fixture
async def open_one(checkpoint: Path) -> AsyncIterator[Open]:
    """Opens an engine before a server."""
    async with AsyncExitStack() as opened:

        async def make(server: Any, **changes: Any) -> VllmEngine:
            given = {
                "tokenizer": str(checkpoint),
                "first_pause_seconds": 0.001,
                "start_seconds": 10,
                **changes,
            }
            engine = await open_engine(VllmConfig(kind="vllm", url=server.url, **given))
            opened.push_async_callback(engine.close)
            return engine

        yield make


@pytest.fixture
async def engine(server: Any, open_one: Open) -> VllmEngine:
    return await open_one(server)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory, make_llama: Callable[[int], Any]) -> list[Path]:
    """Weights of three versions."""
    made = []
    for seed in (7, 8, 9):
        made.append(tmp_path_factory.mktemp("weights") / f"v{seed}")
        make_llama(seed).save_pretrained(made[-1])
    return made


@pytest.fixture(scope="session")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two LoRA adapters of the small model."""
    made = []
    for seed in (1, 2):
        generator = torch.Generator().manual_seed(seed)
        folder = tmp_path_factory.mktemp("adapter")
        name = "base_model.model.model.layers.0.self_attn.q_proj"
        tensors = {
            f"{name}.lora_A.weight": torch.randn(4, 32, generator=generator),
            f"{name}.lora_B.weight": torch.randn(32, 4, generator=generator),
        }
        save_file(tensors, folder / "adapter_model.safetensors")
        config = {"peft_type": "LORA", "r": 4, "lora_alpha": 4, "target_modules": ["q_proj"]}
        (folder / "adapter_config.json").write_text(json.dumps(config))
        made.append(folder)
    return made
