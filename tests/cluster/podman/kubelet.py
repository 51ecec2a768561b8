"""The toy kubelet: one `Pod` for each pod of the store."""

import asyncio
import socket
import ssl
from pathlib import Path

from tests.cluster.authorization import Accounts
from tests.cluster.controllers.owning import PODS, finished, leaving
from tests.cluster.kubelet import NODE
from tests.cluster.podman.identity import HTTPS, Identity
from tests.cluster.podman.network import Names, Network
from tests.cluster.podman.pod import Pod
from tests.cluster.store import Object, Store

DNS = 53


class PodmanKubelet:
    """Its folder holds `claims/NAMESPACE/NAME`, and what is written: `logs/NAMESPACE/POD/CONTAINER.log`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pods: dict[str, Pod] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ends: dict[str, asyncio.Task[None]] = {}

    async def start(self, store: Store, accounts: Accounts) -> socket.socket:
        self._network = await Network.create()
        self._identity = Identity(self._folder / "identity", self._network.gateway, accounts)
        try:
            self._names = await Names(store).serve(self._network.listen(socket.SOCK_DGRAM, DNS))
            return self._network.listen(socket.SOCK_STREAM, HTTPS)
        except OSError:
            await self._network.remove()
            raise

    def tls(self) -> ssl.SSLContext:
        return self._identity.tls()

    def reconcile(self, store: Store) -> None:
        there = {one["metadata"]["uid"]: one for one in store.all(PODS)}
        for uid, one in there.items():
            if uid not in self._pods and not leaving(one) and not finished(one):
                self._take(store, uid, one)
            elif leaving(one):
                self._end(uid, one["metadata"]["deletionGracePeriodSeconds"], store, one)
        for uid in self._pods.keys() - there.keys():
            self._end(uid, 0)

    def _take(self, store: Store, uid: str, one: Object) -> None:
        one["spec"]["nodeName"] = NODE
        self._pods[uid] = Pod(store, self._network, self._identity, self._folder, store.update(PODS, one))
        self._tasks[uid] = asyncio.create_task(self._pods[uid].run())

    def _end(self, uid: str, seconds: float, store: Store | None = None, one: Object | None = None) -> None:
        if uid not in self._ends:
            self._ends[uid] = asyncio.create_task(self._finish(uid, seconds, store, one))

    async def _finish(self, uid: str, seconds: float, store: Store | None, one: Object | None) -> None:
        if uid in self._pods:
            await self._pods[uid].end(seconds)
            await self._tasks[uid]
            del self._pods[uid]
        if store and one:
            found = store.find(PODS, one["metadata"]["namespace"], one["metadata"]["name"])
            if found and found["metadata"]["uid"] == uid:
                store.delete(PODS, one["metadata"]["namespace"], one["metadata"]["name"], grace=0)

    async def close(self) -> None:
        await asyncio.gather(*(pod.end(0) for pod in self._pods.values()))
        await asyncio.gather(*self._tasks.values(), *self._ends.values(), return_exceptions=True)
        self._names.close()
        await self._network.remove()

    async def logs(self, pod: Object, container: str, tail: int | None) -> bytes:
        meta = pod["metadata"]
        path = self._folder / "logs" / meta["namespace"] / meta["name"] / f"{container}.log"
        written = path.read_bytes() if path.exists() else b""
        if tail is None:
            return written
        return b"".join(written.splitlines(keepends=True)[-tail:] if tail else [])

    def address(self, pod: Object, port: int) -> tuple[str, int]:
        return pod["status"]["podIP"], port
