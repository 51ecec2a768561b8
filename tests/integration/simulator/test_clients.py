"""The real kubectl and the Python client at the simulated API."""

import asyncio
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.integration.simulator.manifests import deployment, service

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

    from tests.cluster.simulator import Cluster


def test_kubectl_applies_and_waits_for_a_rollout(kubectl: "Cluster") -> None:
    kubectl.apply(deployment(replicas=3))
    assert "successfully rolled out" in kubectl.kubectl(
        "rollout", "status", "deployment/game", "--timeout=20s"
    )
    pods = kubectl.kubectl("get", "pods", "--selector", "app=game", "--output", "name").split()
    assert len(pods) == 3


def test_a_change_makes_new_pods_of_a_new_revision(kubectl: "Cluster") -> None:
    for image in ("game:1", "game:2"):
        kubectl.apply(deployment(image=image))
        kubectl.kubectl("rollout", "status", "deployment/game", "--timeout=20s")
    images = kubectl.kubectl("get", "pods", "--output", "jsonpath={.items[*].spec.containers[0].image}")
    assert set(images.split()) == {"game:2"}
    assert "2 " in kubectl.kubectl("rollout", "history", "deployment/game")


def test_what_would_change_is_shown_and_not_done(kubectl: "Cluster") -> None:
    kubectl.apply(deployment())
    changed = deployment(image="game:2")
    shown = kubectl.kubectl("diff", "--filename", "-", stdin=yaml.safe_dump(changed), check=False)
    assert "+      - image: game:2" in shown
    image = "jsonpath={.spec.template.spec.containers[0].image}"
    assert kubectl.kubectl("get", "deployment", "game", "--output", image) == "game:1"


def test_a_field_that_does_not_exist_is_refused(kubectl: "Cluster") -> None:
    wrong = deployment()
    wrong["spec"]["replica"] = 3
    with pytest.raises(AssertionError, match="replica"):
        kubectl.apply(wrong)


def test_what_is_owned_goes_with_its_owner(kubectl: "Cluster") -> None:
    kubectl.apply(deployment(), service())
    kubectl.kubectl("rollout", "status", "deployment/game", "--timeout=20s")
    kubectl.kubectl("delete", "deployment/game", "service/game", "--cascade=foreground")
    kubectl.kubectl("wait", "--for=delete", "pod", "--selector", "app=game", "--timeout=20s")
    assert not kubectl.kubectl("get", "rs,pods,endpointslices", "--output", "name")


def test_services_are_found_by_label_with_the_addresses_of_their_ready_pods(
    kubectl: "Cluster", python_client: "ApiClient"
) -> None:
    from kubernetes import client

    kubectl.apply(deployment(), service(), deployment("ill", **{"simulator/ready": "false"}), service("ill"))
    kubectl.kubectl("rollout", "status", "deployment/game", "--timeout=20s")
    found = client.CoreV1Api(python_client).list_namespaced_service(
        "default", label_selector="farfield.dev/kind in (environment,verifier)"
    )
    assert {one.metadata.name for one in found.items} == {"game", "ill"}
    slices = client.DiscoveryV1Api(python_client).list_namespaced_endpoint_slice("default").items
    ready = {
        one.metadata.labels["kubernetes.io/service-name"]: [end.conditions.ready for end in one.endpoints]
        for one in slices
    }
    assert ready["game"] == [True, True]
    assert not any(ready["ill"])
    assert {port.port for one in slices for port in one.ports} == {50051}


def test_a_watch_goes_on_from_a_list(kubectl: "Cluster", python_client: "ApiClient") -> None:
    from kubernetes import client, watch

    core = client.CoreV1Api(python_client)
    kubectl.apply(service("first"))
    version = core.list_namespaced_service("default").metadata.resource_version
    kubectl.apply(service("second"), service("first", more="labels"))
    kubectl.kubectl("delete", "service", "first")
    watched = watch.Watch().stream(
        core.list_namespaced_service, "default", resource_version=version, timeout_seconds=1
    )
    seen: dict[str, list[str]] = {}
    for event in watched:
        seen.setdefault(event["object"].metadata.name, []).append(event["type"])
    assert seen["second"][0] == "ADDED"
    assert (seen["first"][0], seen["first"][-1]) == ("MODIFIED", "DELETED")


async def test_a_port_of_a_pod_is_forwarded(kubectl: "Cluster", python_client: "ApiClient") -> None:
    from kubernetes import client
    from kubernetes.stream import portforward

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"heard: " + await reader.readline())
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    core = client.CoreV1Api(python_client)

    def ask() -> bytes:
        kubectl.apply(deployment(**{"simulator/ip": "127.0.0.1"}, replicas=1))
        kubectl.kubectl("rollout", "status", "deployment/game", "--timeout=20s")
        (pod,) = core.list_namespaced_pod("default").items
        forwarded = portforward(
            core.connect_get_namespaced_pod_portforward, pod.metadata.name, "default", ports=str(port)
        )
        socket = forwarded.socket(port)
        socket.setblocking(True)
        socket.sendall(b"it\n")
        answer = b"".join(iter(lambda: socket.recv(1024), b""))
        socket.close()
        forwarded.websocket.shutdown()  # the client leaves its socket open
        return answer

    async with server:
        assert await asyncio.to_thread(ask) == b"heard: it\n"
