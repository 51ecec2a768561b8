"""A session outlives its host: another replica takes over by replay."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from farfield_kernel.client import ClientConfig
from farfield_kernel.errors import Exhausted
from farfield_kernel.server import Server, ServerConfig
from farfield_rollout.episode import play
from farfield_rollout.services import Services


@pytest.fixture
async def replicas(world) -> AsyncIterator[tuple[list, list[Server], Services]]:
    """Two environment services, each with its server, and a worker's clients of both."""
    hosts = [type(world.environment)(), type(world.environment)()]
    async with AsyncExitStack() as stack:
        servers = []
        for host in hosts:
            mounts = world.mounts(host, world.verifier, world.policy)[:1]
            servers.append(Server(ServerConfig(drain_seconds=0), mounts))
            await servers[-1].start()
            stack.push_async_callback(servers[-1].stop)
        address = ",".join(server.address for server in servers)
        config = world.config.model_copy(update={"environment": ClientConfig(address=address, attempts=2)})
        services = Services.connect(config)
        stack.push_async_callback(services.close)
        yield hosts, servers, services


async def test_episodes_are_spread_over_replicas(world, replicas) -> None:
    hosts, _, services = replicas
    claims = [world.claim(world.spec(number)) for number in range(8)]
    world.policy.hold = asyncio.Event()
    plays = [asyncio.create_task(play(claim, services, world.config.retry, "w")) for claim in claims]
    await world.policy.asked(8)
    assert all(len(host.sessions) > 0 for host in hosts)
    world.policy.hold.set()
    assert not any(played.trajectory.failure for played in await asyncio.gather(*plays))


async def test_a_replica_that_dies_is_replaced_by_the_other(world, replicas) -> None:
    hosts, servers, services = replicas
    undisturbed = (await play(world.claim(), world.services, world.config.retry, "w")).trajectory
    asked = len(world.policy.prompts)
    world.policy.hold = asyncio.Event()
    playing = asyncio.create_task(play(world.claim(), services, world.config.retry, "w"))
    await world.policy.asked(asked + 1)
    (home,) = [index for index, host in enumerate(hosts) if host.sessions]
    await servers[home].stop()
    world.policy.hold.set()
    trajectory = (await playing).trajectory
    assert not trajectory.failure
    assert trajectory.provenance.restores == 1
    assert trajectory.provenance.digest == undisturbed.provenance.digest
    assert hosts[1 - home].faults.calls["restore"] == 1


async def test_a_full_replica_sends_the_session_to_the_other(world, replicas) -> None:
    hosts, _, services = replicas
    hosts[0].faults.plan("create", *[Exhausted("full")] * 100)
    for number in range(3):
        played = await play(world.claim(world.spec(number)), services, world.config.retry, "w")
        assert not played.trajectory.failure
