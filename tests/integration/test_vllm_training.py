"""A run that is played by the engine `vllm`, before a stand-in for its server that draws with our own engine:
the same episodes and the same weights come out as with the native engine, also when the server is lost.

The services share one process here; calls between them pass over gRPC, and those to the server over HTTP.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from farfield.trajectory.v1.trajectory_pb2 import Trajectory
from farfield_environment.config import EnvironmentConfig
from farfield_environment.service import assembled as environment
from farfield_kernel import plugins
from farfield_kernel.queue.opening import connect
from farfield_kernel.server import ServerConfig, running
from farfield_policy.config import PolicyConfig
from farfield_policy.service import assembled as policy
from farfield_rollout.config import RolloutConfig
from farfield_rollout.services import Services
from farfield_rollout.worker import Worker
from farfield_trainer.config import TrainerConfig
from farfield_trainer.run import Run, State
from farfield_trainer.run_config import RunConfig
from farfield_trainer.service import assembled as trainer
from farfield_verifier.config import VerifierConfig
from farfield_verifier.service import assembled as verifier

pytestmark = pytest.mark.timeout(300)

BASE = Path(__file__).parents[2] / "examples" / "tiny" / "checkpoint"
UPDATES, EPISODES = 3, 8
RUN = {
    "base": str(BASE),
    "environment": {"name": "generalpoints", "options": {"prompt": "compact", "max_turns": 3}},
    "reward": {"leaf": {"verifier": "generalpoints"}},
    "sampling": {"max_new_tokens": 64, "temperature": 0.9, "top_p": 0.98},
    "algorithm": {"kind": "rl", "advantage": {"estimator": "grpo"}},
    "batch": {"groups": EPISODES // 2, "group_size": 2},
    "updates": UPDATES,
    "deterministic": True,
    "evaluation": {"at_start": False, "at_end": False},
}
NATIVE = {"kind": "torch", "model": str(BASE), "max_rows": 8, "max_context": 512, "deterministic": True}


class Recorded:
    """A queue that notes what is committed through it."""

    def __init__(self, queue: Any) -> None:
        self._queue = queue
        self.trajectories: dict[str, Trajectory] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)

    async def commit_many(self, run_id: str, worker: str, played: list[Any]) -> Any:
        self.trajectories |= {one.trajectory.spec.episode_id: one.trajectory for one in played}
        return await self._queue.commit_many(run_id, worker, played)


@dataclass
class Played:
    """A finished run: its episodes, what its updates measured, and a digest of the weights it ended with."""

    episodes: dict[str, Trajectory]
    updates: list[dict[str, float]]
    weights: str


@asynccontextmanager
async def stack(folder: Path, url: str, engine: dict[str, Any]) -> AsyncIterator[tuple[Any, Recorded]]:
    """All services for the length of a block: the trainer's runs, and the queue of the worker."""
    async with AsyncExitStack() as opened:
        enter = opened.enter_async_context
        host = await enter(environment(EnvironmentConfig(), plugins.load("farfield.environments")))
        judge = await enter(verifier(VerifierConfig(), plugins.load("farfield.verifiers")))
        lane = {"queue_url": url, "lane": "lane"}
        player = await enter(policy(PolicyConfig(engine=engine, retry_seconds=0.1, **lane)))
        address = await enter(running([host.mount, judge.mount, player.mount], ServerConfig(port=0)))
        at = {"address": address}
        config = RolloutConfig(environment=at, verifier=at, policy=at, **lane)
        queue, services = Recorded(connect(url)), Services.connect(config)
        work = [Worker(config, queue, services).run, *player.background]
        tasks = [asyncio.create_task(one()) for one in work]
        runs = TrainerConfig(environment=at, verifier=at, runs=folder / "runs", **lane)
        try:
            yield (await enter(trainer(runs))).runs, queue
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await services.close()
            await queue.close()


async def play(
    folder: Path,
    url: str,
    engine: dict[str, Any],
    meanwhile: Callable[[Recorded], Awaitable[None]] | None = None,
    settings: dict[str, Any] = RUN,
) -> Played:
    async with stack(folder, url, engine) as (runs, queue):
        run: Run = runs.start("run", RunConfig.model_validate(settings))
        assert run.task is not None
        if meanwhile:
            await meanwhile(queue)
        await run.task
        assert run.state is State.SUCCEEDED, run.error
        lines = [json.loads(line) for line in (run.folder / "reports.jsonl").read_text().splitlines()]
        updates = [line["metrics"] for line in lines if line["kind"] == "update"]
        (final,) = (run.folder / "weights" / f"{UPDATES:06d}").glob("*.safetensors")
        return Played(queue.trajectories, updates, hashlib.sha256(final.read_bytes()).hexdigest())


def said(trajectory: Trajectory) -> list[tuple[Any, ...]]:
    return [
        (
            turn.prompt_ids,
            turn.response_ids,
            turn.response_text,
            turn.finish_reason,
            [(span.version, span.tokens) for span in turn.versions],
            turn.verdict.reward,
        )
        for turn in trajectory.turns
    ]


@pytest.fixture
async def native(make_redis: Callable[..., Any], tmp_path: Path) -> Played:
    return await play(tmp_path / "native", make_redis().url, NATIVE)


@pytest.mark.parametrize("lost", [False, True])
async def test_a_run_ends_as_with_the_native_engine(
    native: Played, make_redis: Callable[..., Any], tmp_path: Path, vllm_stand_in: ModuleType, lost: bool
) -> None:
    async with vllm_stand_in.VllmStandIn(BASE, context=512, deterministic=True) as server:

        async def lose(queue: Recorded) -> None:
            while len(queue.trajectories) <= EPISODES:  # noqa: ASYNC110 - of a queue, which tells nobody
                await asyncio.sleep(0.01)
            await server.restart()

        engine = {"kind": "vllm", "url": server.url, "tokenizer": str(BASE), "first_pause_seconds": 0.01}
        through = await play(tmp_path / "vllm", make_redis().url, engine, lose if lost else None)
        changes = [path for path, _ in server.asked if path == "/collective_rpc"]

    assert len(native.episodes) == UPDATES * EPISODES
    assert any(len(one.turns) > 1 for one in native.episodes.values())
    assert through.episodes.keys() == native.episodes.keys()
    for episode, theirs in native.episodes.items():
        assert said(through.episodes[episode]) == said(theirs)
    assert through.weights == native.weights
    assert len(changes) >= UPDATES - 1 + lost
    for ours, theirs in zip(through.updates, native.updates, strict=True):
        assert ours["episodes_failed"] == 0
        assert ours["mismatch_ratio_max"] == pytest.approx(theirs["mismatch_ratio_max"], abs=1e-4)


async def test_a_run_of_adapters_is_played_by_both_engines(
    make_redis: Callable[..., Any], tmp_path: Path, vllm_stand_in: ModuleType
) -> None:
    """What they sample is what the trainer computes (a ratio of 1), also of versions whose B is not zero."""
    training = {"lora": {"rank": 4, "alpha": 16}, "optimizer": {"learning_rate": 1e-3}}
    settings = RUN | {
        "algorithm": {**RUN["algorithm"], **training},
        "sampling": {"max_new_tokens": 64, "temperature": 0.9},
    }
    native = await play(tmp_path / "native", make_redis().url, NATIVE, settings=settings)
    async with vllm_stand_in.VllmStandIn(BASE, context=512, deterministic=True) as server:
        engine = {"kind": "vllm", "url": server.url, "tokenizer": str(BASE)}
        through = await play(tmp_path / "vllm", make_redis().url, engine, settings=settings)
        loaded = [path for path, _ in server.asked if path == "/v1/load_lora_adapter"]
    assert through.episodes.keys() == native.episodes.keys()
    for episode, theirs in native.episodes.items():
        assert said(through.episodes[episode]) == said(theirs)
    assert through.weights == native.weights
    assert len(loaded) >= UPDATES
    for figures in (*native.updates, *through.updates):
        assert figures["episodes_failed"] == 0
        assert figures["mismatch_ratio_max"] == pytest.approx(1, abs=1e-4)
