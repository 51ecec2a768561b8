"""One class of tests for both queues: the twin in memory and a real Redis."""

import asyncio

import pytest

from farfield.trajectory.v1.trajectory_pb2 import EpisodeSpec, Trajectory, Turn
from farfield_kernel.errors import InvalidArgument
from farfield_kernel.queue.contract import Backlog, Claim, Played, Queue
from farfield_kernel.queue.opening import connect
from farfield_kernel.weights import Weights

SHORT = 0.02
"""A lease that has run out as soon as anybody looks again."""


def specs(run_id: str, *numbers: int) -> list[EpisodeSpec]:
    return [
        EpisodeSpec(episode_id=f"e/{number}", run_id=run_id, environment_seed=number) for number in numbers
    ]


def trajectory(claim: Claim, text: str = "(1+2)*8") -> Trajectory:
    return Trajectory(spec=claim.spec, turns=[Turn(response_text=text, prompt_ids=b"\x00\xff\r\n")])


def played(claim: Claim, text: str = "(1+2)*8") -> Played:
    return Played(claim, trajectory(claim, text))


class TestQueue:
    async def test_planning_again_adds_only_what_is_new(self, open_queue, run_id) -> None:
        queue = open_queue()
        assert await queue.plan(run_id, specs(run_id, 1, 2)) == 2
        assert await queue.plan(run_id, specs(run_id, 1, 2, 3)) == 1
        assert await queue.plan(run_id, specs(run_id, 4, 4)) == 1
        assert await queue.plan(run_id, []) == 0
        assert await queue.backlog(run_id) == Backlog(4, 0, 0, 0)

    async def test_many_episodes_are_planned_in_one_call(self, open_queue, run_id) -> None:
        queue = open_queue()
        assert await queue.plan(run_id, specs(run_id, *range(1203))) == 1203
        assert (await queue.backlog(run_id)).queued == 1203

    async def test_claims_come_in_order_and_are_exclusive(self, open_queue, run_id) -> None:
        queue = open_queue()
        await queue.plan(run_id, specs(run_id, 1, 2, 3))
        mine = await queue.claim(run_id, "a", 2, 0)
        theirs = await queue.claim(run_id, "b", 2, 0)
        assert [claim.spec.environment_seed for claim in [*mine, *theirs]] == [1, 2, 3]
        assert {claim.attempt for claim in [*mine, *theirs]} == {1}
        assert await queue.claim(run_id, "c", 2, 0) == []
        assert await queue.backlog(run_id) == Backlog(0, 3, 0, 0)

    async def test_the_spec_arrives_as_it_was_planned(self, open_queue, run_id) -> None:
        queue = open_queue()
        (spec,) = specs(run_id, 7)
        spec.sampling_seed = 2**64 - 1
        spec.environment.options.update({"target": 24})
        await queue.plan(run_id, [spec])
        (claim,) = await queue.claim(run_id, "a", 1, 0)
        assert claim.spec == spec

    async def test_nothing_to_claim_before_anything_is_planned(self, open_queue, run_id) -> None:
        queue = open_queue()
        assert await queue.claim(run_id, "a", 1, 0) == []
        assert await queue.collect(run_id, 1, 0) == []
        assert await queue.recover(run_id) == 0
        assert await queue.backlog(run_id) == Backlog(0, 0, 0, 0)
        assert await queue.renew(run_id, "a", ["1-0"]) == ["1-0"]
        await queue.release(run_id, "a", ["1-0"])
        await queue.acknowledge(run_id, ["1-0"])

    async def test_a_waiting_claim_gets_what_is_planned_meanwhile(self, open_queue, run_id) -> None:
        queue = open_queue()
        waiting = asyncio.create_task(queue.claim(run_id, "a", 5, 30))
        await asyncio.sleep(0)
        await open_queue().plan(run_id, specs(run_id, 1))
        assert [claim.spec.environment_seed for claim in await waiting] == [1]

    async def test_a_waiting_collect_gets_what_is_committed_meanwhile(self, open_queue, run_id) -> None:
        queue = open_queue()
        await queue.plan(run_id, specs(run_id, 1))
        (claim,) = await queue.claim(run_id, "a", 1, 0)
        waiting = asyncio.create_task(open_queue().collect(run_id, 5, 30))
        await asyncio.sleep(0)
        await queue.commit(run_id, "a", played(claim))
        assert [item.trajectory for item in await waiting] == [trajectory(claim)]

    async def test_a_commit_moves_the_episode(self, open_queue, run_id) -> None:
        queue = open_queue()
        await queue.plan(run_id, specs(run_id, 1))
        (claim,) = await queue.claim(run_id, "a", 1, 0)
        assert await queue.commit(run_id, "a", played(claim))
        assert await queue.backlog(run_id) == Backlog(0, 0, 1, 0)
        (collected,) = await queue.collect(run_id, 5, 0)
        assert collected.trajectory == trajectory(claim)
        assert await queue.backlog(run_id) == Backlog(0, 0, 0, 1)

    async def test_many_commits_at_once(self, open_queue, run_id) -> None:
        queue = open_queue()
        await queue.plan(run_id, specs(run_id, *range(12)))
        claims = await queue.claim(run_id, "a", 12, 0)
        await queue.commit(run_id, "a", played(claims[3]))
        pairs = [played(claim, "x" * 1_000_000) for claim in claims]
        assert await queue.commit_many(run_id, "a", pairs) == [index != 3 for index in range(12)]
        assert await queue.commit_many(run_id, "a", []) == []
        collected = await queue.collect(run_id, 50, 0)
        assert sorted(one.trajectory.spec.environment_seed for one in collected) == list(range(12))

    async def test_the_first_commit_of_an_episode_stands(self, open_queue, run_id) -> None:
        first, second = open_queue(SHORT), open_queue(SHORT)
        await first.plan(run_id, specs(run_id, 1))
        (early,) = await first.claim(run_id, "slow", 1, 0)
        (late,) = await second.claim(run_id, "quick", 1, 30)
        assert await second.commit(run_id, "quick", played(late, "quick"))
        assert not await first.commit(run_id, "slow", played(early, "slow"))
        assert not await second.commit(run_id, "quick", played(late, "quick"))
        (collected,) = await first.collect(run_id, 5, 0)
        assert collected.trajectory.turns[0].response_text == "quick"
        assert await first.collect(run_id, 5, 0) == []

    async def test_the_slow_worker_may_also_be_the_first(self, open_queue, run_id) -> None:
        first, second = open_queue(SHORT), open_queue(SHORT)
        await first.plan(run_id, specs(run_id, 1))
        (early,) = await first.claim(run_id, "slow", 1, 0)
        (late,) = await second.claim(run_id, "quick", 1, 30)
        assert await first.commit(run_id, "slow", played(early))
        assert not await second.commit(run_id, "quick", played(late))
        assert await first.backlog(run_id) == Backlog(0, 0, 1, 0)

    async def test_a_committed_episode_is_never_planned_again(self, open_queue, run_id) -> None:
        queue = open_queue()
        await queue.plan(run_id, specs(run_id, 1))
        (claim,) = await queue.claim(run_id, "a", 1, 0)
        await queue.commit(run_id, "a", played(claim))
        assert await queue.plan(run_id, specs(run_id, 1)) == 0
        (collected,) = await queue.collect(run_id, 1, 0)
        await queue.acknowledge(run_id, [collected.entry_id])
        assert await queue.plan(run_id, specs(run_id, 1)) == 0

    async def test_an_expired_lease_is_taken_over_before_new_work(self, open_queue, run_id) -> None:
        queue = open_queue(SHORT)
        await queue.plan(run_id, specs(run_id, 1))
        await queue.claim(run_id, "dead", 1, 0)
        attempts = []
        for _ in range(3):  # dies again and again
            (claim,) = await queue.claim(run_id, "next", 1, 30)
            attempts.append((claim.spec.environment_seed, claim.attempt))
        assert attempts == [(1, 2), (1, 3), (1, 4)]

    async def test_takeover_finds_the_dead_behind_many_living(self, open_queue, run_id) -> None:
        """A scan that stops after the first few leases would never get there."""
        queue = open_queue()
        await queue.plan(run_id, specs(run_id, *range(300)))
        await queue.claim(run_id, "alive", 299, 0)
        (last,) = await queue.claim(run_id, "leaving", 1, 0)
        await queue.release(run_id, "leaving", [last.entry_id])
        (claim,) = await queue.claim(run_id, "next", 1, 0)
        assert (claim.spec.environment_seed, claim.attempt) == (299, 2)

    async def test_a_renewed_lease_starts_anew(self, open_queue, run_id) -> None:
        queue = open_queue()
        await queue.plan(run_id, specs(run_id, 1))
        (claim,) = await queue.claim(run_id, "holder", 1, 0)
        await queue.release(run_id, "holder", [claim.entry_id])  # now as if its lease had run out
        assert await queue.renew(run_id, "holder", [claim.entry_id]) == []
        assert await queue.claim(run_id, "rival", 1, 0) == []

    async def test_renewing_names_what_is_lost(self, open_queue, run_id) -> None:
        queue = open_queue(SHORT)
        await queue.plan(run_id, specs(run_id, 1))
        (claim,) = await queue.claim(run_id, "slow", 1, 0)
        (taken,) = await queue.claim(run_id, "quick", 1, 30)
        assert await queue.renew(run_id, "slow", [claim.entry_id]) == [claim.entry_id]
        await queue.commit(run_id, "quick", played(taken))
        assert await queue.renew(run_id, "quick", [taken.entry_id]) == [taken.entry_id]
        assert await queue.renew(run_id, "quick", []) == []

    async def test_the_oldest_plan_ages_until_it_is_committed(self, open_queue, run_id) -> None:
        queue = open_queue()
        assert (await queue.backlog(run_id)).oldest_seconds == 0
        await queue.plan(run_id, specs(run_id, 1))
        await asyncio.sleep(0.02)
        assert 60 > (await queue.backlog(run_id)).oldest_seconds > 0.01
        (claim,) = await queue.claim(run_id, "a", 1, 0)
        assert (await queue.backlog(run_id)).oldest_seconds > 0.01
        await queue.commit(run_id, "a", played(claim))
        assert (await queue.backlog(run_id)).oldest_seconds == 0

    async def test_the_footprint_is_that_of_the_store(self, open_queue) -> None:
        footprint = await open_queue().footprint()
        assert footprint.used_bytes >= 0
        assert (footprint.limit_bytes, footprint.evicted) == (0, 0)

    async def test_released_work_is_claimed_at_once(self, open_queue, run_id) -> None:
        queue = open_queue()
        await queue.plan(run_id, specs(run_id, 1, 2))
        claims = await queue.claim(run_id, "leaving", 2, 0)
        await queue.release(run_id, "leaving", [claims[1].entry_id])
        (claim,) = await queue.claim(run_id, "next", 5, 0)
        assert (claim.spec.environment_seed, claim.attempt) == (2, 2)

    async def test_what_was_given_back_is_counted_apart(self, open_queue, run_id) -> None:
        queue, seen = open_queue(lease_seconds=SHORT), []
        await queue.plan(run_id, specs(run_id, 1))
        for way in ("given back", "failed", "lost", "given back", "given back"):
            (claim,) = await queue.claim(run_id, "w", 1, 5)
            seen.append((claim.attempt, claim.given_back))
            if way == "lost":
                continue
            for _ in range(2):  # as after an answer that was lost
                await queue.release(run_id, "w", [claim.entry_id], failed=way == "failed")
        (claim,) = await queue.claim(run_id, "w", 1, 5)
        await queue.renew(run_id, "w", [claim.entry_id])
        assert seen == [(1, 0), (2, 1), (3, 1), (4, 1), (5, 2)]
        assert (claim.attempt, claim.given_back) == (6, 3)

    async def test_only_the_holder_releases(self, open_queue, run_id) -> None:
        queue = open_queue()
        await queue.plan(run_id, specs(run_id, 1))
        (claim,) = await queue.claim(run_id, "holder", 1, 0)
        await queue.release(run_id, "stranger", [claim.entry_id])
        assert await queue.claim(run_id, "stranger", 1, 0) == []

    async def test_unacknowledged_trajectories_come_again_after_recovery(self, open_queue, run_id) -> None:
        queue = open_queue()
        await self.commit_all(queue, run_id, 4)
        before = await queue.collect(run_id, 3, 0)
        await queue.acknowledge(run_id, [before[1].entry_id])
        restarted = open_queue()
        assert await restarted.recover(run_id) == 3
        again = await restarted.collect(run_id, 10, 0)
        assert [one.trajectory.spec.environment_seed for one in again] == [0, 2, 3]
        assert await restarted.backlog(run_id) == Backlog(0, 0, 0, 3)

    async def test_acknowledged_trajectories_are_gone(self, open_queue, run_id) -> None:
        queue = open_queue()
        await self.commit_all(queue, run_id, 3)
        entries = [one.entry_id for one in await queue.collect(run_id, 3, 0)]
        await queue.acknowledge(run_id, entries)
        await queue.acknowledge(run_id, entries)
        assert await queue.backlog(run_id) == Backlog(0, 0, 0, 0)
        assert await queue.recover(run_id) == 0

    async def test_a_dropped_run_leaves_nothing_and_may_be_planned_anew(self, open_queue, run_id) -> None:
        queue = open_queue()
        await self.commit_all(queue, run_id, 2)
        await queue.drop(run_id)
        assert await queue.backlog(run_id) == Backlog(0, 0, 0, 0)
        assert await queue.claim(run_id, "a", 1, 0) == []
        await self.commit_all(queue, run_id, 2)
        assert len(await queue.collect(run_id, 5, 0)) == 2

    async def test_who_waits_while_a_run_is_dropped_finds_nothing(self, open_queue, run_id) -> None:
        queue = open_queue()
        await self.commit_all(queue, run_id, 1)
        await queue.collect(run_id, 1, 0)
        waiting = asyncio.create_task(open_queue().collect(run_id, 1, 0.3))
        await asyncio.sleep(0.1)
        await queue.drop(run_id)
        assert await waiting == []

    async def test_a_commit_survives_a_forgotten_plan(self, open_queue, run_id) -> None:
        """After a wiped store, what a worker still holds is committed, and not planned again."""
        queue = open_queue()
        await queue.plan(run_id, specs(run_id, 1, 2))
        claim, _ = await queue.claim(run_id, "a", 2, 0)
        await queue.drop(run_id)
        assert await queue.commit(run_id, "a", played(claim))
        (collected,) = [*await queue.collect(run_id, 5, 0), *await queue.collect(run_id, 5, 0)]
        assert collected.trajectory == trajectory(claim)
        assert await queue.plan(run_id, specs(run_id, 1, 2)) == 1

    async def test_runs_are_apart(self, open_queue, run_id) -> None:
        queue = open_queue()
        await queue.plan(run_id, specs(run_id, 1))
        assert await queue.claim(f"{run_id}-other", "a", 1, 0) == []

    async def test_a_lane_holds_one_run(self, open_queue, lane) -> None:
        queue = open_queue()
        assert await queue.active_run(lane) is None
        await queue.activate(lane, "first")
        await queue.activate(lane, "second")
        await queue.deactivate(lane, "first")
        assert await open_queue().active_run(lane) == "second"
        await queue.deactivate(lane, "second")
        assert await queue.active_run(lane) is None

    async def test_weights_are_those_last_announced(self, open_queue, lane) -> None:
        queue = open_queue()
        assert await queue.weights(lane) is None
        for version in range(3):
            await queue.announce(lane, Weights("r", version, "d", f"/w/{version}"))
        assert await open_queue().weights(lane) == Weights("r", 2, "d", "/w/2")

    async def test_watching_weights(self, open_queue, lane) -> None:
        queue = open_queue()
        old, new = Weights("r", 0, "d0", "/w/0"), Weights("r", 1, "d1", "/w/1")
        waiting = asyncio.create_task(queue.watch_weights(lane, None, 30))
        await asyncio.sleep(0)
        await open_queue().announce(lane, old)
        assert await waiting == old
        assert await queue.watch_weights(lane, old, 0) is None
        waiting = asyncio.create_task(queue.watch_weights(lane, old, 30))
        await asyncio.sleep(0)
        await open_queue().announce(lane, new)
        assert await waiting == new
        assert await queue.watch_weights(lane, old, 0) == new

    async def test_workers_share_the_work_and_commit_each_episode_once(self, open_queue, run_id) -> None:
        """Leases that run out all the time: everything is played several times, and committed once."""
        await open_queue().plan(run_id, specs(run_id, *range(40)))

        async def work(name: str) -> int:
            queue, added = open_queue(SHORT), 0
            while claims := await queue.claim(run_id, name, 3, 2 * SHORT):
                await asyncio.sleep(SHORT if claims[0].attempt == 1 else 0)
                added += sum(await queue.commit_many(run_id, name, [played(claim) for claim in claims]))
            return added

        assert sum(await asyncio.gather(*[work(f"w{number}") for number in range(4)])) == 40
        seeds = [one.trajectory.spec.environment_seed for one in await open_queue().collect(run_id, 100, 0)]
        assert sorted(seeds) == list(range(40))

    @staticmethod
    async def commit_all(queue: Queue, run_id: str, count: int) -> None:
        await queue.plan(run_id, specs(run_id, *range(count)))
        claims = await queue.claim(run_id, "a", count, 0)
        await queue.commit_many(run_id, "a", [played(claim) for claim in claims])


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="memory://NAME"):
        connect("amqp://host")


async def test_a_memory_queue_is_shared_by_its_name() -> None:
    await connect("memory://shared").activate("lane", "run")
    assert await connect("memory://shared").active_run("lane") == "run"
    assert await connect("memory://other").active_run("lane") is None
