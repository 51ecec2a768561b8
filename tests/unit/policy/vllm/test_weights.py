"""Weights of a vLLM server: changed in place, as adapters, lost and given again, and never mistaken."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from farfield_kernel.errors import (
    DataLoss,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PluginFailure,
    Unavailable,
)
from farfield_model.chat import Message
from farfield_policy.config import TorchConfig
from farfield_policy.embedded.engine import open_engine as open_torch
from farfield_policy.engine import Completion, Prompt, Requirement, Sampling, Span, Version
from farfield_policy.vllm.engine import VllmEngine

PROMPTS = [Prompt(Sampling(10, 1.0), messages=(Message("user", "a b"),), seed=seed) for seed in range(4)]
ONE, TWO, THREE = (Version("run", number, f"digest{number}") for number in (1, 2, 3))


async def drawn(engine: Any) -> list[list[int]]:
    return [list(done.response_ids) for done in await asyncio.gather(*engine.submit(PROMPTS))]


async def drawn_natively(folder: Path) -> list[list[int]]:
    engine = open_torch(TorchConfig(model=str(folder)))
    ids = await drawn(engine)
    await engine.close()
    return ids


async def until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110 - of a server, which tells nobody
        await asyncio.sleep(0.01)


async def running(server: Any, count: int) -> None:
    await until(lambda: server.running >= count)


@pytest.fixture
def native(checkpoint: Path, tmp_path: Path) -> Any:
    """What weights draw in an engine of our own."""

    async def draw(weights: Path) -> list[list[int]]:
        folder = shutil.copytree(checkpoint, tmp_path / weights.name, dirs_exist_ok=True)
        shutil.copytree(weights, folder, dirs_exist_ok=True)
        return await drawn_natively(folder)

    return draw


async def test_weights_are_changed_in_place(
    engine: VllmEngine, server: Any, folders: list[Path], native: Any
) -> None:
    before = await drawn(engine)
    swapped = await engine.load_weights(str(folders[0]), ONE)
    assert swapped.weights == engine.describe().weights == ONE
    assert await drawn(engine) == await native(folders[0]) != before
    paths = [path for path, _ in server.asked if path != "/v1/completions"]
    assert paths == [
        "/resume",
        "/pause",
        "/update_weight_version",
        "/collective_rpc",
        "/update_weight_version",
        "/resume",
    ]


async def test_a_change_waits_for_running_responses_and_lets_nobody_in(
    engine: VllmEngine, server: Any, folders: list[Path]
) -> None:
    server.hold.clear()
    early = asyncio.gather(*engine.submit(PROMPTS))
    await running(server, len(PROMPTS))
    change = asyncio.create_task(engine.load_weights(str(folders[0]), ONE))
    meanwhile = []
    while not change.done():
        meanwhile += engine.submit(PROMPTS)
        server.hold.set()
        await asyncio.sleep(0.01)
    assert server.disturbed == 0
    assert {done.spans for done in await early} <= {(Span(0, tokens),) for tokens in range(1, 11)}
    versions = [done.spans[0].version for done in await asyncio.gather(*meanwhile)]
    assert set(versions) == {0, 1}
    assert {done.spans[0].version for done in await asyncio.gather(*engine.submit(PROMPTS))} == {1}


@pytest.mark.parametrize("closing", [False, True])
async def test_a_change_that_has_begun_is_finished(
    engine: VllmEngine, server: Any, open_one: Any, folders: list[Path], closing: bool
) -> None:
    """Whoever leaves: half of one would leave the server with nothing."""
    server.loads.clear()
    change = asyncio.create_task(engine.load_weights(str(folders[0]), ONE))
    await until(lambda: server.loading)
    if not closing:
        change.cancel()
    ending = asyncio.create_task(engine.close())
    await asyncio.sleep(0.02)
    assert not ending.done()
    server.loads.set()
    await ending
    assert change.cancelled() or (await change).weights == ONE
    assert (await open_one(server)).describe().weights == ONE


async def test_a_prompt_waits_for_its_weights(engine: VllmEngine, folders: list[Path]) -> None:
    prompt = Prompt(Sampling(3, 1.0), [5, 6], require=Requirement("run", 1, "digest1"))
    (waiting,) = engine.submit([prompt])
    await engine.load_weights(str(folders[0]), ONE)
    assert (await waiting).run_id == "run"


@pytest.mark.parametrize("kind", ["nothing", "shape", "name", "torn"])
async def test_what_is_no_such_model_is_refused_before_the_server_hears_of_it(
    engine: VllmEngine, server: Any, folders: list[Path], tmp_path: Path, kind: str
) -> None:
    await engine.load_weights(str(folders[0]), ONE)
    before, told = await drawn(engine), len(server.asked)
    bad, error = tmp_path / "bad", InvalidArgument
    if kind == "nothing":
        error = NotFound
    else:
        shutil.copytree(folders[1], bad)
        spoil(bad / "model.safetensors", kind)
    with pytest.raises(error):
        await engine.load_weights(str(bad), TWO)
    assert len(server.asked) == told
    assert engine.describe().weights == ONE
    assert await drawn(engine) == before


def spoil(file: Path, kind: str) -> None:
    if kind == "torn":
        file.write_bytes(file.read_bytes()[:1000])
        return
    tensors = load_file(file)
    name = "model.layers.1.mlp.down_proj.weight"
    whole = tensors.pop(name)
    tensors[name if kind == "shape" else "other"] = whole[:, :7].clone()
    save_file(tensors, file)


async def test_a_pause_that_fails_leaves_the_old_weights(
    engine: VllmEngine, server: Any, vllm_stand_in: ModuleType, folders: list[Path]
) -> None:
    before = await drawn(engine)
    for path in ("/pause", "/update_weight_version"):
        server.faults.append(vllm_stand_in.Fault(500, path))
        with pytest.raises(PluginFailure):
            await engine.load_weights(str(folders[0]), ONE)
        assert engine.describe().weights == Version()
        assert await drawn(engine) == before


@pytest.mark.parametrize("late", [False, True])
async def test_a_load_that_fails_half_way_stops_everything_until_the_server_is_started_again(
    engine: VllmEngine, server: Any, vllm_stand_in: ModuleType, folders: list[Path], late: bool
) -> None:
    await engine.load_weights(str(folders[0]), ONE)
    before = await drawn(engine)
    server.faults.append(vllm_stand_in.Fault(500, "/collective_rpc", late))
    with pytest.raises(Unavailable, match="started again"):
        await engine.load_weights(str(folders[1]), TWO)
    (refused,) = await asyncio.gather(*engine.submit(PROMPTS[:1]), return_exceptions=True)
    assert isinstance(refused, Unavailable)
    with pytest.raises(Unavailable, match="not been started again"):
        await engine.load_weights(str(folders[1]), TWO)
    await server.restart()
    assert await eventually(engine) == before
    assert engine.describe().weights == ONE
    await engine.load_weights(str(folders[1]), TWO)
    assert await drawn(engine) != before


async def eventually(engine: VllmEngine) -> list[list[int]]:
    """What is drawn once prompts are answered again."""
    while True:
        results = await asyncio.gather(*engine.submit(PROMPTS), return_exceptions=True)
        done = [result for result in results if isinstance(result, Completion)]
        if len(done) == len(PROMPTS):
            return [list(one.response_ids) for one in done]
        assert all(isinstance(result, Unavailable) for result in results if result not in done)
        await asyncio.sleep(0.05)


async def test_a_server_that_was_started_again_gets_its_weights_back(
    engine: VllmEngine, server: Any, folders: list[Path]
) -> None:
    await engine.load_weights(str(folders[0]), ONE)
    before = await drawn(engine)
    await server.restart()  # what it draws now is of other weights than it is said to have
    (refused,) = await asyncio.gather(*engine.submit(PROMPTS[:1]), return_exceptions=True)
    assert isinstance(refused, Unavailable)
    assert await eventually(engine) == before
    assert engine.describe().weights == ONE


@pytest.mark.parametrize("kind", ["whole", "adapter"])
async def test_newer_weights_take_the_place_of_former_ones_that_are_gone(
    engine: VllmEngine,
    server: Any,
    folders: list[Path],
    adapters: list[Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    kind: str,
) -> None:
    newer = str(folders[1] if kind == "whole" else adapters[0])
    await engine.load_weights(newer, TWO)
    expected = await drawn(engine)
    pruned = shutil.copytree(folders[0], tmp_path / "pruned")
    await engine.load_weights(str(pruned), ONE)
    shutil.rmtree(pruned)
    await server.restart()
    told = len(server.asked)
    await asyncio.gather(*engine.submit(PROMPTS[:1]), return_exceptions=True)
    await until(lambda: "cannot be given its weights yet" in caplog.text)
    assert "/pause" not in [path for path, _ in server.asked[told:]]
    await engine.load_weights(newer, TWO)
    assert engine.describe().weights == TWO
    assert await drawn(engine) == expected


async def test_an_engine_takes_over_what_its_server_serves(
    server: Any, open_one: Any, folders: list[Path]
) -> None:
    former = await open_one(server)
    await former.load_weights(str(folders[0]), ONE)
    before = await drawn(former)
    await former.close()
    engine = await open_one(server)
    assert engine.describe().weights == ONE
    assert await drawn(engine) == before


@pytest.mark.parametrize("label", ["loading", "step-100"])
async def test_a_server_of_unknown_weights_is_refused(
    server: Any, open_one: Any, folders: list[Path], vllm_stand_in: ModuleType, label: str
) -> None:
    if label == "loading":
        former = await open_one(server)
        server.faults.append(vllm_stand_in.Fault(500, "/collective_rpc"))
        with pytest.raises(Unavailable):
            await former.load_weights(str(folders[0]), ONE)
        await former.close()
    else:
        server.label = label
    with pytest.raises(FailedPrecondition, match="start that"):
        await open_one(server)


# Adapters


async def test_adapters_change_without_a_standstill(
    engine: VllmEngine,
    server: Any,
    checkpoint: Path,
    adapters: list[Path],
    vllm_stand_in: ModuleType,
    tmp_path: Path,
) -> None:
    plain = await drawn(engine)
    swapped = await engine.load_weights(str(adapters[0]), ONE)
    assert swapped.stall_seconds == 0
    first = await drawn_natively(vllm_stand_in.merged(checkpoint, adapters[0], tmp_path / "merged"))
    assert await drawn(engine) == first != plain
    server.hold.clear()
    early = asyncio.gather(*engine.submit(PROMPTS))
    await running(server, len(PROMPTS))
    await engine.load_weights(str(adapters[1]), TWO)
    late = asyncio.gather(*engine.submit(PROMPTS))
    await running(server, 2 * len(PROMPTS))
    assert len(server.adapters) == 2
    server.hold.set()
    assert [list(done.response_ids) for done in await early] == first
    assert {done.spans[0].version for done in await early} == {1}
    assert {done.spans[0].version for done in await late} == {2}
    await until(lambda: len(server.adapters) == 1)
    assert list(server.adapters) == ["farfield-run-2-digest2"]
    assert "/pause" not in [path for path, _ in server.asked]


async def test_an_adapter_is_loaded_again_after_a_restart(
    engine: VllmEngine, server: Any, adapters: list[Path]
) -> None:
    await engine.load_weights(str(adapters[0]), ONE)
    before = await drawn(engine)
    await server.restart()
    assert await eventually(engine) == before


async def test_an_adapter_that_does_not_load_leaves_the_former(
    engine: VllmEngine, adapters: list[Path], tmp_path: Path
) -> None:
    await engine.load_weights(str(adapters[0]), ONE)
    before = await drawn(engine)
    bad = shutil.copytree(adapters[1], tmp_path / "bad")
    (bad / "adapter_model.safetensors").unlink()
    with pytest.raises(DataLoss, match="bad is torn"):
        await engine.load_weights(str(bad), TWO)
    assert engine.describe().weights == ONE
    assert await drawn(engine) == before


async def test_whole_models_and_adapters_take_turns(
    engine: VllmEngine, server: Any, folders: list[Path], adapters: list[Path]
) -> None:
    await engine.load_weights(str(adapters[0]), ONE)
    adapted = await drawn(engine)
    await engine.load_weights(str(folders[0]), TWO)
    whole = await drawn(engine)
    await engine.load_weights(str(adapters[0]), THREE)  # on the model that the server was started with
    assert await drawn(engine) == adapted != whole
