"""Few calls for many episodes, over real connections that may break."""

import asyncio

import pytest

from farfield.environment.v1.environment_pb2 import Action, EnvironmentRef, NewSession, StepResult
from farfield.policy.v1.policy_pb2 import Prompt
from farfield.verifier.v1.verifier_pb2 import Attempt, Leaf, RewardPlan
from farfield_kernel import wire
from farfield_kernel.client import ClientConfig
from farfield_kernel.errors import (
    DeadlineExceeded,
    Exhausted,
    NotFound,
    PluginFailure,
    Unavailable,
    status_of,
)
from farfield_kernel.server import ServerConfig, running
from farfield_kernel.tls import TlsConfig
from farfield_rollout.config import PolicyConfig
from farfield_rollout.endpoints import Written
from farfield_rollout.environment import EnvironmentClient
from farfield_rollout.environments import Environments, written
from farfield_rollout.episode import play
from farfield_rollout.failures import Stage, retried
from farfield_rollout.policy import PolicyClient
from farfield_rollout.replicas import Pool, Replicas

EXACT = RewardPlan(leaf=Leaf(verifier="exact"))


def prompt(**more) -> Prompt:
    return Prompt(prefix_ids=wire.ids_to_bytes([7]), **more)


async def test_many_episodes_cost_few_calls(world) -> None:
    """64 episodes of 3 turns: 192 turns, each with three calls of its own if they were not gathered."""
    claims = [world.claim(world.spec(number)) for number in range(64)]
    plays = [play(claim, world.services, world.config.retry, "w") for claim in claims]
    trajectories = [played.trajectory for played in await asyncio.gather(*plays)]
    assert not any(trajectory.failure for trajectory in trajectories)
    assert sum(len(trajectory.turns) for trajectory in trajectories) == 192
    calls = (
        world.policy.faults.calls["stream"],
        world.environment.faults.calls["stream"],
        world.verifier.faults.calls["call"],
    )
    assert max(calls) <= 20, calls


async def test_prompts_of_one_moment_share_a_message(world) -> None:
    prompts = [prompt(request_id="r", seed=number) for number in range(50)]
    answers = await asyncio.gather(*(world.services.policies.pinned().generate(one) for one in prompts))
    assert len(answers) == 50
    assert world.policy.faults.calls["stream"] == 1
    assert len({one.request_id for one in world.policy.prompts}) == 50


async def test_an_error_of_one_prompt_is_its_own(world) -> None:
    world.policy.faults.plan("generate", Exhausted("full", retry_after=0.5))
    policy = world.services.policies.pinned()
    first, second = await asyncio.gather(
        policy.generate(prompt()), policy.generate(prompt()), return_exceptions=True
    )
    assert isinstance(first, Exhausted)
    assert first.retry_after == 0.5
    assert second.text


async def test_a_prompt_without_an_answer_is_late(world) -> None:
    world.policy.hold = asyncio.Event()
    client = PolicyClient(PolicyConfig(address=world.config.policy.address, timeout_seconds=0.05))
    with pytest.raises(DeadlineExceeded):
        await client.generate(prompt())
    world.policy.hold.set()
    await client.close()


async def test_a_broken_stream_fails_its_calls_and_the_next_call_opens_another(
    world, unused_tcp_port
) -> None:
    server = ServerConfig(port=unused_tcp_port, drain_seconds=0)
    mounts = world.mounts(world.environment, world.verifier, world.policy)
    client = PolicyClient(PolicyConfig(address=f"127.0.0.1:{unused_tcp_port}", attempts=2))
    world.policy.hold = asyncio.Event()
    async with running(mounts, server):
        waiting = [asyncio.create_task(client.generate(prompt(seed=number))) for number in range(3)]
        await world.policy.asked(3)
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [Unavailable] * 3
    world.policy.hold = None
    async with running(mounts, server):
        assert (await retried(lambda: client.generate(prompt()), Stage.GENERATE, world.config.retry)).text
    await client.close()


async def test_a_service_that_is_not_there_is_unavailable(unused_tcp_port: int) -> None:
    client = PolicyClient(PolicyConfig(address=f"127.0.0.1:{unused_tcp_port}", attempts=2))
    with pytest.raises(Unavailable):
        await client.generate(prompt())
    await client.close()


async def test_streams_share_the_prompts(world) -> None:
    client = PolicyClient(PolicyConfig(address=world.config.policy.address, streams=3))
    await asyncio.gather(*(client.generate(prompt(seed=number)) for number in range(30)))
    assert world.policy.faults.calls["stream"] == 3
    await client.close()


async def test_attempts_go_out_by_their_plan(world) -> None:
    verifier = world.services.verifiers
    plans = [EXACT, RewardPlan(leaf=Leaf(verifier="exakt"))]
    attempts = [
        verifier.verify(
            plans[number % 2], Attempt(attempt_id="same", response="1", facts_json='{"answer": "1"}')
        )
        for number in range(10)
    ]
    results = await asyncio.gather(*attempts, return_exceptions=True)
    assert [result.reward for result in results[::2]] == [1.0] * 5
    assert all(isinstance(result, NotFound) for result in results[1::2])
    assert world.verifier.faults.calls["call"] == 2


async def test_an_attempt_left_out_is_not_graded(world) -> None:
    world.verifier.forgets = True
    with pytest.raises(PluginFailure, match="left the attempt out"):
        await world.services.verifiers.verify(EXACT, Attempt(attempt_id="a"))


async def test_one_bad_seed_does_not_spoil_the_batch(world) -> None:
    """Creation is all or nothing: the batch fails, and each session gets its own answer."""
    environment = EnvironmentRef(name="guess")
    start = world.environment._start

    def picky(session_id: str, seed: int):
        if seed == 13:
            raise PluginFailure("reset raised")
        return start(session_id, seed)

    world.environment._start = picky
    client = await world.services.environments.of(environment).pick()
    news = [NewSession(session_id=f"s{seed}", seed=seed) for seed in (1, 13, 3)]
    calls = [client.create(environment, new, frozenset()) for new in news]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(result, PluginFailure) for result in results] == [False, True, False]
    assert client.sessions == {"s1", "s3"}


async def test_images_that_do_not_come_are_late(world) -> None:
    world.environment.blobs_sent.clear()
    client = EnvironmentClient(ClientConfig(address=world.config.environment.address, timeout_seconds=0.05))
    with pytest.raises(DeadlineExceeded):
        await client.images(["digest"])
    await client.close()


async def test_a_late_result_of_another_turn_is_not_taken(world) -> None:
    environment = EnvironmentRef(name="guess")
    client = await world.services.environments.of(environment).pick()
    await client.create(environment, NewSession(session_id="s", seed=1), frozenset())
    first = await client.step(Action(session_id="s", response="2"), frozenset())
    world.environment.late = [
        StepResult(session_id="s", outcome=first),
        StepResult(session_id="s", turn=0, error=status_of(Unavailable("late"))),
    ]
    second = await client.step(Action(session_id="s", turn=1, response="3"), frozenset())
    assert (first.turn, second.turn) == (0, 1)
    world.environment.faults.plan("step", NotFound("an error that names no turn"))
    with pytest.raises(NotFound):
        await client.step(Action(session_id="s", turn=2, response="4"), frozenset())


async def test_leases_of_open_sessions_are_renewed(world) -> None:
    environment = EnvironmentRef(name="guess")
    replicas = world.services.environments.of(environment)
    await world.services.renew()
    assert world.environment.faults.calls["renew"] == 0
    client = await replicas.pick()
    await client.create(environment, NewSession(session_id="s"), frozenset())
    await world.services.renew()
    assert world.environment.faults.calls["renew"] == 1
    await client.close_session("s")
    await world.services.renew()
    assert world.environment.faults.calls["renew"] == 1


def replicas_at(address: str) -> Replicas:
    return Replicas(Written(ClientConfig(address=address)), Pool(EnvironmentClient))


class TestReplicas:
    async def test_sessions_are_spread_and_a_failed_replica_is_avoided(self) -> None:
        replicas = replicas_at("127.0.0.1:1, 127.0.0.1:2")
        first = await replicas.pick()
        first.sessions.add("s")
        second = await replicas.pick()
        assert second is not first
        assert await replicas.pick(avoid=second) is first

    async def test_one_that_takes_no_work_comes_last_though_it_has_the_least_load(self) -> None:
        replicas = replicas_at("127.0.0.1:1, 127.0.0.1:2")
        away = await replicas.pick()
        replicas.set_aside(away)
        other = await replicas.pick()
        other.sessions.add("s")
        assert await replicas.pick() is other
        assert await replicas.pick(avoid=other) is away

    async def test_the_only_replica_is_picked_whatever_happened(self) -> None:
        replicas = replicas_at("127.0.0.1:1")
        only = await replicas.pick()
        assert await replicas.pick(avoid=only) is only

    async def test_a_name_is_resolved(self) -> None:
        (*found,) = await Written(ClientConfig(address="dns:///localhost:50051")).endpoints()
        assert found
        assert all(one.address.endswith(":50051") for one in found)

    async def test_a_certificate_names_the_service_and_not_its_addresses(self) -> None:
        config = ClientConfig(address="dns:///localhost:50051", tls=TlsConfig())
        (*found,) = await Written(config).endpoints()
        assert {one.tls.server_name for one in found} == {"localhost"}

    async def test_a_name_that_nobody_has_is_unavailable(self) -> None:
        with pytest.raises(Unavailable, match="no address"):
            await replicas_at("dns:///no-such-host.invalid:1").pick()

    async def test_what_is_out_of_use_is_closed(self) -> None:
        pool = Pool(EnvironmentClient)
        busy, idle = pool.client(ClientConfig(address="a:1")), pool.client(ClientConfig(address="b:1"))
        busy.sessions.add("s")
        await pool.reap(idle_seconds=-1)
        assert pool.clients() == [busy]
        assert pool.client(ClientConfig(address="b:1")) is not idle
        await pool.close()


async def test_environments_may_have_services_of_their_own(world) -> None:
    environments = Environments(written(world.config.environment, {"virl": ClientConfig(address="far:1")}))
    assert {one.address for one in await environments.route(EnvironmentRef(name="virl")).endpoints()} == {
        "far:1"
    }
    default = await environments.route(EnvironmentRef(name="guess")).endpoints()
    assert [one.address for one in default] == [world.config.environment.address]
