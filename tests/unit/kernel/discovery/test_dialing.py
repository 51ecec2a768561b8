"""Who is shown certificates and tokens."""

from farfield_kernel.client import ClientConfig
from farfield_kernel.discovery.config import KubernetesDiscovery, StaticDiscovery
from farfield_kernel.discovery.contract import Kind, Replica, Service, Transport
from farfield_kernel.discovery.dialing import dialed, presenting
from farfield_kernel.tls import TlsConfig

TEMPLATE = ClientConfig(address="x", timeout_seconds=7, tls=TlsConfig(ca="ca.pem"), token="secret")
REPLICA = Replica("10.0.0.1:5")


def service(transport: Transport = Transport.CONFIGURED) -> Service:
    return Service("games", Kind.ENVIRONMENT, (REPLICA,), transport=transport, server_name="games.ns.svc")


def test_the_callers_way_with_the_replicas_address() -> None:
    config = dialed(TEMPLATE, service(), REPLICA)
    assert (config.address, config.timeout_seconds, config.token) == ("10.0.0.1:5", 7, "secret")
    assert config.tls == TlsConfig(ca="ca.pem", server_name="games.ns.svc")


def test_a_service_without_tls_sees_no_token_that_is_meant_for_tls() -> None:
    config = dialed(TEMPLATE, service(Transport.PLAIN), REPLICA)
    assert config.tls is None
    assert not config.token
    plain = dialed(ClientConfig(address="x", token="shared"), service(Transport.PLAIN), REPLICA)
    assert plain.token == "shared"


def test_a_service_with_tls_of_its_own_is_believed_by_the_systems_authorities() -> None:
    config = dialed(ClientConfig(address="x"), service(Transport.TLS), REPLICA)
    assert config.tls == TlsConfig(server_name="games.ns.svc")


def test_what_discovery_presents_goes_before_what_the_client_has() -> None:
    plain = ClientConfig(address="x", token="mine")
    assert presenting(plain, StaticDiscovery()) == plain
    assert presenting(plain, KubernetesDiscovery(kind="kubernetes")).token == "mine"
    given = KubernetesDiscovery(kind="kubernetes", token="theirs", tls=TlsConfig())
    assert presenting(plain, given).token == "theirs"
    assert presenting(plain, given).tls == TlsConfig()
