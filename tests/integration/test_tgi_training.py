"""A run that is played by the engine `tgi`: its server is our own wire of that protocol over the torch
engine, started again for every version of the weights.

The services share one process here, but for that server; calls between them pass over gRPC all the same.
"""

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from farfield.trajectory.v1.trajectory_pb2 import Trajectory
from farfield_environment.config import EnvironmentConfig
from farfield_environment.service import assembled as environment
from farfield_kernel import plugins
from farfield_kernel.queue.opening import connect
from farfield_kernel.server import ServerConfig, running
from farfield_kernel.wire import floats_from_bytes
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

pytestmark = pytest.mark.timeout(600)

BASE = Path(__file__).parents[2] / "examples" / "tiny" / "checkpoint"
GAME = {"name": "generalpoints", "options": {"prompt": "compact", "max_turns": 3}}
UPDATES, EPISODES = 2, 8
RUN = {
    "base": str(BASE),
    "environment": GAME,
    "reward": {"leaf": {"verifier": "generalpoints"}},
    "sampling": {"max_new_tokens": 64, "temperature": 1},
    "algorithm": {"kind": "rl", "advantage": {"estimator": "grpo"}},
    "batch": {"groups": EPISODES // 2, "group_size": 2},
    "updates": UPDATES,
    "deterministic": True,
    "evaluation": {"at_start": False, "at_end": False},
}
NATIVE = {"kind": "torch", "model": str(BASE), "max_rows": 8, "max_context": 512, "deterministic": True}


def supervised(port: int) -> dict[str, Any]:
    """The engine `tgi`, whose server is a policy service of ours that serves its wire too."""
    server = [sys.executable, "-m", "farfield_policy", "--tgi_server.port", str(port)]
    server += ["--server.port", "0", "--server.drain_seconds", "0"]
    engine = {**NATIVE, "model": "{model}"}
    words = [word for key, value in engine.items() for word in (f"--engine.{key}", str(value))]
    return {
        "kind": "tgi",
        "url": f"http://127.0.0.1:{port}",
        "model_path": str(BASE),
        "weights": {"kind": "process", "command": [*server, *words], "start_seconds": 200},
    }


class Recorded:
    """A queue that notes what is committed through it."""

    def __init__(self, queue: Any) -> None:
        self._queue = queue
        self.trajectories: list[Trajectory] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)

    async def commit_many(self, run_id: str, worker: str, played: list[Any]) -> Any:
        self.trajectories += [one.trajectory for one in played]
        return await self._queue.commit_many(run_id, worker, played)


@asynccontextmanager
async def played(
    folder: Path, url: str, engine: dict[str, Any]
) -> AsyncIterator[tuple[Run, list[Trajectory]]]:
    """The run, finished, and its trajectories."""
    async with AsyncExitStack() as opened:
        enter = opened.enter_async_context
        host = await enter(environment(EnvironmentConfig(), plugins.load("farfield.environments")))
        judge = await enter(verifier(VerifierConfig(), plugins.load("farfield.verifiers")))
        player = await enter(
            policy(PolicyConfig(engine=engine, queue_url=url, lane="lane", retry_seconds=0.1))
        )
        address = await enter(running([host.mount, judge.mount, player.mount], ServerConfig(port=0)))
        at = {"address": address}
        config = RolloutConfig(queue_url=url, lane="lane", environment=at, verifier=at, policy=at)
        queue, services = Recorded(connect(url)), Services.connect(config)
        tasks = [
            asyncio.create_task(work()) for work in (Worker(config, queue, services).run, *player.background)
        ]
        runs_config = TrainerConfig(
            queue_url=url, lane="lane", environment=at, verifier=at, runs=folder / "runs"
        )
        try:
            run = (await enter(trainer(runs_config))).runs.start("run", RunConfig.model_validate(RUN))
            assert run.task is not None
            await run.task
            assert run.state is State.SUCCEEDED, run.error
            yield run, queue.trajectories
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await services.close()
            await queue.close()


def figures(run: Run, kind: str) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (run.folder / "reports.jsonl").read_text().splitlines()]
    return [line["metrics"] for line in lines if line["kind"] == kind]


def by_episode(trajectories: list[Trajectory]) -> dict[str, Trajectory]:
    return {one.spec.episode_id: one for one in trajectories}


def said(trajectory: Trajectory) -> list[tuple[bytes, bytes, str, float]]:
    return [(t.prompt_ids, t.response_ids, t.response_text, t.verdict.reward) for t in trajectory.turns]


async def test_a_run_through_the_wire_plays_what_the_native_engine_plays(
    make_redis: Callable[..., Any], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with played(tmp_path / "native", make_redis().url, NATIVE) as (run, trajectories):
        native, native_updates = by_episode(trajectories), figures(run, "update")
    async with played(tmp_path / "tgi", make_redis().url, supervised(port)) as (run, trajectories):
        through, updates = by_episode(trajectories), figures(run, "update")

    assert len(native) == len(through) == UPDATES * EPISODES
    assert any(len(one.turns) > 1 for one in native.values())
    for episode, theirs in native.items():
        ours = through[episode]
        assert said(ours) == said(theirs)
        for turn, same in zip(ours.turns, theirs.turns, strict=True):
            assert turn.retokenized
            assert [span.version for span in turn.versions] == [ours.spec.policy_version]
            assert floats_from_bytes(turn.logprobs) == pytest.approx(
                floats_from_bytes(same.logprobs), abs=1e-4
            )
    for one, other in zip(updates, native_updates, strict=True):
        assert one["episodes_failed"] == 0
        for figure in ("loss", "grad_norm", "episode_reward_mean"):
            assert one[figure] == pytest.approx(other[figure], rel=1e-4)
        assert one["tokens_train"] > other["tokens_train"], "each turn is a sample of its own"
    print(_summary("native", native, native_updates))
    print(_summary("tgi", through, updates))


def _summary(engine: str, episodes: dict[str, Trajectory], updates: list[dict[str, float]]) -> str:
    turns = [len(one.turns) for one in episodes.values()]
    shown = ("loss", "grad_norm", "episode_reward_mean", "tokens_train", "seconds_wait_for_episodes")
    figures = [", ".join(f"{name} {update[name]:.6g}" for name in shown) for update in updates]
    return f"{engine}: {len(turns)} episodes, {sum(turns)} turns; " + "; ".join(figures)
