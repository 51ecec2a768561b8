"""Engine `tgi`: each version of the weights gets a Deployment and a Service of its own, in containers. For
the image of text-generation-inference stands `tgi_stand_in`: the same protocol before our own engine."""

import asyncio
import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from farfield.trainer.v1 import trainer_pb2 as pb
from farfield_cli.runs.trainer import Trainer
from tests.containers.conftest import installed, needed
from tests.containers.demo import Demo, build_image
from tests.containers.test_training import RL
from tests.integration.chart.rendering import DEMO

pytestmark = pytest.mark.timeout(1200)

STAND_IN = "tgi-stand-in:0.1.0"
SERVERS = ("--selector", "farfield.dev/kind=tgi")
UPDATES = 3
STRANGE = 2
"""The version whose server shows another model."""


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """One environment, one worker, and a gateway that makes servers of the stand-in."""
    needed()
    build_image(Path(__file__).parent / "tgi_stand_in", f"localhost/{STAND_IN}")
    with installed(tmp_path_factory, **_values()) as release:
        yield release


def _values() -> dict[str, Any]:
    given = yaml.safe_load(DEMO.read_text())
    name, _, tag = STAND_IN.partition(":")
    tgi = {
        "image": {"registry": "localhost", "repository": name, "tag": tag},
        "resources": {"requests": {"cpu": "200m"}, "limits": {"memory": "2Gi", "nvidia.com/gpu": None}},
        "startupSeconds": 300,
        "env": [{"name": "STAND_IN_FAULTS", "value": json.dumps({f"/{STRANGE:06d}": "strange"})}],
    }
    return {
        "environments": [{**given["environments"][0], "replicas": 1}],
        "rollout": {"replicas": 1},
        "policy": {"engine": "tgi"},
        "tgi": tgi,
    }


def served(release: Demo, kind: str) -> dict[str, tuple[str, int]]:
    """Objects of the servers, but those that end: run and version by name."""
    items = json.loads(release.kubectl("get", kind, *SERVERS, "--output", "json"))["items"]
    found = {}
    for one in items:
        said = json.loads(one["metadata"]["annotations"]["farfield.dev/release"])
        if "deletionTimestamp" not in one["metadata"]:
            found[one["metadata"]["name"]] = (said["run"], said["version"])
    return found


def rollouts(release: Demo) -> dict[str, float]:
    """By how they ended, as the gateway counts them."""
    (pod,) = release.pods("policy")
    address = release.kubectl("get", "pod", pod, "--output", "jsonpath={.status.podIP}")
    text = urllib.request.urlopen(f"http://{address}:9090/metrics", timeout=10).read().decode()
    found = re.findall(r'^farfield_policy_tgi_rollouts_total{outcome="(\w+)"} (\S+)$', text, re.MULTILINE)
    return {outcome: float(count) for outcome, count in found}


async def alone(release: Demo, version: int) -> dict[str, tuple[str, int]]:
    """The Deployments, once those of the version are the only ones."""
    async with asyncio.timeout(600):
        while True:
            found = await asyncio.to_thread(served, release, "deployments")
            if [one for _, one in found.values()] == [version]:
                return found
            await asyncio.sleep(1)


async def test_weights_are_rolled_out_and_what_does_not_come_up_is_rolled_back(release: Demo) -> None:
    """Weights may be one version old: the servers before go on with the run where new ones do not come up."""
    seen: set[tuple[str, int]] = set()
    assert list(served(release, "deployments").values()) == [("", 0)], "the configured model"
    config = {**RL, "updates": UPDATES, "max_staleness": 1}
    async with Trainer.at(release.trainer_address, patience_seconds=60) as trainer:
        await trainer.start("green", config)
        async for answer in trainer.watch("green"):
            run = answer.run
            there = await asyncio.to_thread(served, release, "deployments")
            assert len(there) <= 2, "more than the servers before and those to come"
            seen |= set(there.values())
    assert (run.state, run.update) == (pb.RUN_STATE_SUCCEEDED, UPDATES), run
    release.assert_exactly_once("green", episodes=8 * UPDATES)
    left = await alone(release, UPDATES)
    assert served(release, "services") == left
    assert rollouts(release) == {"rolled_back": 1, "served": 3}, "all of the run's versions but one"
    assert ("green", STRANGE) in seen


async def test_a_gateway_that_comes_back_takes_up_the_server_that_it_finds(release: Demo) -> None:
    before = served(release, "deployments,services")
    release.kubectl("delete", "pod", *release.pods("policy"))
    release.wait_complete()
    assert rollouts(release) == {"adopted": 1}
    assert served(release, "deployments,services") == before
