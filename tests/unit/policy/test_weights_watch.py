import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from farfield_kernel.errors import DataLoss, FailedPrecondition
from farfield_kernel.metrics import REGISTRY
from farfield_kernel.queue.contract import Queue
from farfield_kernel.queue.opening import connect
from farfield_kernel.weight_stores.cache import WeightCache
from farfield_kernel.weight_stores.remote import RemoteStore
from farfield_kernel.weights import Weights, seal
from farfield_model.chat import Message
from farfield_policy.config import TorchConfig
from farfield_policy.embedded.engine import open_engine
from farfield_policy.engine import Engine, Prompt, Requirement, Sampling, Swapped, Version
from farfield_policy.scripted import ScriptedEngine
from farfield_policy.weights_watch import WeightsWatch, load_verified

Publish = Callable[..., Weights]
HERE = WeightCache(None)
"""Of a policy that reads the trainer's folder."""


@pytest.fixture
def publish(tmp_path: Path) -> Publish:
    def make(version: int, run_id: str = "run") -> Weights:
        folder = tmp_path / f"{run_id}-{version}"
        folder.mkdir()
        (folder / "model.safetensors").write_text(f"weights {version}")
        return seal(folder, run_id, version)

    return make


@pytest.fixture
async def queue(tmp_path: Path) -> AsyncIterator[Queue]:
    made = connect(f"memory://{tmp_path.name}")
    yield made
    await made.close()


@asynccontextmanager
async def following(engine: Engine, queue: Queue, cache: WeightCache = HERE) -> AsyncIterator[WeightsWatch]:
    watch = WeightsWatch(engine, cache, queue, "lane", watch_seconds=0.05, retry_seconds=0.01)
    await watch.catch_up()
    task = asyncio.ensure_future(watch.follow())
    yield watch
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def served(engine: Engine, version: int, run_id: str = "run") -> None:
    """Returns once the engine serves that version: a prompt that requires it waits for it."""
    require = Requirement(run_id, version)
    await engine.submit([Prompt(Sampling(1), messages=(Message("user", "a"),), require=require)])[0]


async def test_it_starts_from_what_is_announced_and_follows(queue: Queue, publish: Publish) -> None:
    engine = ScriptedEngine(["a"], weights_wait_seconds=10)
    first = publish(3)
    await queue.announce("lane", first)
    async with following(engine, queue):
        assert engine.describe().weights == Version("run", 3, first.digest)
        await queue.announce("lane", publish(4))
        await served(engine, 4)
        await queue.announce("lane", publish(0, "next"))
        await served(engine, 0, "next")


async def test_a_lane_without_announcements_serves_what_was_configured(queue: Queue) -> None:
    engine = ScriptedEngine(["a"], weights_wait_seconds=10)
    async with following(engine, queue):
        assert engine.describe().weights == Version("", 0)


async def test_torn_weights_leave_the_old_serving_and_are_tried_again(queue: Queue, publish: Publish) -> None:
    engine = ScriptedEngine(["a"], weights_wait_seconds=10)
    await queue.announce("lane", publish(1))
    torn = publish(2)
    file = Path(torn.path) / "model.safetensors"
    whole = file.read_bytes()
    file.write_bytes(b"half")
    async with following(engine, queue):
        await queue.announce("lane", torn)
        await asyncio.sleep(0.05)
        assert engine.describe().weights.version == 1
        file.write_bytes(whole)
        await served(engine, 2)


async def test_files_that_hold_no_weights_leave_the_old_serving(
    queue: Queue, publish: Publish, checkpoint: Path, make_llama: Callable[[int], Any], tmp_path: Path
) -> None:
    engine = open_engine(TorchConfig(model=str(checkpoint)))
    made = tmp_path / "made"
    make_llama(7).save_pretrained(made)
    await queue.announce("lane", publish(1))  # sealed, and no file of tensors
    async with following(engine, queue):
        assert engine.describe().weights == Version("", 0)
        await asyncio.sleep(0.05)
        await queue.announce("lane", seal(made, "run", 2))
        await served(engine, 2)
    await engine.close()


class Choosy(ScriptedEngine):
    """Cannot serve version 1, and will not try it again for an hour."""

    async def load_weights(self, path: str, weights: Version) -> Swapped:
        if weights.version == 1:
            raise FailedPrecondition("no server came up", retry_after=3600)
        return await super().load_weights(path, weights)


async def test_weights_that_cannot_be_served_yet_do_not_keep_others_waiting(
    queue: Queue, publish: Publish
) -> None:
    engine = Choosy(["a"], weights_wait_seconds=10)
    async with following(engine, queue):
        await queue.announce("lane", publish(1))
        await asyncio.sleep(0.05)
        await queue.announce("lane", publish(2))
        await served(engine, 2)


async def test_torn_weights_at_the_start_are_not_fatal(queue: Queue, publish: Publish) -> None:
    engine = ScriptedEngine(["a"], weights_wait_seconds=10)
    torn = publish(1)
    (Path(torn.path) / "model.safetensors").unlink()
    await queue.announce("lane", torn)
    async with following(engine, queue):
        assert engine.describe().weights == Version("", 0)


async def test_only_the_version_that_was_asked_for_is_loaded(publish: Publish) -> None:
    engine = ScriptedEngine(["a"], weights_wait_seconds=10)
    weights = publish(2)
    await load_verified(engine, HERE, weights.path)
    await load_verified(engine, HERE, weights.path, "run", 2, weights.digest)
    for run_id, version, digest in (("run", 3, ""), ("other", 2, ""), ("run", 2, "abc")):
        with pytest.raises(FailedPrecondition):
            await load_verified(engine, HERE, weights.path, run_id, version, digest)
    (Path(weights.path) / "model.safetensors").write_text("other")
    with pytest.raises(DataLoss, match=r"model\.safetensors"):
        await load_verified(engine, HERE, weights.path)


async def test_weights_of_an_object_store_are_downloaded_and_followed(
    queue: Queue, publish: Publish, tmp_path: Path
) -> None:
    store = RemoteStore((tmp_path / "bucket").as_uri(), "run")
    engine = ScriptedEngine(["a"], weights_wait_seconds=10)
    first, cache = store.put(publish(1)), WeightCache(tmp_path / "cache")
    await queue.announce("lane", first)
    async with following(engine, queue, cache):
        assert engine.describe().weights == Version("run", 1, first.digest)
        await queue.announce("lane", store.put(publish(2)))
        await served(engine, 2)
    assert REGISTRY.get_sample_value("farfield_policy_weight_version", {"run": "run"}) == 2


async def test_without_a_folder_to_download_to_the_old_weights_serve(
    queue: Queue, publish: Publish, tmp_path: Path, caplog
) -> None:
    store = RemoteStore((tmp_path / "bucket").as_uri(), "run")
    engine = ScriptedEngine(["a"], weights_wait_seconds=10)
    await queue.announce("lane", store.put(publish(1)))
    async with following(engine, queue):
        assert engine.describe().weights == Version("", 0)
    assert "set weights_cache to a folder" in caplog.text
