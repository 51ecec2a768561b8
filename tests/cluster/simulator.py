"""The simulator as a whole: a store, its controllers, a kubelet and the API, in a thread of their own."""

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import yaml
from aiohttp import web

from tests.cluster import controllers
from tests.cluster.api import Api
from tests.cluster.authorization import Accounts
from tests.cluster.kubectl import KUBECTL
from tests.cluster.kubelet import NODE, ImaginaryKubelet, Kubelet
from tests.cluster.resources import BY_KIND
from tests.cluster.store import Store

NAMESPACES = ("default", "kube-system")


class Cluster:
    """A running simulator, as clients see it."""

    def __init__(self, url: str, kubeconfig: Path) -> None:
        self.url = url
        self.kubeconfig = kubeconfig
        """A file for clients: `KUBECONFIG`, `--kubeconfig`, or `load_kube_config(config_file=…)`."""

    def kubectl(self, *words: str, stdin: str = "", check: bool = True) -> str:
        """What the real kubectl writes."""
        command = [KUBECTL or "kubectl", "--kubeconfig", str(self.kubeconfig), *words]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
        return done.stdout

    def apply(self, *objects: dict[str, Any], namespace: str = "default") -> None:
        self.kubectl("apply", "--namespace", namespace, "--filename", "-", stdin=yaml.safe_dump_all(objects))


@contextmanager
def running(folder: Path, kubelet: Callable[[], Kubelet] = ImaginaryKubelet) -> Iterator[Cluster]:
    """A cluster with the namespaces `default` and `kube-system`; its kubeconfig is written to the folder."""
    server = _Server(kubelet)
    server.start()
    try:
        yield Cluster(server.url, _kubeconfig(folder, server.url))
    finally:
        server.stop()


class _Server(Thread):
    def __init__(self, kubelet: Callable[[], Kubelet]) -> None:
        super().__init__(name="cluster-simulator", daemon=True)
        self._kubelet = kubelet
        self._up = Event()
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._failure: Exception | None = None
        self.url = ""

    def start(self) -> None:
        super().start()
        self._up.wait()
        if self._failure:
            raise RuntimeError("the simulator has not started") from self._failure

    def run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            try:
                runner.run(self._serve())
            except Exception as error:  # for whoever waits in `start`
                self._failure = error
            finally:
                self._up.set()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self.join()

    async def _serve(self) -> None:
        store, kubelet, accounts = Store(), self._kubelet(), Accounts()
        _furnish(store)
        for_pods = await kubelet.start(store, accounts)
        runner = web.AppRunner(Api(store, kubelet, accounts).application(), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        if for_pods:
            await web.SockSite(runner, for_pods, ssl_context=kubelet.tls()).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        work = asyncio.create_task(controllers.run(store, kubelet.reconcile))
        work.add_done_callback(lambda _: self._end.set())
        self._up.set()
        await self._end.wait()
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work
        await runner.cleanup()
        await kubelet.close()


def _furnish(store: Store) -> None:
    for name in NAMESPACES:
        meta = {"name": name, "labels": {"kubernetes.io/metadata.name": name}, "finalizers": ["kubernetes"]}
        one = {"apiVersion": "v1", "kind": "Namespace", "metadata": meta, "status": {"phase": "Active"}}
        store.create(BY_KIND["Namespace"], one)
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}, "spec": {}, "status": {}}
    store.create(BY_KIND["Node"], node)


def _kubeconfig(folder: Path, url: str) -> Path:
    named = "simulator"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": named, "cluster": {"server": url}}],
        "users": [{"name": named, "user": {}}],
        "contexts": [{"name": named, "context": {"cluster": named, "user": named, "namespace": "default"}}],
        "current-context": named,
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path
