"""A run trains on the services as the chart configures them. For pods there are processes, or containers of
the real images where podman has them; the names of Services are this machine. All else stands as rendered."""

import asyncio
import base64
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from farfield.trainer.v1 import trainer_pb2 as pb
from farfield_cli.runs.trainer import Trainer
from farfield_cli.stack.readiness import serving

sys.path.insert(0, str(Path(__file__).parent))

from rendering import DEMO, ROOT, WORKLOADS, Object, config, named, of, pods, template

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


class Process:
    """A pod's service from this repository."""

    @staticmethod
    def check(objects: list[Object]) -> None:
        pass

    def __init__(self, pod: Object, folder: Path, variables: dict[str, str]) -> None:
        (container,) = pod["spec"]["containers"]
        words = [
            str(folder / "config.yaml") if word.endswith(".yaml") else word for word in container["args"]
        ]
        command = [*TETHER, sys.executable, "-m", f"farfield_{container['name']}", *words]
        with (folder / "log").open("wb") as log:
            self._running = subprocess.Popen(command, stderr=log, env={**os.environ, **variables})

    def stop(self) -> int:
        self._running.terminate()
        return self._running.wait(timeout=60)


class Container:
    """A pod's container as podman runs it: its image, user, mounts and arguments, and as closed in."""

    @staticmethod
    def check(objects: list[Object]) -> None:
        """Skips where the images are not."""
        if not shutil.which("podman"):
            pytest.skip("no podman: processes alone are tested")
        for pod in pods(of(objects, *WORKLOADS)):
            image = f"localhost/{pod['spec']['containers'][0]['image']}"
            if "farfield" in image and podman("image", "exists", image, check=False).returncode:
                pytest.skip(f"no image {image}: make images")

    def __init__(self, pod: Object, folder: Path, variables: dict[str, str]) -> None:
        (container,) = pod["spec"]["containers"]
        user = pod["spec"]["securityContext"]
        words = [f"--user={user['runAsUser']}:{user['runAsGroup']}", "--read-only", "--cap-drop=all"]
        words += ["--security-opt=no-new-privileges", "--network=host", "--no-healthcheck"]
        words += [f"--env={name}={value}" for name, value in variables.items()]
        words += [self._mount(mount, folder) for mount in container["volumeMounts"]]
        image = f"localhost/{container['image']}"
        self._id = podman("run", "--detach", *words, image, *container["args"]).stdout.strip()

    @staticmethod
    def _mount(mount: Object, folder: Path) -> str:
        target = mount["mountPath"]
        if mount["name"] in ("tmp", "shm"):
            return f"--tmpfs={target}"
        source = folder if mount["name"] == "config" else target
        return f"--volume={source}:{target}:{'ro' if mount['readOnly'] else 'rw'}"

    def stop(self) -> int:
        podman("stop", "--time", "60", self._id)
        code = int(podman("inspect", "--format", "{{.State.ExitCode}}", self._id).stdout)
        podman("rm", "--force", self._id)
        return code


def podman(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(["podman", *words], capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, f"podman {' '.join(words)}: {done.stderr}"
    return done


class Cluster:
    """The rendered workloads but Redis, one pod of each."""

    def __init__(self, kind: type[Process | Container], objects: list[Object], folder: Path) -> None:
        self._kind, self._objects, self._folder = kind, objects, folder
        self._workloads = {one["metadata"]["name"]: one for one in of(objects, *WORKLOADS)}
        del self._workloads["rl-redis"]
        self.ports = {name: config(objects, name)["server"]["port"] for name in self._workloads}
        self._pods: list[Process | Container] = []

    def start(self, redis: dict[str, str]) -> None:
        """`redis`: its Secret."""
        for name, workload in self._workloads.items():
            own = self._folder / name
            own.mkdir()
            text = named(self._objects, "ConfigMap", name)["data"]["config.yaml"]
            (own / "config.yaml").write_text(SERVICE.sub(HERE, text))
            pod = workload["spec"]["template"]
            (container,) = pod["spec"]["containers"]
            variables = {one["name"]: _value(one, redis) for one in container["env"]}
            self._pods.append(self._kind(pod, own, variables))

    async def ready(self) -> None:
        async with asyncio.timeout(180):
            for port in self.ports.values():
                while not await serving(f"{HERE}:{port}"):  # noqa: ASYNC110 — a process is waited for
                    await asyncio.sleep(0.1)

    def stop(self) -> list[int]:
        """The exit status of each pod that still ran."""
        pods, self._pods = self._pods, []
        return [pod.stop() for pod in reversed(pods)]


def _value(variable: dict[str, Any], redis: dict[str, str]) -> str:
    return variable["value"] if "value" in variable else redis[variable["valueFrom"]["secretKeyRef"]["key"]]


def _value(variable: dict[str, Any], redis: dict[str, str]) -> str:
    return variable["value"] if "value" in variable else redis[variable["valueFrom"]["secretKeyRef"]["key"]]


@pytest.fixture(params=[Process, Container])
async def cluster(
    request: pytest.FixtureRequest,
    helm: str,
    tmp_path: Path,
    make_redis: Callable[..., Any],
    unused_tcp_port_factory: Callable[[], int],
) -> AsyncIterator[Cluster]:
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(_values(tmp_path, unused_tcp_port_factory)))
    objects = template(helm, DEMO, "--values", str(file))
    request.param.check(objects)
    secret = named(objects, "Secret", "rl-redis")["data"]
    told = {key: base64.b64decode(value).decode() for key, value in secret.items()}
    users = tmp_path / "users.acl"
    users.write_text(told["users.acl"])
    server = make_redis("--aclfile", str(users))
    here = {key: SERVICE.sub(HERE, value).replace(":6379", f":{server.port}") for key, value in told.items()}
    cluster = Cluster(request.param, objects, tmp_path)
    try:
        cluster.start(here)
        await cluster.ready()
        yield cluster
    finally:
        cluster.stop()


def _values(folder: Path, port: Callable[[], int]) -> dict[str, Any]:
    """Over the demo's: pods that share a machine need ports and folders of their own."""
    given = yaml.safe_load(DEMO.read_text())
    runs = folder / "runs"
    runs.mkdir()
    runs.chmod(0o777)  # a container has a user of its own
    return {
        "discovery": {"enabled": False},
        "common": {"metricsPort": 0, "drainSeconds": 1},
        "environments": [{**one, "port": port()} for one in given["environments"]],
        "verifiers": [{**one, "port": port()} for one in given["verifiers"]],
        "model": {"path": str(CHECKPOINT), "mountPath": str(CHECKPOINT.parent)},
        "runs": {"mountPath": str(runs)},
        **{kind: {"port": port()} for kind in ("policy", "rollout", "trainer")},
    }


@pytest.mark.timeout(400)
async def test_a_run_trains_as_the_chart_configures_it(cluster: Cluster) -> None:
    async with asyncio.timeout(180), Trainer.at(f"{HERE}:{cluster.ports['rl-trainer']}") as trainer:
        await trainer.start("first", RUN)
        async for answer in trainer.watch("first"):
            run = answer.run
    assert run.state == pb.RUN_STATE_SUCCEEDED, run
    assert (run.episodes_trained, run.episodes_failed) == (16, 0)
    assert not any(cluster.stop())
