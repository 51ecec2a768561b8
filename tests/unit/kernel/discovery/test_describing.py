"""What real services say of themselves, over the wire."""

from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_reflection.v1alpha import reflection

from farfield.environment.v1 import environment_pb2 as env
from farfield.environment.v1 import environment_pb2_grpc as env_grpc
from farfield.verifier.v1 import verifier_pb2 as ver
from farfield.verifier.v1 import verifier_pb2_grpc as ver_grpc
from farfield_kernel.client import ClientConfig
from farfield_kernel.discovery.contract import Kind
from farfield_kernel.discovery.describing import described
from farfield_kernel.errors import FailedPrecondition, Unavailable
from farfield_kernel.server import Mount, running


class Games(env_grpc.EnvironmentServiceServicer):
    def __init__(self, version: str = "1.0.0", suits: int = 4, summary: str = "") -> None:
        self._info = env.EnvironmentInfo(name="cards", version=version, summary=summary)
        self._info.variants.add(name="id").options.update({"suits": suits})

    async def Describe(self, request: env.DescribeRequest, context: Any) -> env.DescribeResponse:
        return env.DescribeResponse(environments=[self._info])

    def mount(self) -> Mount:
        descriptor = env.DESCRIPTOR.services_by_name["EnvironmentService"]
        return Mount(descriptor, env_grpc.add_EnvironmentServiceServicer_to_server, self)


class Court(ver_grpc.VerifierServiceServicer):
    async def Describe(self, request: ver.DescribeRequest, context: Any) -> ver.DescribeResponse:
        return ver.DescribeResponse(verifiers=[ver.VerifierInfo(name="exact")], plans=["house"])

    def mount(self) -> Mount:
        descriptor = ver.DESCRIPTOR.services_by_name["VerifierService"]
        return Mount(descriptor, ver_grpc.add_VerifierServiceServicer_to_server, self)


async def asked(kind: Kind, mount: Mount) -> Any:
    async with running([mount]) as address:
        return await described(kind, ClientConfig(address=address))


async def test_a_digest_tells_whether_two_play_alike() -> None:
    games = [Games(), Games(summary="the same in other words"), Games(suits=5), Games("1.0.1")]
    first, reworded, other, newer = [
        (await asked(Kind.ENVIRONMENT, one.mount())).plugins["cards"].digest for one in games
    ]
    assert first == reworded
    assert len({first, other, newer}) == 3


async def test_a_verifier_service_names_its_own_plans() -> None:
    said = await asked(Kind.VERIFIER, Court().mount())
    assert set(said.plugins) == {"exact"}
    assert said.plans == {"house"}


async def test_another_kind_of_service_is_refused() -> None:
    with pytest.raises(FailedPrecondition, match=r"does not speak farfield\.verifier\.v1: is its label"):
        await asked(Kind.VERIFIER, Games().mount())


async def test_a_contract_that_is_too_new_is_refused_by_name() -> None:
    """A service of a contract that nobody has written yet: its name is all that its reflection tells."""
    server = grpc.aio.server()
    reflection.enable_server_reflection(("farfield.environment.v2.EnvironmentService",), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        with pytest.raises(FailedPrecondition, match=r"speaks farfield\.environment\.v2 .*v1: upgrade"):
            await described(Kind.ENVIRONMENT, ClientConfig(address=f"127.0.0.1:{port}"))
    finally:
        await server.stop(None)


async def test_nobody_there(unused_tcp_port: int) -> None:
    with pytest.raises(Unavailable):
        await described(Kind.ENVIRONMENT, ClientConfig(address=f"127.0.0.1:{unused_tcp_port}", attempts=2))
