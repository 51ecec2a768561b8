"""Real services as processes behind a simulated cluster: the API knows of them as of pods behind Services.

A pod has an address of this machine (127.0.0.2 and so on), or one of the cluster's network, which nothing
here routes: that one is reached through a port-forward alone.
"""

import asyncio
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.cluster.fixtures import NEEDS

if TYPE_CHECKING:
    from tests.cluster.simulator import Cluster

# A test run that is killed leaves no service behind.
TETHER = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
CONTEXT = "simulator"


class Town:
    """Services of a cluster. `join` starts one, `leave` takes its Service away and lets it run."""

    def __init__(self, cluster: "Cluster", folder: Path, ports: Any) -> None:
        self.cluster, self.folder = cluster, folder
        self._ports = ports
        self._hosts = (f"127.0.0.{number}" for number in itertools.count(2))
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}

    async def join(
        self,
        name: str,
        kind: str,
        *words: str,
        lane: str = "",
        release: str = "rl",
        routed: bool = True,
        replicas: int = 1,
    ) -> None:
        """A service of `farfield_<kind>` processes, once they serve. Without `routed`, its pods are reached
        through the API alone."""
        port = self._ports()
        hosts = [next(self._hosts) if routed else "127.0.0.1" for _ in range(replicas)]
        addresses = [self.start(f"{name}-{host}", kind, host, port, *words) for host in hosts]
        await asyncio.gather(*map(serving, addresses))
        labels = {"app": name, "app.kubernetes.io/instance": release}
        for number, host in enumerate(hosts):
            where = {"simulator/ip": host} if routed else {}
            await self._post("pods", pod(f"{name}-{number}", port, labels, where))
        lanes = {"farfield.dev/lane": lane} if lane else {}
        await self._post("services", service(name, port, labels, {"farfield.dev/kind": kind, **lanes}))

    def start(self, name: str, kind: str, host: str, port: int, *words: str) -> str:
        command = [sys.executable, "-m", f"farfield_{kind}", "--server.host", host]
        command += ["--server.port", str(port), *words]
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [*TETHER, *command], stdout=log, stderr=log, env=self.environment, cwd=self.folder
            )
        self._processes[name] = process
        return f"{host}:{port}"

    async def leave(self, name: str) -> None:
        await asyncio.to_thread(self._send, "DELETE", f"services/{name}")

    def kill(self, name: str) -> None:
        """The processes of a service."""
        for each, process in self._processes.items():
            if each.startswith(f"{name}-127"):
                process.kill()

    def close(self) -> None:
        for process in self._processes.values():
            process.send_signal(signal.SIGKILL)
            process.wait()

    async def farfield(self, *words: str, context: str = CONTEXT) -> tuple[int, str]:
        """The command at this cluster: its exit status, and what it wrote."""
        command = [sys.executable, "-m", "farfield_cli", "--context", context, *words]
        process = await asyncio.create_subprocess_exec(
            *command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**self.environment, "COLUMNS": "200"},
            cwd=self.folder,
        )
        said, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, said.decode()

    async def _post(self, resource: str, one: dict[str, Any]) -> None:
        await asyncio.to_thread(self._send, "POST", resource, one)

    def _send(self, method: str, path: str, one: dict[str, Any] | None = None) -> None:
        url = f"{self.cluster.url}/api/v1/namespaces/default/{path}"
        data = json.dumps(one).encode() if one else None
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - our own server
        urllib.request.urlopen(request).read()  # noqa: S310


def pod(name: str, port: int, labels: dict[str, str], annotations: dict[str, str]) -> dict[str, Any]:
    container = {"name": "main", "image": "farfield", "ports": [{"name": "grpc", "containerPort": port}]}
    metadata = {
        "name": name,
        "labels": labels,
        "annotations": {**annotations, "simulator/log": f"{name} is up\n"},
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}


def service(name: str, port: int, selector: dict[str, str], labels: dict[str, str]) -> dict[str, Any]:
    ports = [{"name": "grpc", "port": port, "targetPort": "grpc"}]
    spec = {"clusterIP": "None", "selector": selector, "ports": ports}
    metadata = {"name": name, "labels": {**selector, **labels}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


async def serving(address: str) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        await stub.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=100)


@pytest.fixture
async def town(tmp_path: Path, unused_tcp_port_factory: Any) -> AsyncIterator[Town]:
    for name in (*NEEDS, "kubernetes"):
        pytest.importorskip(name, reason=f"no {name}: pip install -r tests/cluster/requirements.txt")
    from tests.cluster.kubelet import ImaginaryKubelet
    from tests.cluster.simulator import running

    class Here(ImaginaryKubelet):
        """What the cluster's network has is on this machine."""

        def address(self, pod: Any, port: int) -> tuple[str, int]:
            address, _ = super().address(pod, port)
            return (address if address.startswith("127.") else "127.0.0.1"), port

    with running(tmp_path, Here) as cluster:
        made = Town(cluster, tmp_path, unused_tcp_port_factory)
        try:
            yield made
        finally:
            made.close()
