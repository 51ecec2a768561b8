"""Services of a cluster as a directory knows them: pure functions of Service and EndpointSlice objects."""

import logging
from collections.abc import Iterable, Iterator

from farfield_kernel.cluster.api import Object
from farfield_kernel.discovery.contract import DEFAULT_LANE, Kind, Replica, Service, Transport

KIND_LABEL = "farfield.dev/kind"
LANE_LABEL = "farfield.dev/lane"
RELEASE_LABEL = "app.kubernetes.io/instance"
TLS_ANNOTATION = "farfield.dev/tls"
PORT = "grpc"
_SERVICE_OF_SLICE = "kubernetes.io/service-name"
_TRANSPORTS = {"true": Transport.TLS, "false": Transport.PLAIN}

log = logging.getLogger(__name__)


def service_of(found: Object, slices: Iterable[Object]) -> Service:
    """A labelled Service with its ready replicas; `slices` are those of the whole namespace. ValueError says
    why nobody could call it."""
    metadata, spec = found["metadata"], found.get("spec", {})
    name, labels = metadata["name"], metadata.get("labels", {})
    port = _port(spec)
    if spec.get("type") == "ExternalName":
        replicas = {Replica(_joined(spec["externalName"], port["port"]))}
    else:
        own = [one for one in slices if one["metadata"].get("labels", {}).get(_SERVICE_OF_SLICE) == name]
        replicas = set(_replicas(own, port.get("name") or "", spec.get("ipFamilies", [])[:1]))
    said = metadata.get("annotations", {}).get(TLS_ANNOTATION, "")
    return Service(
        name=name,
        kind=Kind(labels[KIND_LABEL]),
        replicas=tuple(sorted(replicas)),
        lane=labels.get(LANE_LABEL) or DEFAULT_LANE,
        order=metadata.get("creationTimestamp") or "",
        transport=_TRANSPORTS.get(said, Transport.CONFIGURED),
        release=labels.get(RELEASE_LABEL) or "",
        server_name=f"{name}.{metadata['namespace']}.svc",
    )


def services_of(found: Iterable[Object], slices: Iterable[Object]) -> Iterator[Service]:
    """All that can be called; the others are named in the log."""
    slices = list(slices)
    for one in found:
        try:
            yield service_of(one, slices)
        except (ValueError, KeyError) as error:
            log.warning("service %s is left out: %s", one["metadata"]["name"], error)


def _port(spec: Object) -> Object:
    """The one that is named `grpc`, else the only one."""
    ports: list[Object] = spec.get("ports", [])
    for port in ports:
        if port.get("name") == PORT:
            return port
    if len(ports) == 1:
        return ports[0]
    names = ", ".join(str(port.get("name") or port["port"]) for port in ports) or "none"
    raise ValueError(f"it has several ports ({names}): name the one to call `{PORT}`")


def _replicas(slices: Iterable[Object], port_name: str, families: list[str]) -> Iterator[Replica]:
    """Of a Service of two families, the addresses of its first: they are the same pods."""
    for one in slices:
        if families and one["addressType"] not in (*families, "FQDN"):
            continue
        numbers = [port["port"] for port in one.get("ports") or [] if (port.get("name") or "") == port_name]
        for endpoint in one.get("endpoints") or []:
            # Absent means unknown, which is to be taken for ready.
            if numbers and endpoint.get("conditions", {}).get("ready") is not False:
                pod = (endpoint.get("targetRef") or {}).get("name", "")
                yield Replica(_joined(endpoint["addresses"][0], numbers[0]), pod)


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
