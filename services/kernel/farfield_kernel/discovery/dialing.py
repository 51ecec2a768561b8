"""How a replica is called: the caller's own way, as far as the service allows."""

from typing import TypeVar

from farfield_kernel.client import ClientConfig
from farfield_kernel.discovery.config import KubernetesDiscovery, StaticDiscovery
from farfield_kernel.discovery.contract import Replica, Service, Transport
from farfield_kernel.tls import TlsConfig

C = TypeVar("C", bound=ClientConfig)


def dialed(template: C, service: Service, replica: Replica) -> C:
    """`template` with the replica's address. A certificate names the service, not its replicas. A token that
    is meant to travel under TLS does not travel without."""
    if service.transport is Transport.PLAIN:
        token = "" if template.tls else template.token
        return template.model_copy(update={"address": replica.address, "tls": None, "token": token})
    tls = template.tls
    if tls is None and service.transport is Transport.TLS:
        tls = TlsConfig()
    if tls is not None and service.server_name and not tls.server_name:
        tls = tls.model_copy(update={"server_name": service.server_name})
    return template.model_copy(update={"address": replica.address, "tls": tls})


def presenting(template: C, discovery: StaticDiscovery | KubernetesDiscovery) -> C:
    """`template` with the certificates and the token that are meant for whoever is discovered."""
    if isinstance(discovery, StaticDiscovery):
        return template
    given = {"tls": discovery.tls, "token": discovery.token}
    return template.model_copy(update={key: value for key, value in given.items() if value})
