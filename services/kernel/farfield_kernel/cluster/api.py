"""The Kubernetes API over HTTP: the few requests that Farfield makes, and its errors as ours."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import aiohttp

from farfield_kernel.cluster.access import Access
from farfield_kernel.errors import (
    AlreadyExists,
    Conflict,
    Exhausted,
    FailedPrecondition,
    FarfieldError,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    PluginFailure,
    Unauthenticated,
    Unavailable,
)

Object = dict[str, Any]
"""A Kubernetes object, as its JSON."""
WATCH_SECONDS = 240
"""How long the API keeps one watch open."""
_GRACE_SECONDS = 30
_ANSWER_SECONDS = 30
_LONGEST_LINE = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of objects: `prefix` is `api/v1`, or `apis/GROUP/VERSION`."""

    prefix: str
    plural: str

    def path(self, namespace: str, name: str = "") -> str:
        whole = f"/{self.prefix}/namespaces/{namespace}/{self.plural}"
        return f"{whole}/{name}" if name else whole


SERVICES = Resource("api/v1", "services")
PODS = Resource("api/v1", "pods")
DEPLOYMENTS = Resource("apis/apps/v1", "deployments")
ENDPOINT_SLICES = Resource("apis/discovery.k8s.io/v1", "endpointslices")


class Gone(FarfieldError):
    """The version that a watch was to go on from is forgotten: list again."""


class ClusterApi:
    """Requests of one account. Every error is one of ours, and says what was asked."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self._session: aiohttp.ClientSession | None = None

    async def items(self, resource: Resource, namespace: str, selector: str = "") -> tuple[list[Object], str]:
        """Objects, and the version that a watch goes on from."""
        params = {"labelSelector": selector} if selector else {}
        async with self._request("list", resource, namespace, params=params) as answer:
            found = await answer.json(content_type=None)
        return found["items"], found["metadata"]["resourceVersion"]

    async def find(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """The object of a name, if there is one."""
        path = resource.path(namespace, name)
        try:
            async with self._request("get", resource, namespace, path=path, params={}) as answer:
                return dict(await answer.json(content_type=None))
        except NotFound:
            return None

    async def create(self, resource: Resource, namespace: str, one: Object) -> None:
        """AlreadyExists where there is one of its name."""
        async with self._request("create", resource, namespace, params={}, method="POST", body=one):
            pass

    async def delete(self, resource: Resource, namespace: str, name: str) -> None:
        """With whatever it owns. One that is gone already is deleted."""
        path, owned = resource.path(namespace, name), {"propagationPolicy": "Background"}
        with suppress(NotFound):
            async with self._request("delete", resource, namespace, path=path, params=owned, method="DELETE"):
                pass

    async def events(
        self, resource: Resource, namespace: str, since: str, selector: str = ""
    ) -> AsyncIterator[tuple[str, Object]]:
        """What happened after version `since`: ADDED, MODIFIED, DELETED or BOOKMARK, and the object. Ends
        when the API closes the watch; raises Gone where it cannot go on from there."""
        params = {
            "watch": "true",
            "resourceVersion": since,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        if selector:
            params["labelSelector"] = selector
        quiet = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=WATCH_SECONDS + _GRACE_SECONDS)
        async with self._request("watch", resource, namespace, params=params, timeout=quiet) as answer:
            async for line in answer.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise _error_of(event["object"].get("code", 500), event["object"], "watch", resource)
                yield event["type"], event["object"]

    async def log_lines(
        self, namespace: str, pod: str, container: str, *, follow: bool, tail: int
    ) -> AsyncIterator[str]:
        """Lines of a container's log, from the last `tail` on."""
        params = {"container": container, "follow": str(follow).lower(), "tailLines": str(tail)}
        endless = aiohttp.ClientTimeout(total=None, sock_connect=10)
        path = PODS.path(namespace, pod) + "/log"
        what = Resource(PODS.prefix, "pods/log")
        async with self._request("get", what, namespace, path=path, params=params, timeout=endless) as answer:
            async for line in answer.content:
                yield line.decode(errors="replace").rstrip("\n")

    @asynccontextmanager
    async def port(
        self, namespace: str, pod: str, port: int
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """A WebSocket to a port of a pod: its messages are `forwarding`'s business."""
        path = PODS.path(namespace, pod) + "/portforward"
        what = Resource(PODS.prefix, "pods/portforward")
        with _as_ours("create", what, self.access):
            headers = await self.access.headers(False)
            socket = await self._opened().ws_connect(
                self.access.host + path,
                params={"ports": str(port)},
                headers=headers,
                protocols=("v4.channel.k8s.io",),
                max_msg_size=0,
                proxy=self.access.proxy,
                server_hostname=self.access.server_name,
            )
        async with socket:
            yield socket

    async def close(self) -> None:
        if self._session:
            await self._session.close()

    @asynccontextmanager
    async def _request(
        self,
        verb: str,
        resource: Resource,
        namespace: str,
        *,
        path: str = "",
        params: Mapping[str, str],
        method: str = "GET",
        body: Object | None = None,
        timeout: aiohttp.ClientTimeout | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        url = self.access.host + (path or resource.path(namespace))
        with _as_ours(verb, resource, self.access):
            for renew in (False, True):
                async with self._opened().request(
                    method,
                    url,
                    params=params,
                    json=body,
                    headers=await self.access.headers(renew),
                    timeout=timeout or aiohttp.ClientTimeout(total=_ANSWER_SECONDS),
                    proxy=self.access.proxy,
                    server_hostname=self.access.server_name,
                ) as answer:
                    if answer.status == 401 and not renew:
                        continue
                    if answer.status >= 400:
                        raise _error_of(answer.status, await _status(answer), verb, resource)
                    yield answer
                    return

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            trusted = self.access.trusted
            connector = aiohttp.TCPConnector(ssl=trusted if trusted else True, limit=0)
            self._session = aiohttp.ClientSession(connector=connector, read_bufsize=_LONGEST_LINE)
        return self._session


@contextmanager
def _as_ours(verb: str, resource: Resource, access: Access) -> Iterator[None]:
    try:
        yield
    except aiohttp.WSServerHandshakeError as error:
        raise _error_of(error.status, {"message": error.message}, verb, resource) from error
    except aiohttp.ClientSSLError as error:
        raise FailedPrecondition(f"the API at {access.host} is not who it should be: {error}") from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Unavailable(f"the API at {access.host} does not answer: {error!r}") from error


async def _status(answer: aiohttp.ClientResponse) -> Mapping[str, Any]:
    """What the API says of a refusal: a Status object, or the text of whoever stands before it."""
    text = await answer.text(errors="replace")
    try:
        status = json.loads(text)
    except ValueError:
        status = None
    return status if isinstance(status, dict) else {"message": text[:200]}


_BY_STATUS: dict[int, type[FarfieldError]] = {
    400: InvalidArgument,
    401: Unauthenticated,
    403: PermissionDenied,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: InvalidArgument,
}


def _error_of(code: int, status: Mapping[str, Any], verb: str, resource: Resource) -> FarfieldError:
    said = str(status.get("message") or "no reason given")
    if code == 403 and "exceeded quota" in said:
        return Exhausted(f"not now to {verb} {resource.plural}: {said}")
    if code == 403:
        group = resource.prefix.split("/")[1] if resource.prefix.startswith("apis/") else ""
        what = f"{resource.plural}.{group}" if group else resource.plural
        return PermissionDenied(f"not allowed to {verb} {what}: a Role must grant that verb; {said}")
    if code == 409 and status.get("reason") == "AlreadyExists":
        return AlreadyExists(said)
    known = _BY_STATUS.get(code) or (Unavailable if code == 429 or code >= 500 else PluginFailure)
    return known(f"the API answered {verb} {resource.plural} with {code}: {said}")
