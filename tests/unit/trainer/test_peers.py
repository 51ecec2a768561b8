"""The services that a trainer asks, where they are discovered."""

from typing import Any

import pytest
from sample_runs import ToyEnvironment

from farfield.environment.v1 import environment_pb2 as env
from farfield.verifier.v1 import verifier_pb2 as ver
from farfield.verifier.v1 import verifier_pb2_grpc as ver_grpc
from farfield_kernel.discovery.config import ListedService, StaticDiscovery
from farfield_kernel.errors import NotFound
from farfield_kernel.server import Mount, running
from farfield_trainer.config import TrainerConfig
from farfield_trainer.peers import connected


class Toys(ToyEnvironment):
    async def Describe(self, request: Any, context: Any) -> Any:
        return env.DescribeResponse(environments=[env.EnvironmentInfo(name="toy", version="1.0.0")])


class Judges(ver_grpc.VerifierServiceServicer):
    def __init__(self, *names: str) -> None:
        self._names = names

    async def Describe(self, request: Any, context: Any) -> Any:
        return ver.DescribeResponse(verifiers=[ver.VerifierInfo(name=name) for name in self._names])

    async def Verify(self, request: Any, context: Any) -> Any:
        return ver.VerifyResponse(whole_groups="ranking" in self._names)

    def mount(self) -> Mount:
        descriptor = ver.DESCRIPTOR.services_by_name["VerifierService"]
        return Mount(descriptor, ver_grpc.add_VerifierServiceServicer_to_server, self)


def plan(name: str) -> ver.RewardPlan:
    return ver.RewardPlan(leaf=ver.Leaf(verifier=name))


async def test_each_is_found_where_it_is_hosted() -> None:
    toys = Toys()
    async with (
        running([toys.mount(), Judges("exact").mount()]) as first,
        running([Judges("ranking").mount()]) as second,
    ):
        listed = [("environment", first), ("verifier", first), ("verifier", second)]
        services = tuple(ListedService(kind=kind, address=address) for kind, address in listed)
        config = TrainerConfig(discovery=StaticDiscovery(services=services))
        async with connected(config) as peers:
            assert peers.environment
            assert peers.verifier
            games = await peers.environment(env.EnvironmentRef(name="toy"))
            await games.CreateSessions(
                env.CreateSessionsRequest(
                    environment=env.EnvironmentRef(name="toy"), sessions=[env.NewSession(session_id="s")]
                )
            )
            assert toys.sessions == {"s"}
            for name, ranks in (("exact", False), ("ranking", True)):
                answer = await (await peers.verifier(plan(name))).Verify(ver.VerifyRequest(plan=plan(name)))
                assert answer.whole_groups is ranks
            with pytest.raises(NotFound, match=r"no environment 'mazes'; .* has toy 1\.0\.0"):
                await peers.environment(env.EnvironmentRef(name="mazes"))


async def test_nothing_configured_is_nobody_to_ask() -> None:
    async with connected(TrainerConfig()) as peers:
        assert (peers.environment, peers.verifier) == (None, None)
