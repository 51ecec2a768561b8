"""A worker whose services come and go while it plays."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from farfield.environment.v1 import environment_pb2 as env
from farfield.policy.v1.policy_pb2 import Prompt
from farfield.trajectory.v1 import trajectory_pb2 as pb
from farfield.verifier.v1 import verifier_pb2 as ver
from farfield_kernel.discovery.contract import Kind, Replica, Service
from farfield_kernel.discovery.memory import MemoryDirectory
from farfield_kernel.errors import WEIGHTS_NOT_SERVED, Exhausted, FailedPrecondition
from farfield_kernel.server import Server, ServerConfig
from farfield_rollout.config import RetryConfig
from farfield_rollout.episode import play
from farfield_rollout.services import Services

IMPATIENT = RetryConfig(patience_seconds=0.2, retries=0, first_delay_seconds=0.01, max_delay_seconds=0.05)


class Town:
    """Real servers, and the directory that the worker sees."""

    def __init__(self, world, stack: AsyncExitStack) -> None:
        self.world = world
        self.directory = MemoryDirectory()
        config = world.config.model_copy(update={"lane": "rl"})
        self.services = Services.connect(config, self.directory)
        self._stack = stack

    async def serve(self, name: str, kind: Kind, *servicers: Any, lane: str = "rl") -> list[Server]:
        """One server for each servicer; together they are the service's replicas."""
        servers = []
        for servicer in servicers:
            parts = [self.world.environment, self.world.verifier, self.world.policy]
            index = [Kind.ENVIRONMENT, Kind.VERIFIER, Kind.POLICY].index(kind)
            parts[index] = servicer
            servers.append(Server(ServerConfig(drain_seconds=0), [self.world.mounts(*parts)[index]]))
            await servers[-1].start()
            self._stack.push_async_callback(servers[-1].stop)
        replicas = tuple(Replica(server.address) for server in servers)
        self.directory.put(Service(name, kind, replicas, lane))
        return servers

    async def play(self, spec: pb.EpisodeSpec | None = None, retry: RetryConfig | None = None) -> Any:
        claim = self.world.claim(spec)
        return (await play(claim, self.services, retry or self.world.config.retry, "w")).trajectory


def guess(world, name: str = "guess") -> Any:
    """An environment of that name, which describes itself."""

    class Described(type(world.environment)):
        async def Describe(self, request: env.DescribeRequest, context: Any) -> env.DescribeResponse:
            return env.DescribeResponse(environments=[env.EnvironmentInfo(name=name, version="1.0.0")])

        async def CreateSessions(self, request: env.CreateSessionsRequest, context: Any) -> Any:
            request.environment.name = "guess"
            return await super().CreateSessions(request, context)

    return Described()


def judge(world, name: str = "exact") -> Any:
    class Described(type(world.verifier)):
        async def Describe(self, request: ver.DescribeRequest, context: Any) -> ver.DescribeResponse:
            return ver.DescribeResponse(verifiers=[ver.VerifierInfo(name=name, version="1.0.0")])

    return Described()


@pytest.fixture
async def town(world) -> AsyncIterator[Town]:
    async with AsyncExitStack() as stack:
        made = Town(world, stack)
        following = asyncio.ensure_future(made.services.follow())
        stack.callback(following.cancel)
        await made.serve("policy", Kind.POLICY, type(world.policy)())
        await made.serve("judge", Kind.VERIFIER, judge(world))
        yield made
        await made.services.close()


async def test_an_environment_that_joins_is_played(world, town: Town) -> None:
    await town.serve("games", Kind.ENVIRONMENT, guess(world, "other"))
    failed = await town.play(retry=IMPATIENT)
    assert failed.failure == pb.FAILURE_INVALID_SPEC
    assert "no environment 'guess'; of environment services, games has other 1.0.0" in failed.failure_detail
    newcomer = guess(world)
    await town.serve("newcomer", Kind.ENVIRONMENT, newcomer)
    assert not (await town.play()).failure
    assert newcomer.steps


async def test_a_service_that_leaves_ends_its_sessions_and_gets_no_new_ones(world, town: Town) -> None:
    leaving, staying = guess(world), guess(world)
    (policy,) = [type(world.policy)()]
    policy.hold = asyncio.Event()
    await town.serve("policy", Kind.POLICY, policy)
    await town.serve("a-leaving", Kind.ENVIRONMENT, leaving)
    playing = asyncio.create_task(town.play())
    await policy.asked(1)
    await town.serve("staying", Kind.ENVIRONMENT, staying)
    town.directory.remove(Kind.ENVIRONMENT, "a-leaving")
    policy.hold.set()
    trajectory = await playing
    assert not trajectory.failure
    assert not trajectory.provenance.restores, "it is finished where it began"
    assert not staying.steps
    assert not (await town.play(world.spec(8))).failure
    assert staying.steps


async def test_a_session_whose_service_is_gone_goes_on_at_another(world, town: Town) -> None:
    policy = type(world.policy)()
    policy.hold = asyncio.Event()
    await town.serve("policy", Kind.POLICY, policy)
    (server,) = await town.serve("first", Kind.ENVIRONMENT, guess(world))
    playing = asyncio.create_task(town.play())
    await policy.asked(1)
    second = guess(world)
    await town.serve("second", Kind.ENVIRONMENT, second)
    town.directory.remove(Kind.ENVIRONMENT, "first")
    await server.stop()
    policy.hold.set()
    trajectory = await playing
    assert not trajectory.failure
    assert trajectory.provenance.restores == 1
    assert second.steps


async def test_an_environment_that_is_away_for_a_while_is_waited_for(world, town: Town) -> None:
    await town.serve("games", Kind.ENVIRONMENT, guess(world))
    assert not (await town.play()).failure
    town.directory.put(Service("games", Kind.ENVIRONMENT))
    playing = asyncio.create_task(town.play(world.spec(8)))
    await asyncio.sleep(0.05)
    await town.serve("games", Kind.ENVIRONMENT, guess(world))
    assert not (await playing).failure


async def test_a_reward_goes_to_the_service_that_has_it(world, town: Town) -> None:
    await town.serve("games", Kind.ENVIRONMENT, guess(world))
    decoy = judge(world, "style")
    await town.serve("a-decoy", Kind.VERIFIER, decoy)
    assert not (await town.play()).failure
    assert not decoy.faults.calls
    spec = world.spec(8, reward=ver.RewardPlan(leaf=ver.Leaf(verifier="exakt")))
    failed = await town.play(spec, IMPATIENT)
    assert failed.failure == pb.FAILURE_INVALID_SPEC
    assert "a-decoy has style 1.0.0; judge has exact 1.0.0" in failed.failure_detail


class TestPolicies:
    async def test_a_conversation_stays_with_its_replica(self, world, town: Town) -> None:
        await town.serve("games", Kind.ENVIRONMENT, guess(world))
        policies = [type(world.policy)() for _ in range(3)]
        await town.serve("policy", Kind.POLICY, *policies)
        for policy in policies:
            policy.says = "never right"
        plays = [town.play(world.spec(number)) for number in range(9)]
        assert not any(trajectory.failure for trajectory in await asyncio.gather(*plays))
        asked = [{prompt.request_id.partition("/")[0] for prompt in policy.prompts} for policy in policies]
        turns = [len(policy.prompts) for policy in policies]
        assert turns == [9, 9, 9], "three conversations of three turns each"
        assert sum(map(len, asked)) >= 3

    async def test_a_replica_that_dies_leaves_its_conversations_to_the_others(
        self, world, town: Town
    ) -> None:
        await town.serve("games", Kind.ENVIRONMENT, guess(world))
        policies = [type(world.policy)() for _ in range(2)]
        servers = await town.serve("policy", Kind.POLICY, *policies)
        for policy in policies:
            policy.hold = asyncio.Event()
        plays = [asyncio.create_task(town.play(world.spec(number))) for number in range(2)]
        await asyncio.gather(*(policy.asked(1) for policy in policies))
        await servers[0].stop()
        policies[1].hold.set()
        assert not any(trajectory.failure for trajectory in await asyncio.gather(*plays))

    @pytest.mark.parametrize(
        "error", [Exhausted("full"), FailedPrecondition("not yet", reason=WEIGHTS_NOT_SERVED)]
    )
    async def test_a_replica_that_cannot_now_sends_the_prompt_to_another(self, world, town, error) -> None:
        policies = [type(world.policy)() for _ in range(2)]
        await town.serve("policy", Kind.POLICY, *policies)
        policies[0].faults.plan("generate", *[error] * 10)
        policies[1].faults.plan("generate", *[error] * 10)
        pinned = town.services.policies.pinned()
        for _ in range(2):
            with pytest.raises(type(error)):
                await pinned.generate(Prompt())
        assert [policy.faults.calls["generate"] for policy in policies] == [1, 1]
        pinned.close()

    async def test_another_lane_is_not_asked(self, world, town: Town) -> None:
        town.directory.put(Service("policy", Kind.POLICY))
        stranger = type(world.policy)()
        await town.serve("stranger", Kind.POLICY, stranger, lane="sft")
        await town.serve("games", Kind.ENVIRONMENT, guess(world))
        failed = await town.play(retry=IMPATIENT)
        assert failed.failure == pb.FAILURE_POLICY
        assert (
            "no policy of lane 'rl' is ready; there is policy (lane default, 0 ready)"
            in failed.failure_detail
        )
        assert not stranger.prompts
