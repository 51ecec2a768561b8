"""`farfield --context` at a simulated cluster with a real trainer, whose pods are reached through the API."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.timeout(400)  # the trainer imports torch and transformers
CARDS = ("--plugins", "[generalpoints]")
BASE = Path(__file__).parents[3] / "examples" / "tiny" / "checkpoint"
DISCOVERY = json.dumps({"kind": "kubernetes", "context": "simulator"})


def sft(updates: int) -> dict[str, Any]:
    return {
        "base": str(BASE),
        "environment": {"name": "generalpoints", "variant": "id", "options": {"prompt": "compact"}},
        "algorithm": {"kind": "sft", "optimizer": {"learning_rate": 1.0e-4}, "micro_batch_tokens": 512},
        "demonstrations": {"style": "optimal", "batch_size": 4},
        "updates": updates,
        "checkpoint": {"every": 1000},
    }


@pytest.fixture
async def full(town, make_redis) -> Any:
    """A cluster with everything; the trainer and the policies are reached through the API alone."""
    redis = make_redis()
    queue = ("--lane", "rl", "--queue_url", redis.url)
    engine = ("--engine.kind", "scripted", "--engine.responses", json.dumps(["no idea"]))
    await asyncio.gather(
        town.join("cards", "environment", *CARDS),
        town.join("judge", "verifier", *CARDS),
        town.join("speaker", "policy", *engine, *queue, lane="rl", routed=False),
        town.join("coach", "trainer", *queue, "--discovery", DISCOVERY, lane="rl", routed=False),
    )
    return town


async def done(town, *words: str) -> str:
    status, said = await town.farfield(*words)
    assert status == 0, said
    return said


async def failed(town, *words: str, context: str = "simulator") -> str:
    status, said = await town.farfield(*words, context=context)
    assert status != 0, said
    return said


async def test_a_run_is_submitted_followed_and_steered(full) -> None:
    for name, updates in (("long", 10_000), ("short", 3)):
        (full.folder / f"{name}.yaml").write_text(yaml.safe_dump(sft(updates)))
    said = await done(full, "run", "submit", "long.yaml")
    assert "run long of lane rl: running" in said
    assert "farfield --context simulator run logs long" in said
    assert "the trainer is busy: run 'long' is running here" in await failed(
        full, "run", "submit", "short.yaml"
    )
    said = await done(full, "status")
    assert "generalpoints" in said
    assert "works on long" in said
    assert "scripted, serves" in said
    await done(full, "run", "pause", "long")
    assert "long: paused, sft" in await done(full, "run", "status", "long")
    assert "running" in await done(full, "run", "resume", "long")
    await done(full, "run", "stop", "long")
    assert "long: stopped" in await done(full, "run", "logs", "long")
    await done(full, "run", "submit", "short.yaml")
    said = await done(full, "run", "logs", "short", "--pods")
    assert "short: update 3/3" in said
    assert "short: succeeded" in said
    assert "coach-0/main: coach-0 is up" in said
    listed = await done(full, "run", "list")
    assert "stopped" in listed
    assert "succeeded" in listed
    weights = await done(full, "weights", "list", "short")
    assert (
        "short (succeeded)  3 (last)" in " ".join(weights.split(" ")).replace("   ", " ")
        or "3 (last)" in weights
    )
    assert "speaker-0" in weights


async def test_environments_are_listed_and_evaluated(full) -> None:
    listed = await done(full, "env", "list")
    assert "generalpoints" in listed
    assert "cards" in listed
    assert "variant" in await done(full, "env", "describe", "generalpoints")
    said = await done(full, "eval", "--env", "generalpoints", "--variants", "id", "-n", "3", "--out", "eval")
    assert "0.0" in said
    assert json.loads((full.folder / "eval" / "eval.json").read_text())


async def test_mistakes_are_answered_with_their_cure(town) -> None:
    assert "nothing of Farfield is in simulator/default" in await failed(town, "status")
    await town.join("cards", "environment", *CARDS)
    await town.join("more", "environment", *CARDS, release="other")
    assert "no context 'prod' in the KUBECONFIG file; it has simulator" in await failed(
        town, "status", context="prod"
    )
    assert "choose one of other, rl with --release" in await failed(town, "status")
    said = await failed(town, "--release", "none", "status")
    assert "no release 'none' of Farfield in simulator/default; there is other, rl" in said
    assert "no trainer in simulator/default" in await failed(town, "--release", "rl", "run", "list")
    assert "is about this machine: leave out --context" in await failed(town, "down")
    (town.folder / "run.yaml").write_text("base: ../here\n")
    assert "is a path of this machine" in await failed(town, "--release", "rl", "run", "submit", "run.yaml")
