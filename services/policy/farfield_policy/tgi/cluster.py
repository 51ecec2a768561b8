"""The few requests to the Kubernetes API that a roll-out makes, and its errors as ours."""

import asyncio
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from farfield_kernel.errors import (
    AlreadyExists,
    Conflict,
    Exhausted,
    FailedPrecondition,
    FarfieldError,
    InvalidArgument,
    PluginFailure,
    Unavailable,
)

Object: TypeAlias = dict[str, Any]
"""A Kubernetes object, as its JSON."""

_ANSWER_SECONDS = 30.0
_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    prefix: str
    plural: str


DEPLOYMENT = Kind("Deployment", "apis/apps/v1", "deployments")
SERVICE = Kind("Service", "api/v1", "services")


class Cluster:
    """One namespace, as the account of a pod or of a KUBECONFIG file may use it."""

    def __init__(self, client: Any, namespace: str) -> None:
        self._client = client
        self.namespace = namespace

    async def items(self, kind: Kind, selector: str) -> list[Object]:
        found = await self._request("GET", kind, query=[("labelSelector", selector)])
        return list(found["items"]) if found else []

    async def find(self, kind: Kind, name: str) -> Object | None:
        return await self._request("GET", kind, name)

    async def create(self, kind: Kind, one: Object) -> None:
        """AlreadyExists where there is one of its name."""
        await self._request("POST", kind, body=one)

    async def delete(self, kind: Kind, name: str) -> None:
        """With whatever it owns. One that is gone already is deleted."""
        await self._request("DELETE", kind, name, query=[("propagationPolicy", "Background")])

    async def close(self) -> None:
        await self._client.close()

    async def _request(
        self,
        method: str,
        kind: Kind,
        name: str = "",
        query: list[tuple[str, str]] | None = None,
        body: Object | None = None,
    ) -> Object | None:
        """The API's answer; None where there is no such object."""
        import aiohttp

        path = f"/{kind.prefix}/namespaces/{self.namespace}/{kind.plural}"
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        try:
            call = await self._client.param_serialize(
                method,
                f"{path}/{name}" if name else path,
                query_params=query,
                header_params=headers,
                body=body,
                auth_settings=["BearerToken"],
            )
            answer = await self._client.call_api(*call, _request_timeout=_ANSWER_SECONDS)
            said = _object(await answer.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"the Kubernetes API does not answer: {error!r}") from error
        if answer.status == 404 and name:
            return None
        if answer.status >= 400:
            raise _refusal(answer.status, said, f"{method} {kind.plural}")
        return said


async def connect(namespace: str = "") -> Cluster:
    """The cluster of this pod, else of KUBECONFIG; without a namespace, its own."""
    try:
        from kubernetes.aio import client, config
    except ModuleNotFoundError as error:
        raise FailedPrecondition(
            "weights of kind kubernetes need the package kubernetes; install farfield-policy[kubernetes]"
        ) from error
    settings = client.Configuration()
    try:
        own = await _log_in(config, settings)
    except (config.ConfigException, OSError) as error:
        raise FailedPrecondition(
            f"no Kubernetes API is known here ({error}): run in a pod that has a ServiceAccount, "
            "or set KUBECONFIG"
        ) from error
    return Cluster(client.ApiClient(settings), namespace or own)


async def _log_in(config: Any, settings: Any) -> str:
    """Fills in how the API is called; returns the account's own namespace."""
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        config.load_incluster_config(settings)
        return await asyncio.to_thread(_OWN_NAMESPACE.read_text)
    file = os.environ.get("KUBECONFIG")  # the package itself reads it but once, when it is imported
    await config.load_kube_config(file, client_configuration=settings, persist_config=False)
    _, current = config.list_kube_config_contexts(file)
    return str(current["context"].get("namespace") or "default")


def _object(body: bytes) -> Object:
    """What the API says, or the words of whoever stands before it."""
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    return said if isinstance(said, dict) else {"message": body[:200].decode(errors="replace")}


_BY_STATUS: dict[int, type[FarfieldError]] = {
    400: InvalidArgument,
    401: FailedPrecondition,
    404: FailedPrecondition,
    422: InvalidArgument,
    429: Unavailable,
}


def _refusal(status: int, said: Object, what: str) -> FarfieldError:
    words = f"the Kubernetes API answered {what} with {status}: {said.get('message') or 'no reason given'}"
    if status == 409:
        taken = said.get("reason") == "AlreadyExists"
        return AlreadyExists(words) if taken else Conflict(words)
    if status == 403:
        if "exceeded quota" in words:
            return Exhausted(words)
        return FailedPrecondition(f"{words}; the ServiceAccount's Role must grant it")
    known = _BY_STATUS.get(status) or (Unavailable if status >= 500 else PluginFailure)
    return known(words)
