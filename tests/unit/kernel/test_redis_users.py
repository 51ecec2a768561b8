"""What a user of Redis may do suffices for its role, and an append-only file is replayed whole."""

from collections.abc import Callable
from typing import Any

import pytest
import redis

from farfield.trajectory.v1.trajectory_pb2 import EpisodeSpec, Trajectory
from farfield_kernel.errors import Unauthenticated
from farfield_kernel.queue import redis_users
from farfield_kernel.queue.contract import Played, Queue
from farfield_kernel.queue.opening import connect
from farfield_kernel.weights import Weights

PASSWORDS = {role: f"{role}-password" for role in redis_users.RULES}


@pytest.fixture
def server(make_redis: Callable[..., Any], tmp_path: Any) -> Any:
    users = tmp_path / "redis.acl"
    users.write_text(redis_users.acl(PASSWORDS))
    return make_redis("--aclfile", str(users), "--appendonly", "yes", "--appendfsync", "always")


def as_user(server: Any, role: str, password: str = "") -> Queue:
    return connect(
        f"redis://{role}:{password or PASSWORDS[role]}@127.0.0.1:{server.port}", patience_seconds=5
    )


async def test_a_run_passes_with_each_role_doing_its_part(server: Any) -> None:
    trainer, worker, policy = (as_user(server, role) for role in ("trainer", "worker", "policy"))
    weights = Weights("run", 1, "digest", "/weights")
    await trainer.announce("lane", weights)
    assert await policy.weights("lane") == weights
    assert await policy.watch_weights("lane", weights, 0.01) is None
    assert await trainer.plan("run", [EpisodeSpec(episode_id=str(number)) for number in range(3)]) == 3
    await trainer.activate("lane", "run")
    assert await worker.active_run("lane") == "run"
    claims = await worker.claim("run", "one", 3, 1)
    assert not await worker.renew("run", "one", [claims[0].entry_id])
    played = [Played(claim, Trajectory(spec=claim.spec), {}) for claim in claims[:2]]
    assert await worker.commit_many("run", "one", played) == [True, True]
    await worker.release("run", "one", [claims[2].entry_id])
    assert await trainer.recover("run") == 2
    collected = await trainer.collect("run", 2, 1)
    assert (await trainer.backlog("run")).claimed == 1
    await trainer.acknowledge("run", [one.entry_id for one in collected])
    assert (await trainer.footprint()).used_bytes > 0
    await trainer.deactivate("lane", "run")
    await trainer.drop("run")
    for queue in (trainer, worker, policy):
        await queue.close()


async def test_a_stranger_and_another_s_part_are_refused(server: Any) -> None:
    for queue in (as_user(server, "worker", "wrong"), as_user(server, "default", "x")):
        with pytest.raises(Unauthenticated, match="refuses this user"):
            await queue.active_run("lane")
        await queue.close()
    policy = as_user(server, "policy")
    with pytest.raises(Unauthenticated, match="no permissions"):
        await policy.active_run("lane")
    await policy.close()


def test_what_is_claimed_outlives_a_kill(server: Any) -> None:
    """Deliveries of several entries are written as transactions, which are lost in the replay where the
    default user may do nothing."""
    told = {"port": server.port, "username": "trainer", "password": PASSWORDS["trainer"], "driver_info": None}
    with redis.Redis(**told) as client:
        client.execute_command("XGROUP", "CREATE", "farfield:{run}:work", "workers", "0", "MKSTREAM")
        for number in range(30):
            client.xadd("farfield:{run}:work", {"number": number})
        client.xreadgroup("workers", "one", {"farfield:{run}:work": ">"}, count=30)
    server.kill()
    server.start()
    with redis.Redis(**told) as client:
        assert client.xpending("farfield:{run}:work", "workers")["pending"] == 30


def test_passwords_are_not_in_the_file() -> None:
    assert not any(password in redis_users.acl(PASSWORDS) for password in PASSWORDS.values())
