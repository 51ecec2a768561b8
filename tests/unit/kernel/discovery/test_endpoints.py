"""Service and EndpointSlice objects, as a directory understands them."""

import pytest

from farfield_kernel.discovery.contract import Replica, Transport
from farfield_kernel.discovery.endpoints import service_of, services_of


def test_replicas_that_are_not_ready_are_left_out(made) -> None:
    service, endpoints = made
    slices = endpoints("games", "10.0.0.1:5", "10.0.0.2:5", "10.0.0.3:5")
    slices["endpoints"][0]["conditions"] = {"ready": False, "serving": True, "terminating": True}
    slices["endpoints"][1]["conditions"] = {}
    found = service_of(service("games"), [slices, endpoints("others", "10.0.0.9:5")])
    assert [one.address for one in found.replicas] == ["10.0.0.2:5", "10.0.0.3:5"]


def test_several_slices_make_one_service(made) -> None:
    service, endpoints = made
    slices = [endpoints("games", f"10.0.0.{number}:5", number=number) for number in (2, 1)]
    assert len(service_of(service("games"), slices).replicas) == 2


def test_the_same_pods_in_two_families_are_counted_once(made) -> None:
    service, endpoints = made
    slices = [
        endpoints("games", "10.0.0.1:5"),
        endpoints("games", "10.0.0.1:5", number=1) | {"addressType": "IPv6"},
    ]
    slices[1]["endpoints"][0]["addresses"] = ["fd00::1"]
    assert len(service_of(service("games", ipFamilies=["IPv4", "IPv6"]), slices).replicas) == 1
    six = service_of(service("games", ipFamilies=["IPv6", "IPv4"]), slices)
    assert six.replicas == (Replica("[fd00::1]:5", "pod-10.0.0.1"),)


def test_the_port_is_the_one_named_grpc_or_the_only_one(made) -> None:
    service, endpoints = made
    slices = endpoints("games", "10.0.0.1:5")
    slices["ports"] = [{"name": "metrics", "port": 9}, {"name": "grpc", "port": 5}]
    two = service("games", ports=[{"name": "metrics", "port": 90}, {"name": "grpc", "port": 80}])
    assert service_of(two, [slices]).replicas[0].address == "10.0.0.1:5"
    unnamed = endpoints("games", "10.0.0.1:7")
    unnamed["ports"] = [{"name": "", "port": 7}]
    assert service_of(service("games", ports=[{"port": 80}]), [unnamed]).replicas[0].address == "10.0.0.1:7"


def test_a_service_whose_port_is_not_clear_is_left_out_and_named(made, caplog) -> None:
    service, _ = made
    unclear = service("games", ports=[{"name": "a", "port": 1}, {"name": "b", "port": 2}])
    assert [one.name for one in services_of([unclear, service("other")], [])] == ["other"]
    assert "service games is left out: it has several ports (a, b)" in caplog.text
    with pytest.raises(ValueError, match="name the one to call `grpc`"):
        service_of(unclear, [])


def test_a_service_outside_of_the_cluster(made) -> None:
    service, _ = made
    outside = service("games", type="ExternalName", externalName="games.example.org")
    assert service_of(outside, []).replicas == (Replica("games.example.org:80"),)


@pytest.mark.parametrize(
    ("said", "meant"), [("true", Transport.TLS), ("false", Transport.PLAIN), (None, Transport.CONFIGURED)]
)
def test_how_a_service_is_spoken_to(made, said, meant) -> None:
    one = made[0]("games")
    if said:
        one["metadata"]["annotations"] = {"farfield.dev/tls": said}
    assert service_of(one, []).transport is meant
