"""Blue/green: a server for each version of the weights, through the Kubernetes API.

New weights get a Deployment and a Service of their own. The new server takes over once it is ready and its
/info shows the weights; the old one goes when nothing runs on it any more. One that does not come up is
deleted, and the old one serves on. What a gateway has made carries its name prefix as a label, so that the
next one finds it: it adopts the newest server that works, and deletes the rest.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable

from farfield_kernel.cluster.api import DEPLOYMENTS, SERVICES, ClusterApi, Object, Resource
from farfield_kernel.errors import AlreadyExists, FailedPrecondition, FarfieldError, Unavailable
from farfield_policy import meters
from farfield_policy.engine import Version, WeightUpdate
from farfield_policy.tgi.config import KubernetesWeights
from farfield_policy.tgi.info import until_shown
from farfield_policy.tgi.template import ROLLOUT_LABEL, Pair, Release, Template

log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
"""Between two looks at objects that change."""
_SHOW_SECONDS = 60.0
"""Within which a server that is ready must show its model: a new Service's name takes a while to be known."""
_ROOM_SECONDS = 60.0
"""How long a roll-out waits for the deletion of what nobody uses any more."""
_FIRST_DELAY, _LAST_DELAY = 1.0, 60.0
"""Before leftovers are deleted again that could not be."""


class NotServing(FailedPrecondition):
    """A server did not come up."""


def address(service: Object) -> str:
    """The base URL of a Service, from within the cluster."""
    meta, port = service["metadata"], service["spec"]["ports"][0]["port"]
    return f"http://{meta['name']}.{meta['namespace']}.svc:{port}"


class KubernetesHosting:
    """Alone with its name prefix in the namespace: one gateway, one replica."""

    weight_update = WeightUpdate.RESTART
    in_place = False

    def __init__(
        self,
        config: KubernetesWeights,
        api: ClusterApi,
        model_path: str,
        token: str = "",
        address: Callable[[Object], str] = address,
    ) -> None:
        self._config, self._api, self._token, self._address = config, api, token, address
        self._namespace = config.namespace or api.access.namespace
        self.every = config.every
        self.version = Version()
        """Of the server that `open` returned."""
        self._first = Release(model_path, Version())
        self._template = Template(config.template, config.name_prefix)
        self._owner: Object | None = None
        self._servers: dict[str, str] = {}
        """Names by base URL, of whatever serves or is not yet retired."""
        self._coming = ""
        self._writing = asyncio.Lock()
        self._tidying: asyncio.Task[None] | None = None

    async def open(self) -> str:
        self._owner = await self._find_owner()
        for release in self._adoptable(await self._list(DEPLOYMENTS)):
            try:
                url = await self._bring_up(release)
            except NotServing as error:
                log.warning("%s is not adopted: %s", release.weights, error)
                continue
            log.info("adopted the server of %s at %s", release.weights, url)
            meters.rollouts.labels("adopted").inc()
            self.version = release.weights
            break
        else:
            url = await self._bring_up(self._first)
        self._tidy()
        return url

    async def serve(self, path: str, weights: Version) -> str:
        release = Release(path, weights)
        await self._until_there_is_room()
        with meters.rollout_seconds.time():
            try:
                url = await self._bring_up(release)
            except FarfieldError as error:
                meters.rollouts.labels("rolled_back").inc()
                self._tidy()
                log.warning("%s is rolled back: %s", weights, error)
                raise FailedPrecondition(
                    f"{weights} did not come up, and what served before serves on: {error}"
                ) from error
        meters.rollouts.labels("served").inc()
        return url

    async def retire(self, url: str) -> None:
        self._servers.pop(url, None)
        self._tidy()

    async def close(self) -> None:
        """The servers stay, for the next gateway."""
        if self._tidying is not None:
            self._tidying.cancel()
            await asyncio.gather(self._tidying, return_exceptions=True)
        await self._api.close()

    async def _until_there_is_room(self) -> None:
        """There need not be any for a third server beside the two of a roll-out."""
        if self._tidying is not None:
            await asyncio.wait({self._tidying}, timeout=_ROOM_SECONDS)

    async def _list(self, kind: Resource) -> list[Object]:
        """Of our own making."""
        ours = f"{ROLLOUT_LABEL}={self._template.prefix}"
        return (await self._api.items(kind, self._namespace, ours))[0]

    async def _find_owner(self) -> Object | None:
        name = self._config.owner
        if not name:
            return None
        found = await self._api.find(DEPLOYMENTS, self._namespace, name)
        if found is None:
            raise FailedPrecondition(f"engine.weights.owner is '{name}'; there is no such Deployment")
        return {"apiVersion": "apps/v1", "kind": "Deployment", **found}

    def _adoptable(self, found: Iterable[Object]) -> list[Release]:
        """What a gateway before this one has left: what is ready before what is not, then the newest first.
        The model that was configured then may not be the one that is configured now."""
        known = [(one, release) for one in found if (release := Release.of(one)) and not _leaving(one)]
        ranked = sorted(known, key=lambda pair: (_ready(pair[0]), pair[1].weights.version), reverse=True)
        return [one for _, one in ranked if one.weights.run_id or one == self._first]

    # One server

    async def _bring_up(self, release: Release) -> str:
        """The base URL of a release's server, made or found. NotServing where it does not serve the release
        in time; it is left to `_tidy` then."""
        pair = self._template.render(release, self._owner)
        self._coming = pair.name
        try:
            url = self._address(await self._made_ready(pair))
            await self._check_model(url, release.path)
        finally:
            self._coming = ""
        self._servers[url] = pair.name
        return url

    async def _made_ready(self, pair: Pair) -> Object:
        """The Service of a pair, once its Deployment is available. An API that is away is waited for."""
        state, made = "nothing is known of it", False
        seconds = self._config.start_seconds
        try:
            async with asyncio.timeout(seconds):
                while True:
                    try:
                        made = made or await self._create(pair)
                        deployment = await self._look(pair.name) if made else None
                        if deployment is not None and _ready(deployment):
                            return await self._service(pair.name)
                        state = _state(deployment)
                    except Unavailable as error:
                        state = str(error)
                    await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError:
            raise NotServing(f"Deployment {pair.name} was not ready within {seconds:g} s: {state}") from None

    async def _service(self, name: str) -> Object:
        found = await self._api.find(SERVICES, self._namespace, name)
        if found is None or _leaving(found):
            raise NotServing(f"Service {name} was deleted by somebody else")
        return found

    async def _look(self, name: str) -> Object:
        found = await self._api.find(DEPLOYMENTS, self._namespace, name)
        if found is None or _leaving(found):
            raise NotServing(f"Deployment {name} was deleted by somebody else")
        for one in found.get("status", {}).get("conditions", ()):
            if one["type"] == "ReplicaFailure" and one["status"] == "True":
                raise NotServing(f"Deployment {name} gets no pods: {one.get('message', one.get('reason'))}")
        return found

    async def _create(self, pair: Pair) -> bool:
        """Whether both objects are there. Those that were there before are taken; for one that is being
        deleted there has to be another call."""
        async with self._writing:
            made = await self._created(DEPLOYMENTS, pair.deployment)
            return await self._created(SERVICES, pair.service) and made

    async def _created(self, kind: Resource, one: Object) -> bool:
        try:
            await self._api.create(kind, self._namespace, one)
        except AlreadyExists:
            found = await self._api.find(kind, self._namespace, one["metadata"]["name"])
            return found is not None and not _leaving(found)
        return True

    async def _check_model(self, url: str, model: str) -> None:
        try:
            await until_shown(url, model, min(_SHOW_SECONDS, self._config.start_seconds), self._token)
        except FarfieldError as error:
            raise NotServing(str(error)) from error

    # What is left over

    def _tidy(self) -> None:
        """Deletes, beside everything else, whatever of ours neither serves nor comes up."""
        if self._tidying is None or self._tidying.done():
            self._tidying = asyncio.create_task(self._sweep_until_clean())

    async def _sweep_until_clean(self) -> None:
        delay = _FIRST_DELAY
        while True:
            try:
                async with self._writing:
                    clean = await self._sweep()
                if clean:
                    return
            except FarfieldError as error:
                log.warning("servers that nobody uses could not be deleted: %s", error)
            await asyncio.sleep(delay)
            delay = min(_LAST_DELAY, 2 * delay)

    async def _sweep(self) -> bool:
        """Whether nothing was left to delete."""
        left = 0
        for kind in (SERVICES, DEPLOYMENTS):
            for one in await self._list(kind):
                name = one["metadata"]["name"]
                if name != self._coming and name not in self._servers.values():
                    left += 1
                    meters.leftovers.set(left)
                    await self._api.delete(kind, self._namespace, name)
        meters.leftovers.set(left)
        return not left


def _leaving(one: Object) -> bool:
    return "deletionTimestamp" in one["metadata"]


def _ready(deployment: Object) -> bool:
    """Whether as many pods as are wanted are available, of the spec as it is now."""
    status, meta = deployment.get("status", {}), deployment["metadata"]
    seen = status.get("observedGeneration", 0) >= meta.get("generation", 0)
    wanted = deployment.get("spec", {}).get("replicas", 1)
    return bool(seen and wanted and status.get("availableReplicas", 0) >= wanted)


def _state(deployment: Object | None) -> str:
    """What the API says of a Deployment that is not ready, or that could not be made yet."""
    if deployment is None:
        return "one of its name is being deleted"
    status = deployment.get("status", {})
    told = [one["message"] for one in status.get("conditions", ()) if one.get("message")]
    wanted = deployment.get("spec", {}).get("replicas", 1)
    return "; ".join([f"{status.get('availableReplicas', 0)} of {wanted} pods are available", *told])
