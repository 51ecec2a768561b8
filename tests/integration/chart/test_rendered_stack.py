"""A run trains on the services as the chart configures them. Pods are processes here, and names of Services
this machine; what else they are told stands as it was rendered."""

import asyncio
import base64
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from farfield.trainer.v1 import trainer_pb2 as pb
from farfield_cli.readiness import serving
from farfield_cli.trainer import Trainer

sys.path.insert(0, str(Path(__file__).parent))

from rendering import DEMO, NO_HELM, ROOT, WORKLOADS, Object, config, helms, labels, named, of, template

CHECKPOINT = ROOT / "examples" / "tiny" / "checkpoint"
HERE = "127.0.0.1"
SERVICE = re.compile(r"[\w-]+\.train\.svc\.cluster\.local")

TETHER = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []  # no process outlives the test

RUN = {
    "base": str(CHECKPOINT),
    "environment": {
        "name": "generalpoints",
        "variant": "id",
        "options": {"prompt": "compact", "max_turns": 2},
    },
    "reward": {"named": "right-or-wrong"},
    "sampling": {"max_new_tokens": 40},
    "algorithm": {"kind": "rl"},
    "updates": 2,
    "batch": {"groups": 4, "group_size": 2},
}


class Cluster:
    """The rendered workloads as processes, one of each."""

    def __init__(self, objects: list[Object], redis_url: str, folder: Path) -> None:
        self._redis_url, self._folder, self._stack = redis_url, folder, ExitStack()
        self.ports = {
            name: config(objects, name)["server"]["port"]
            for name in (one["metadata"]["name"] for one in of(objects, *WORKLOADS))
            if name != "rl-redis"
        }
        for one in of(objects, *WORKLOADS):
            if one["metadata"]["name"] in self.ports:
                self._start(one, objects)

    def _start(self, workload: Object, objects: list[Object]) -> None:
        name, kind = workload["metadata"]["name"], labels(workload)["farfield.dev/kind"]
        file = self._folder / f"{name}.yaml"
        file.write_text(SERVICE.sub(HERE, named(objects, "ConfigMap", name)["data"]["config.yaml"]))
        container = workload["spec"]["template"]["spec"]["containers"][0]
        words = [str(file) if word.endswith(".yaml") else word for word in container["args"]]
        variables = {one["name"]: self._redis_url for one in container["env"] if "valueFrom" in one}
        log = self._stack.enter_context((self._folder / f"{name}.log").open("wb"))
        process = subprocess.Popen(
            [*TETHER, sys.executable, "-m", f"farfield_{kind}", *words],
            stderr=log,
            env={**os.environ, **variables},
        )
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)

    async def ready(self) -> None:
        async with asyncio.timeout(60):
            for port in self.ports.values():
                while not await serving(f"{HERE}:{port}"):  # noqa: ASYNC110 — a process is waited for
                    await asyncio.sleep(0.1)

    def stop(self) -> None:
        self._stack.close()


@pytest.fixture(params=helms()[-1:] or [pytest.param("", marks=NO_HELM)], ids=lambda helm: Path(helm).name)
def helm(request: pytest.FixtureRequest) -> str:
    """One is enough here."""
    return request.param


@pytest.fixture
async def cluster(
    helm: str, tmp_path: Path, make_redis: Callable[..., Any], unused_tcp_port_factory: Callable[[], int]
) -> AsyncIterator[Cluster]:
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(_values(tmp_path, unused_tcp_port_factory)))
    objects = template(helm, DEMO, "--values", str(file))
    secret = named(objects, "Secret", "rl-redis")["data"]
    server = make_redis("--requirepass", base64.b64decode(secret["password"]).decode())
    url = SERVICE.sub(HERE, base64.b64decode(secret["url"]).decode()).replace(":6379", f":{server.port}")
    cluster = Cluster(objects, url, tmp_path)
    try:
        await cluster.ready()
        yield cluster
    finally:
        cluster.stop()


def _values(folder: Path, port: Callable[[], int]) -> dict[str, Any]:
    """Over the demo's: pods that share a machine need ports and folders of their own."""
    given = yaml.safe_load(DEMO.read_text())
    return {
        "common": {"metricsPort": 0, "drainSeconds": 1},
        "environments": [{**one, "port": port()} for one in given["environments"]],
        "verifiers": [{**one, "port": port()} for one in given["verifiers"]],
        "model": {"path": str(CHECKPOINT)},
        "runs": {"mountPath": str(folder / "runs")},
        **{kind: {"port": port()} for kind in ("policy", "rollout", "trainer")},
    }


async def test_a_run_trains_as_the_chart_configures_it(cluster: Cluster) -> None:
    async with asyncio.timeout(90), Trainer.at(f"{HERE}:{cluster.ports['rl-trainer']}") as trainer:
        await trainer.start("first", RUN)
        async for answer in trainer.watch("first"):
            run = answer.run
    assert run.state == pb.RUN_STATE_SUCCEEDED, run
    assert (run.episodes_trained, run.episodes_failed) == (16, 0)
