"""What the chart installs trains, in containers of the real images: with its hook, through faults, after an
upgrade. The API is simulated and the kubelet a toy (tests/cluster); all else is real."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from farfield.trainer.v1 import trainer_pb2 as pb
from farfield_cli.runs.trainer import Trainer
from farfield_kernel.errors import NotFound
from tests.cluster.podman import faults
from tests.containers.demo import Demo, build_plugin
from tests.integration.chart.rendering import DEMO, NAMESPACE

pytestmark = pytest.mark.timeout(420)

GENERALPOINTS = {"name": "generalpoints", "variant": "id", "options": {"prompt": "compact", "max_turns": 2}}
SFT = {
    "base": "/models/tiny",
    "environment": GENERALPOINTS,
    "algorithm": {"kind": "sft"},
    "demonstrations": {"style": "optimal", "batch_size": 16},
    "updates": 3,
}
RL = {
    "base": "/models/tiny",
    "environment": GENERALPOINTS,
    "reward": {"named": "right-or-wrong"},
    "sampling": {"max_new_tokens": 40},
    "algorithm": {"kind": "rl"},
    "batch": {"groups": 4, "group_size": 2},
    "updates": 3,
}


def test_the_hook_finds_every_service_healthy(demo: Demo) -> None:
    assert "Succeeded" in demo.helm("test", "--timeout=60s")


async def test_demonstrations_are_learned_from(demo: Demo) -> None:
    run = await demo.train("sft", SFT)
    assert (run.state, run.update) == (pb.RUN_STATE_SUCCEEDED, 3), run
    assert demo.summary("sft")["demonstrations"] == 48


async def test_episodes_are_learned_from(demo: Demo) -> None:
    run = await demo.train("rl", RL)
    assert (run.state, run.update, run.version) == (pb.RUN_STATE_SUCCEEDED, 3, 3), run
    demo.assert_exactly_once("rl", episodes=24)


def lose_a_worker(demo: Demo) -> None:
    """With its node, so to say: without any notice to it."""
    demo.kubectl("delete", "pod", demo.pods("rollout")[0], "--force", "--grace-period=0")


def kill_an_environment(demo: Demo) -> None:
    faults.kill(NAMESPACE, demo.pods("environment")[0], "environment")


def cut_the_verifier_off(demo: Demo) -> None:
    (pod,) = demo.pods("verifier")
    faults.cut(NAMESPACE, pod)
    demo.wait_ready(pod, False)
    faults.heal(NAMESPACE, pod)
    demo.wait_ready(pod)


def kill_redis(demo: Demo) -> None:
    faults.kill(NAMESPACE, "rl-redis-0", "redis")


def replace_the_policy(demo: Demo) -> None:
    demo.kubectl("delete", "pod", *demo.pods("policy"), "--wait=false")


def replace_the_trainer(demo: Demo) -> None:
    demo.kubectl("delete", "pod", "rl-trainer-0", "--wait=false")


FAULTS: list[Callable[[Demo], None]] = [
    lose_a_worker,
    kill_an_environment,
    cut_the_verifier_off,
    kill_redis,
    replace_the_policy,
    replace_the_trainer,
]


async def test_a_run_outlives_what_a_cluster_does_to_it(demo: Demo) -> None:
    """A fault after each update, while the next is played."""
    config = {**RL, "updates": 10, "batch": {"groups": 16, "group_size": 4}, "checkpoint": {"every": 2}}
    left, workers = list(FAULTS), set(demo.pods("rollout"))
    async with Trainer.at(demo.trainer_address, patience_seconds=120) as trainer:
        await trainer.start("storm", config)
        async for answer in trainer.watch("storm"):
            run = answer.run
            if answer.report.kind == "update" and left:
                await asyncio.to_thread(left.pop(0), demo)
    assert not left
    assert run.state == pb.RUN_STATE_SUCCEEDED, run
    demo.assert_exactly_once("storm", episodes=640)
    demo.wait_complete()
    assert len(demo.pods("rollout")) == len(workers)
    assert set(demo.pods("rollout")) != workers


async def test_an_upgrade_adds_a_plugin_and_swaps_a_reward(demo: Demo, tmp_path: Path) -> None:
    images = build_plugin(tmp_path, "my-game")
    with pytest.raises(NotFound, match="no environment 'my-game'"):
        await demo.train("too-early", _played("my-game"))
    others = {name for kind in ("trainer", "policy", "redis") for name in demo.pods(kind)}
    given = yaml.safe_load(DEMO.read_text())
    (rewards,) = given["verifiers"]
    rewards |= {
        "image": {"repository": images["verifier"]},
        "plugins": [*rewards["plugins"], "my-game"],
        "config": {"plans": {"right-or-wrong": {"leaf": {"verifier": "my-game"}}}},
    }
    game = {"name": "my-game", "image": {"repository": images["environment"]}}
    await asyncio.to_thread(demo.upgrade, environments=[*given["environments"], game], verifiers=[rewards])
    run = await demo.train("my-game", _played("my-game"))
    assert run.state == pb.RUN_STATE_SUCCEEDED, run
    demo.assert_exactly_once("my-game", episodes=24)
    assert others <= {name for kind in ("trainer", "policy", "redis") for name in demo.pods(kind)}


def _played(name: str) -> dict[str, Any]:
    return {**RL, "environment": {"name": name, "variant": "id"}}
