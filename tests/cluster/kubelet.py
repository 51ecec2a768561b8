"""Who runs the pods. The API asks it for logs and ports; as a controller it does what the store wants.

`ImaginaryKubelet` runs nothing: it says of every pod that it runs and is ready, and of one that is not to be
restarted that it has succeeded. Annotations of a pod tell it otherwise:

- `simulator/ip`: the address that the pod is given, 127.0.0.1 say, where a test serves what it would serve;
- `simulator/ready: "false"`: it runs, and is not ready;
- `simulator/phase`: `Pending`, `Failed`, …: it is in this phase;
- `simulator/log`: what it has written.
"""

import socket
import ssl
from typing import Protocol

from tests.cluster.authorization import Accounts
from tests.cluster.controllers.owning import PODS, condition, finished, leaving
from tests.cluster.store import Object, Store, now

NODE = "simulated-node"


class Kubelet(Protocol):
    async def start(self, store: Store, accounts: Accounts) -> socket.socket | None:
        """Where pods are to reach the API, over TLS with the certificate that `tls` has; None for nowhere."""

    def tls(self) -> ssl.SSLContext: ...

    async def close(self) -> None:
        """Stops all that runs."""

    def reconcile(self, store: Store) -> None:
        """Starts, stops and reports the pods of the store. Called after every change."""

    async def logs(self, pod: Object, container: str, tail: int | None) -> bytes:
        """What a container has written so far, its last `tail` lines alone if given."""

    def address(self, pod: Object, port: int) -> tuple[str, int]:
        """Where a port of the pod is reached from here."""


class ImaginaryKubelet:
    def __init__(self) -> None:
        self._given = 0

    async def start(self, store: Store, accounts: Accounts) -> None:
        return None

    def tls(self) -> ssl.SSLContext:
        raise NotImplementedError("no pod asks the API")

    async def close(self) -> None:
        pass

    def reconcile(self, store: Store) -> None:
        for pod in store.all(PODS):
            if leaving(pod):
                store.delete(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"], grace=0)
            elif not finished(pod):
                self._run(store, pod)

    def _run(self, store: Store, pod: Object) -> None:
        told = pod["metadata"].get("annotations", {})
        phase = "Succeeded" if pod["spec"]["restartPolicy"] in ("Never", "OnFailure") else "Running"
        phase = told.get("simulator/phase", phase)
        is_ready = phase == "Running" and told.get("simulator/ready") != "false"
        address = told.get("simulator/ip") or pod.get("status", {}).get("podIP") or self._address()
        pod["spec"]["nodeName"] = NODE
        pod["status"] = status(pod, phase, is_ready, address)
        store.update(PODS, pod)

    def _address(self) -> str:
        self._given += 1
        return f"10.244.{self._given // 250}.{self._given % 250 + 1}"

    async def logs(self, pod: Object, container: str, tail: int | None) -> bytes:
        lines = pod["metadata"].get("annotations", {}).get("simulator/log", "").splitlines(keepends=True)
        return "".join(lines[-tail:] if tail is not None else lines).encode()

    def address(self, pod: Object, port: int) -> tuple[str, int]:
        return pod["status"]["podIP"], port


def status(pod: Object, phase: str, is_ready: bool, address: str) -> Object:
    """A pod's status, if all its containers are in the same state."""
    before = pod.get("status", {})
    held = {"Initialized": True, "PodScheduled": True, "ContainersReady": is_ready, "Ready": is_ready}
    return {
        "phase": phase,
        "podIP": address,
        "podIPs": [{"ip": address}],
        "hostIP": "127.0.0.1",
        "qosClass": "Burstable",
        "startTime": before.get("startTime") or now(),
        "conditions": [condition(pod, kind, holds, "") for kind, holds in held.items()],
        "containerStatuses": [_container(pod, one, phase, is_ready) for one in pod["spec"]["containers"]],
    }


def _container(pod: Object, container: Object, phase: str, is_ready: bool) -> Object:
    started = pod.get("status", {}).get("startTime") or now()
    ended = {
        "exitCode": int(phase == "Failed"),
        "reason": "Completed",
        "startedAt": started,
        "finishedAt": started,
    }
    states = {
        "Running": {"running": {"startedAt": started}},
        "Pending": {"waiting": {"reason": "ContainerCreating"}},
    }
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "ready": is_ready,
        "started": phase == "Running",
        "restartCount": 0,
        "state": states.get(phase, {"terminated": ended}),
        "lastState": {},
    }
