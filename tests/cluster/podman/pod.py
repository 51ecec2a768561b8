"""One pod, from its volumes to its end."""

import asyncio
from contextlib import suppress
from pathlib import Path

from tests.cluster.controllers.owning import PODS, condition, report
from tests.cluster.podman import translation
from tests.cluster.podman.command import PodmanError, podman, succeeds
from tests.cluster.podman.container import Container
from tests.cluster.podman.environment import NotConfigured, variables
from tests.cluster.podman.identity import Identity
from tests.cluster.podman.network import Network
from tests.cluster.podman.volumes import Volumes
from tests.cluster.store import Object, Store, now

RETRY = 0.5
"""Seconds until it is looked again whether what a pod refers to is there."""
LONGEST_BACK_OFF = 30.0


class Pod:
    """`run` lives as long as the pod does; `end` and `kill` make it return."""

    def __init__(self, store: Store, network: Network, identity: Identity, folder: Path, pod: Object) -> None:
        self._store = store
        self._network = network
        self._identity = identity
        self._pod = pod
        self._name = f"{network.name}-{pod['metadata']['uid'][:8]}"
        self._volumes = Volumes(folder, pod)
        self._ending = asyncio.Event()
        self._started = now()
        self._phase, self._address = "Pending", ""
        logs = folder / "logs" / pod["metadata"]["namespace"] / pod["metadata"]["name"]
        logs.mkdir(parents=True, exist_ok=True)
        self._inits = [self._container(spec, logs) for spec in pod["spec"].get("initContainers", [])]
        self.containers = [self._container(spec, logs) for spec in pod["spec"]["containers"]]

    def _container(self, spec: Object, logs: Path) -> Container:
        grace = self._pod["spec"]["terminationGracePeriodSeconds"]
        return Container(
            f"{self._name}-{spec['name']}", spec, grace, logs / f"{spec['name']}.log", self._report
        )

    async def run(self) -> None:
        try:
            await self._configure()
            if not self._ending.is_set():
                await self._start()
                await self._live()
        except PodmanError as error:
            self._phase = "Failed"
            self._wait("RunContainerError", str(error))
        finally:
            await succeeds("pod", "rm", "--force", "--time", "0", self._name)
            self._volumes.clear()
            self._report()

    async def end(self, seconds: float) -> None:
        """In `seconds`, or at once."""
        self._ending.set()
        everything = [*self._inits, *self.containers]
        await asyncio.gather(*(one.end(seconds) if seconds else one.kill() for one in everything))

    async def _configure(self) -> None:
        """Waits until all that the pod refers to is there."""
        while not self._ending.is_set():
            try:
                self._volumes.set_up(self._store)
                self._account = self._identity.mounts(self._store, self._pod, self._volumes.own)
                for one in [*self._inits, *self.containers]:
                    variables(self._store, self._pod, one.spec)
                    if not await succeeds("image", "exists", translation.image(one.spec["image"])):
                        raise NotConfigured(f"no image {translation.image(one.spec['image'])}")
            except NotConfigured as error:
                reason = "ErrImageNeverPull" if "no image" in str(error) else "CreateContainerConfigError"
                self._wait(reason, str(error))
                with suppress(TimeoutError):
                    async with asyncio.timeout(RETRY):
                        await self._ending.wait()
            else:
                return

    async def _start(self) -> None:
        """The pod's network, which outlives its containers."""
        named = [
            f"--name={self._name}",
            f"--hostname={translation.hostname(self._pod)}",
            "--share=net,uts,ipc",
        ]
        meta = self._pod["metadata"]
        labels = [f"--label=pod={meta['namespace']}/{meta['name']}"]
        await podman("pod", "create", *named, *labels, *self._network.words(meta["namespace"]))
        await podman("pod", "start", self._name)
        self._address = await self._network.address(self._name)
        self._pod["status"] = {**self._pod.get("status", {}), "podIP": self._address}
        self._report()

    async def _live(self) -> None:
        for one in self._inits:
            while not self._ending.is_set() and await self._life(one):
                await self._back_off(one)
        self._phase = "Running"
        self._report()
        codes = await asyncio.gather(*(self._keep(one) for one in self.containers))
        self._phase = "Failed" if any(codes) else "Succeeded"

    async def _keep(self, container: Container) -> int:
        """Restarts it as the pod's policy says; its last status."""
        policy, code = self._pod["spec"]["restartPolicy"], 0
        while not self._ending.is_set():
            code = await self._life(container)
            if self._ending.is_set() or policy == "Never" or (policy == "OnFailure" and not code):
                break
            await self._back_off(container)
        return code

    async def _life(self, container: Container) -> int:
        known = self._identity.variables() | variables(self._store, self._pod, container.spec)
        mounts = [*self._volumes.mounts(container.spec), *self._account]
        words = translation.run(self._pod, container.spec, known, mounts)
        words = [f"--label=container={container.spec['name']}", *words]
        return await container.live(self._name, words, self._address)

    async def _back_off(self, container: Container) -> None:
        container.restart()
        with suppress(TimeoutError):
            async with asyncio.timeout(min(LONGEST_BACK_OFF, 2.0 ** min(container.restarts - 1, 8))):
                await self._ending.wait()

    def _wait(self, reason: str, message: str) -> None:
        for one in self.containers:
            one.wait(reason, message)

    def _report(self) -> None:
        ready = self._phase == "Running" and all(one.ready for one in self.containers)
        held = {
            "PodScheduled": True,
            "Initialized": self._phase != "Pending",
            "ContainersReady": ready,
            "Ready": ready,
        }
        meta = self._pod["metadata"]
        current = self._store.find(PODS, meta["namespace"], meta["name"]) or self._pod
        status = {
            "phase": self._phase,
            "hostIP": self._network.gateway,
            "startTime": self._started,
            "conditions": [condition(current, kind, holds, "") for kind, holds in held.items()],
            "containerStatuses": [one.status() for one in self.containers],
            "initContainerStatuses": [one.status() for one in self._inits],
        }
        if self._address:
            status |= {"podIP": self._address, "podIPs": [{"ip": self._address}]}
        report(self._store, PODS, self._pod, status)
