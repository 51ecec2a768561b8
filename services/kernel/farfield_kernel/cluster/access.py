"""Where a cluster's API is and what is presented to it: a pod's own account, or a KUBECONFIG file.

A pod's account needs no library. Files have many ways to log in (certificates, programs, OpenID), so they are
read by the package `kubernetes`, which comes with the extra `farfield-kernel[kubernetes]`.
"""

import os
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from farfield_kernel.errors import FailedPrecondition, NotFound

IN_CLUSTER = "in-cluster"
"""What a context is called that is no entry of a file: the account of the pod that this process runs in."""
_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

Headers = Callable[[bool], Awaitable[dict[str, str]]]
"""What a request presents; with True, after the API took it no more."""


@dataclass(frozen=True, slots=True)
class Access:
    """One cluster as one account. `namespace` is the one that it works in unless told otherwise."""

    host: str
    namespace: str
    context: str
    headers: Headers = field(repr=False)
    trusted: ssl.SSLContext | None = field(default=None, repr=False)
    """Absent: plain HTTP."""
    server_name: str | None = None
    """In the certificate of the API, where it is not the host's."""
    proxy: str | None = None


async def access(context: str = "") -> Access:
    """Of a context by its name; without one, of this pod, or of the file's current context. NotFound for a
    context that is not there lists those that are."""
    in_pod = "KUBERNETES_SERVICE_HOST" in os.environ
    if context == IN_CLUSTER or (not context and in_pod):
        return _in_cluster()
    return await _of_file(context)


def _in_cluster() -> Access:
    account = _ACCOUNT
    try:
        host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
        namespace = (account / "namespace").read_text().strip()
        trusted = ssl.create_default_context(cafile=str(account / "ca.crt"))
    except (KeyError, OSError) as error:
        raise FailedPrecondition(
            f"no account of a pod is here ({error}): run in a pod whose ServiceAccount token is mounted, or "
            "name a context of a KUBECONFIG file"
        ) from error

    async def headers(renew: bool) -> dict[str, str]:
        # Read each time: the kubelet renews it.
        return {"Authorization": f"Bearer {(account / 'token').read_text().strip()}"}

    named = f"[{host}]" if ":" in host else host
    return Access(f"https://{named}:{port}", namespace, IN_CLUSTER, headers, trusted)


async def _of_file(wanted: str) -> Access:
    try:
        from kubernetes.aio import config
        from kubernetes.aio.client import Configuration
    except ModuleNotFoundError as error:
        raise FailedPrecondition(
            "a KUBECONFIG file is read by the package kubernetes, which is not installed: "
            "pip install 'farfield-kernel[kubernetes]'"
        ) from error
    chosen = _chosen(config, wanted)
    name = chosen["name"]
    settings = Configuration()
    loader = await config.load_kube_config(_file(), name, settings, persist_config=False)

    async def headers(renew: bool) -> dict[str, str]:
        if renew:
            await loader.load_and_set(settings)
        shown = await settings.get_api_key_with_prefix("BearerToken")
        return {"Authorization": shown} if shown else {}

    namespace = chosen["context"].get("namespace") or "default"
    return Access(
        settings.host,
        namespace,
        name,
        headers,
        trusted=_trusted(settings),
        server_name=settings.tls_server_name or None,
        proxy=settings.proxy or None,
    )


def _file() -> str:
    """Or several, as the variable has them."""
    return os.environ.get("KUBECONFIG") or str(Path("~/.kube/config").expanduser())


def _listed(config: Any) -> tuple[list[Any], Any]:
    try:
        known, current = config.list_kube_config_contexts(_file())
    except config.ConfigException as error:
        raise FailedPrecondition(f"{_file()} names no cluster ({error}): set KUBECONFIG") from error
    return known, current


def _chosen(config: Any, wanted: str) -> Any:
    known, current = _listed(config)
    if not wanted:
        return current
    for one in known:
        if one["name"] == wanted:
            return one
    names = ", ".join(sorted(one["name"] for one in known)) or "none"
    raise NotFound(f"no context '{wanted}' in the KUBECONFIG file; it has {names}")


def _trusted(settings: Any) -> ssl.SSLContext | None:
    if not settings.host.startswith("https"):
        return None
    trusted = ssl.create_default_context(cafile=settings.ssl_ca_cert)
    if settings.cert_file:
        trusted.load_cert_chain(settings.cert_file, settings.key_file)
    if not settings.verify_ssl:
        trusted.check_hostname = False
        trusted.verify_mode = ssl.CERT_NONE
    return trusted
