"""The tiny vision-language model learns from pictures through every service and a real Redis.

The services share one process here; calls between them pass over gRPC all the same.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

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
from farfield_trainer.runs import Runs
from farfield_trainer.service import assembled as trainer
from farfield_verifier.config import VerifierConfig
from farfield_verifier.service import assembled as verifier

pytestmark = pytest.mark.timeout(300)

BASE = Path(__file__).parents[2] / "examples" / "tiny-vl" / "checkpoint"
GAME = {
    "name": "generalpoints",
    "variant": "vl-id",
    "options": {"prompt": "compact", "image_height": 64, "max_turns": 2},
}
COMMON = {
    "environment": GAME,
    "reward": {"leaf": {"verifier": "generalpoints"}},
    "sampling": {"max_new_tokens": 48, "temperature": 1},
    "updates": 2,
    "evaluation": {"suites": {"id": {"episodes": 4, "environment": GAME}}, "keep_episodes": 2},
}


@asynccontextmanager
async def stack(folder: Path, url: str) -> AsyncIterator[Runs]:
    """All five services for the length of a block, and the trainer's runs."""
    async with AsyncExitStack() as opened:
        enter = opened.enter_async_context
        host = await enter(environment(EnvironmentConfig(), plugins.load("farfield.environments")))
        judge = await enter(verifier(VerifierConfig(), plugins.load("farfield.verifiers")))
        engine = {"kind": "torch", "model": str(BASE), "max_rows": 8, "max_context": 256}
        player = await enter(
            policy(PolicyConfig(engine=engine, queue_url=url, lane="lane", retry_seconds=0.1))
        )
        address = await enter(running([host.mount, judge.mount, player.mount], ServerConfig(port=0)))
        at = {"address": address}
        worker_config = RolloutConfig(queue_url=url, lane="lane", environment=at, verifier=at, policy=at)
        queue, services = connect(url), Services.connect(worker_config)
        worker = Worker(worker_config, queue, services)
        tasks = [asyncio.create_task(work()) for work in (worker.run, *player.background)]
        config = TrainerConfig(queue_url=url, lane="lane", environment=at, verifier=at, runs=folder / "runs")
        try:
            yield (await enter(trainer(config))).runs
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await services.close()
            await queue.close()


async def finished(runs: Runs, run_id: str, config: dict[str, Any]) -> Run:
    run = runs.start(run_id, RunConfig.model_validate(config))
    assert run.task is not None
    await run.task
    assert run.state is State.SUCCEEDED, run.error
    return run


def figures(run: Run, kind: str) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (run.folder / "reports.jsonl").read_text().splitlines()]
    return [line["metrics"] for line in lines if line["kind"] == kind]


async def test_pictures_are_played_learned_from_and_forgotten(
    make_redis: Callable[..., Any], tmp_path: Path
) -> None:
    server = make_redis()
    sft = COMMON | {
        "base": str(BASE),
        "algorithm": {"kind": "sft"},
        "demonstrations": {"style": "revision", "batch_size": 4},
    }
    rl = COMMON | {
        "base": str(BASE),
        "algorithm": {"kind": "rl", "advantage": {"estimator": "ppo_turn"}, "kl": {"coefficient": 0.01}},
        "batch": {"groups": 3, "group_size": 2},
        "checkpoint": {"every": 1},
    }
    async with stack(tmp_path, server.url) as runs:
        imitated = await finished(runs, "sft", sft)
        assert [update["demonstrations"] for update in figures(imitated, "update")] == [4, 4]
        played = await finished(runs, "rl", rl)
    updates = figures(played, "update")
    assert [update["episodes_trained"] for update in updates] == [6, 6]
    assert all(update["mismatch_ratio_max"] == pytest.approx(1, abs=1e-4) for update in updates)
    assert all(update["episodes_failed"] == 0 for update in updates)
    kept = list((played.folder / "episodes").rglob("*.png"))
    assert kept, "the episodes that are kept to be read have their pictures"
    left = await keys(server.url)
    assert not [key for key in left if b"{rl}" in key or b"{sft}" in key], left


async def keys(url: str) -> list[bytes]:
    from redis.asyncio import Redis

    async with Redis.from_url(url) as client:
        return [key async for key in client.scan_iter()]
