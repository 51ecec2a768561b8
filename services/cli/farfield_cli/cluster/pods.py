"""The logs of a release's pods, as they are written."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

from farfield_cli.cluster.place import Cluster
from farfield_kernel.cluster.api import PODS, Object
from farfield_kernel.cluster.mirror import Mirror
from farfield_kernel.errors import FarfieldError

_EARLIER_LINES = 10
Write = Callable[[str], None]


async def followed(cluster: Cluster, work: Awaitable[None], write: Write) -> None:
    """Writes what the pods log beside `work`, until that ends."""
    doing = asyncio.ensure_future(work)
    following = asyncio.ensure_future(_follow(cluster, write))
    try:
        await asyncio.wait({doing, following}, return_when=asyncio.FIRST_COMPLETED)
        (doing if doing.done() else following).result()
    finally:
        for task in (doing, following):
            task.cancel()
        await asyncio.gather(doing, following, return_exceptions=True)


async def _follow(cluster: Cluster, write: Write) -> None:
    """For ever: every container of every pod that runs, and of those that join."""
    changed = asyncio.Event()
    mirror = Mirror(cluster.api, PODS, cluster.namespace, _selector(cluster), when_changed=changed.set)
    begun: set[str] = set()
    async with asyncio.TaskGroup() as group:
        group.create_task(mirror.follow())
        await mirror.look()
        while True:
            changed.clear()
            for pod in mirror.objects.values():
                for container, identity in _running(pod):
                    if identity not in begun:
                        begun.add(identity)
                        group.create_task(_one(cluster, pod["metadata"]["name"], container, write))
            await changed.wait()


def _selector(cluster: Cluster) -> str:
    if cluster.release:
        return f"app.kubernetes.io/instance={cluster.release}"
    return "app.kubernetes.io/part-of=farfield"


def _running(pod: Object) -> Iterator[tuple[str, str]]:
    """Its containers that run: name and identity. One that starts again is another, whose log is unread."""
    uid = pod["metadata"].get("uid", pod["metadata"]["name"])
    for one in pod.get("status", {}).get("containerStatuses") or []:
        if "running" in one.get("state", {}):
            yield one["name"], f"{uid}/{one['name']}/{one.get('restartCount', 0)}"


async def _one(cluster: Cluster, pod: str, container: str, write: Write) -> None:
    try:
        lines = cluster.api.log_lines(cluster.namespace, pod, container, follow=True, tail=_EARLIER_LINES)
        async for line in lines:
            write(f"{pod}/{container}: {line}")
    except FarfieldError as error:
        write(f"{pod}/{container}: (no log: {error})")
