"""Discovered services that speak TLS: their certificates name the Service, and both ends prove themselves."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from farfield.environment.v1 import environment_pb2 as env
from farfield.environment.v1 import environment_pb2_grpc as env_grpc
from farfield_kernel.client import ClientConfig
from farfield_kernel.discovery.config import KubernetesDiscovery
from farfield_kernel.discovery.contract import Kind, Replica, Service, Transport
from farfield_kernel.discovery.dialing import presenting
from farfield_kernel.discovery.hosting import Host, Hosting
from farfield_kernel.discovery.memory import MemoryDirectory
from farfield_kernel.server import Mount, ServerConfig, running
from farfield_kernel.tls import TlsConfig


class Games(env_grpc.EnvironmentServiceServicer):
    async def Describe(self, request: env.DescribeRequest, context: Any) -> env.DescribeResponse:
        return env.DescribeResponse(environments=[env.EnvironmentInfo(name="cards", version="1.0.0")])


MOUNT = Mount(
    env.DESCRIPTOR.services_by_name["EnvironmentService"],
    env_grpc.add_EnvironmentServiceServicer_to_server,
    Games(),
)


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> TlsConfig:
    """A certificate that signs itself, for `games.default.svc`; both ends have it, and believe it."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    folder: Path = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=x"]
    names = ["-addext", "subjectAltName=DNS:games.default.svc"]
    outputs = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *names, *outputs], check=True, capture_output=True)
    return TlsConfig(certificate=certificate, key=key, ca=certificate)


async def asked(address: str, discovery: KubernetesDiscovery, **fields: Any) -> Host:
    """The service as it is found behind `address`."""
    service = Service("games", Kind.ENVIRONMENT, (Replica(address),), **fields)
    template = presenting(ClientConfig(address="-"), discovery)
    hosting = Hosting(MemoryDirectory([service]), Kind.ENVIRONMENT, template)
    await hosting.look()
    (host,) = hosting.hosts()
    return host


async def test_the_certificate_names_the_service_and_not_the_pod(identity: TlsConfig) -> None:
    discovery = KubernetesDiscovery(kind="kubernetes", tls=identity, token="secret")
    async with running([MOUNT], ServerConfig(tls=identity, token="secret")) as address:
        host = await asked(address, discovery, server_name="games.default.svc")
        assert host.description is not None, host.problem
        assert "cards" in host.description.plugins
        another = await asked(address, discovery, server_name="others.default.svc")
        assert another.silent, "who shows another's certificate is not believed"


async def test_a_service_in_plain_text_joins_one_that_speaks_tls(identity: TlsConfig) -> None:
    discovery = KubernetesDiscovery(kind="kubernetes", tls=identity, token="secret")
    async with running([MOUNT]) as address:
        host = await asked(address, discovery, transport=Transport.PLAIN)
        assert host.description is not None, host.problem
    async with running([MOUNT], ServerConfig(token="secret")) as address:
        refused = await asked(address, discovery, transport=Transport.PLAIN)
        assert "bearer token is required" in refused.problem, "it is not shown without TLS"
