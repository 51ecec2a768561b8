"""One container of a pod: its lives, the probes of each, and its end."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.cluster.podman.command import output, succeeds
from tests.cluster.podman.probing import healthy
from tests.cluster.store import Object, now

IMPATIENCE = 1.0
"""Seconds between two probes as long as none has succeeded."""


class Container:
    """`changed` is called after every change of its state."""

    def __init__(self, name: str, spec: Object, grace: int, log: Path, changed: Callable[[], None]) -> None:
        self.spec = spec
        self.ready = self.started = False
        self.restarts = 0
        self.exit_code: int | None = None
        self.log = log
        self._name = name
        self._grace = grace
        self._changed = changed
        self._state: Object = {"waiting": {"reason": "ContainerCreating"}}
        self._last: Object = {}
        self._running = False

    async def live(self, pod: str, words: list[str], address: str) -> int:
        """One life, from start to exit; its status."""
        self._running = True
        with self.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *("podman", "run", "--rm", "--replace", f"--pod={pod}", f"--name={self._name}"),
                *("--sig-proxy=false", *words),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        probes = asyncio.create_task(self._probe(address))
        code = await process.wait()
        probes.cancel()
        with suppress(asyncio.CancelledError):
            await probes
        self._running = self.ready = self.started = False
        self.exit_code = code
        reason = "Completed" if code == 0 else "Error"
        self._enter({"terminated": {"exitCode": code, "reason": reason, "finishedAt": now()}})
        return code

    def wait(self, reason: str, message: str = "") -> None:
        self._enter({"waiting": {"reason": reason, "message": message}})

    def restart(self) -> None:
        self.restarts += 1
        self._last = self._state
        self.wait("CrashLoopBackOff")

    async def end(self, seconds: float) -> None:
        """preStop, SIGTERM, and SIGKILL when the time is over."""
        if not self._running:
            return
        deadline = time.monotonic() + seconds
        hook = self.spec.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command")
        if hook and seconds:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await succeeds("exec", self._name, *hook)
        await self._until_it_is_over("stop", "--time", str(max(0, round(deadline - time.monotonic()))))

    async def kill(self) -> None:
        await self._until_it_is_over("kill")

    async def _until_it_is_over(self, *words: str) -> None:
        """Again where it is only being made."""
        while self._running:
            if not await succeeds(*words, self._name):
                await asyncio.sleep(0.2)

    def status(self) -> Object:
        return {
            "name": self.spec["name"],
            "image": self.spec["image"],
            "imageID": "",
            "ready": self.ready,
            "started": self.started,
            "restartCount": self.restarts,
            "state": self._state,
            "lastState": self._last,
        }

    def _enter(self, state: Object) -> None:
        self._state = state
        self._changed()

    async def _probe(self, address: str) -> None:
        """Startup until it succeeds once, then readiness and liveness beside each other."""
        running = ("inspect", "--format", "{{.State.Running}}", self._name)
        while await output(*running) != "true":  # noqa: ASYNC110 — podman is asked again
            await asyncio.sleep(0.2)
        self._enter({"running": {"startedAt": now()}})
        if "startupProbe" in self.spec:
            await self._follow("startupProbe", address)
        self.started = True
        self.ready = "readinessProbe" not in self.spec
        self._changed()
        async with asyncio.TaskGroup() as probes:
            for name in ("readinessProbe", "livenessProbe"):
                if name in self.spec:
                    probes.create_task(self._follow(name, address))

    async def _follow(self, name: str, address: str) -> None:
        """A failure counts by the time since the last probe, so an impatient one gives up no sooner."""
        probe, failures, passed = self.spec[name], 0.0, False
        await asyncio.sleep(probe.get("initialDelaySeconds", 0))
        while True:
            pause = probe["periodSeconds"] if passed else min(IMPATIENCE, probe["periodSeconds"])
            if await healthy(_numbered(probe, self.spec), address, self._name):
                failures, passed = 0.0, True
                if name == "startupProbe":
                    return
            else:
                failures += pause / probe["periodSeconds"]
                passed = False
            await self._heed(name, passed, failures >= probe["failureThreshold"] - 1e-9)
            await asyncio.sleep(pause)

    async def _heed(self, name: str, passed: bool, failed: bool) -> None:
        if name == "readinessProbe":
            ready = passed or (self.ready and not failed)
            if ready != self.ready:
                self.ready = ready
                self._changed()
        elif failed:
            await self.end(self._grace)


def _numbered(probe: Object, spec: Object) -> Object:
    """With the number of a port that it names."""
    numbers = {port["name"]: port["containerPort"] for port in spec.get("ports", []) if "name" in port}
    numbered = dict(probe)
    for kind in ("httpGet", "tcpSocket"):
        if kind in probe:
            port = probe[kind]["port"]
            numbered[kind] = {**probe[kind], "port": numbers.get(port, port)}
    return numbered
