import asyncio
from typing import ClassVar

import pytest
import sample_environments as samples
from sample_core import OpenCore, count, create, restore, step

from farfield.types.v1 import types_pb2
from farfield_kernel import errors
from farfield_sdk import Start


async def test_the_same_action_gets_the_stored_answer(open_core: OpenCore) -> None:
    async with open_core(samples.Counting) as core:
        await create(core, samples.Counting)
        first = await step(core, "a", 0, "x")
        again = await step(core, "a", 0, "x")
        assert again.replayed
        again.replayed = False
        assert again.SerializeToString(deterministic=True) == first.SerializeToString(deterministic=True)
        assert not first.replayed
        assert (await step(core, "a", 1, "x")).turn == 1


async def test_turns_out_of_order(open_core: OpenCore) -> None:
    async with open_core(samples.Counting) as core:
        await create(core, samples.Counting)
        with pytest.raises(errors.FailedPrecondition, match=r"turn 1 is out of order.* at turn 0"):
            await step(core, "a", 1, "x")
        with pytest.raises(errors.FailedPrecondition, match="turn -1 is out of order"):
            await step(core, "a", -1, "x")
        await step(core, "a", 0, "x")
        await step(core, "a", 1, "y")
        with pytest.raises(errors.Conflict, match="taken with another response"):
            await step(core, "a", 1, "z")
        with pytest.raises(errors.FailedPrecondition, match="turn 0 is out of order"):
            await step(core, "a", 0, "x")
        assert (await step(core, "a", 2, "3")).success


async def test_the_same_step_ten_times_at_once_applies_once(open_core: OpenCore) -> None:
    async with open_core(samples.Gated) as core:
        samples.Gated.shut()
        await create(core, samples.Gated)
        calls = [asyncio.ensure_future(step(core, "a", 0, "x")) for _ in range(10)]
        await asyncio.sleep(0)
        with pytest.raises(errors.Conflict):
            await step(core, "a", 0, "other")
        with pytest.raises(errors.FailedPrecondition, match="still running"):
            await step(core, "a", 1, "x")
        samples.Gated.gate.set()
        answers = await asyncio.gather(*calls)
        assert samples.Gated.taken == ["x"]
        assert len({answer.digest for answer in answers}) == 1
        assert sorted(answer.replayed for answer in answers) == [False] + [True] * 9
        assert (await step(core, "a", 1, "3")).success


async def test_a_step_goes_on_when_its_caller_leaves(open_core: OpenCore) -> None:
    async with open_core(samples.Gated) as core:
        samples.Gated.shut()
        await create(core, samples.Gated)
        caller = asyncio.ensure_future(step(core, "a", 0, "x"))
        await asyncio.sleep(0)
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
        samples.Gated.gate.set()
        assert (await step(core, "a", 0, "x")).replayed
        assert samples.Gated.taken == ["x"]


async def test_facts_are_sent_only_when_they_change(open_core: OpenCore) -> None:
    async with open_core(samples.Counting) as core:
        (session,) = await create(core, samples.Counting)
        assert (await step(core, "a", 0, "x")).facts_json == ""
        assert (await step(core, "a", 1, "note")).facts_json == '{"last":"note"}'
        assert (await step(core, "a", 2, "note")).facts_json == ""
        assert session.facts == '{"last":"note"}'


async def test_create_is_idempotent_until_a_step(open_core: OpenCore) -> None:
    async with open_core(samples.Counting) as core:
        (first,) = await create(core, samples.Counting, ("a", 1))
        (again,) = await create(core, samples.Counting, ("a", 1), goal=3)
        assert again is first
        with pytest.raises(errors.Conflict, match="another environment or seed"):
            await create(core, samples.Counting, ("a", 2))
        with pytest.raises(errors.Conflict, match="another environment or seed"):
            await create(core, samples.Counting, ("a", 1), goal=4)
        await step(core, "a", 0, "x")
        with pytest.raises(errors.Conflict, match="was stepped"):
            await create(core, samples.Counting, ("a", 1))


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ([("", 1)], "0 characters"),
        ([("x" * 129, 1)], "129 characters"),
        ([("a", -1)], "seed"),
        ([("a", 1), ("a", 1)], "twice"),
    ],
)
async def test_malformed_sessions(open_core: OpenCore, wanted: list[tuple[str, int]], reason: str) -> None:
    async with open_core(samples.Counting) as core:
        with pytest.raises(errors.InvalidArgument, match=reason):
            await create(core, samples.Counting, *wanted)
        assert len(core.sessions) == 0


async def test_create_is_all_or_nothing_when_full(open_core: OpenCore) -> None:
    async with open_core(samples.Counting, max_sessions=2) as core:
        await create(core, samples.Counting, ("a", 1))
        with pytest.raises(errors.Exhausted, match="room for 1 more") as full:
            await create(core, samples.Counting, ("b", 1), ("c", 1))
        assert full.value.retry_after == 1.0
        assert len(core.sessions) == 1
        await create(core, samples.Counting, ("a", 1), ("b", 1))
        assert len(core.sessions) == 2


@pytest.mark.parametrize("cls", [samples.Faulty, samples.FaultyThread])
async def test_a_reset_that_raises_leaves_no_session(open_core: OpenCore, cls: type) -> None:
    async with open_core(cls) as core:
        with pytest.raises(errors.PluginFailure, match=f"'{cls.name}' failed in reset: ValueError: no start"):
            await create(core, cls, ("a", 1), ("b", 2), label="reset")
        assert len(core.sessions) == 0


@pytest.mark.parametrize("response", ["raise", "exit", *samples.NONSENSE])
async def test_what_a_plugin_does_hurts_its_own_session(open_core: OpenCore, response: str) -> None:
    async with open_core(samples.Faulty, max_observation_bytes=100_000) as core:
        await create(core, samples.Faulty, ("a", 1), ("b", 1))
        for _ in range(2):
            with pytest.raises(errors.PluginFailure, match="environment 'faulty' failed in step"):
                await step(core, "a", 0, response)
        assert (await step(core, "b", 0, "3")).success
        await create(core, samples.Faulty, ("a", 1))
        assert (await step(core, "a", 0, "3")).success


async def test_a_hung_thread_is_replaced(open_core: OpenCore) -> None:
    async with open_core(samples.FaultyThread, threads=1, step_timeout_seconds=0.5) as core:
        await create(core, samples.FaultyThread, ("a", 1), ("b", 1))
        with pytest.raises(errors.DeadlineExceeded):
            await step(core, "a", 0, "hang")
        assert (await step(core, "b", 0, "3")).success


async def test_a_response_that_is_too_long_leaves_the_turn_open(open_core: OpenCore) -> None:
    async with open_core(samples.Counting) as core:
        await create(core, samples.Counting)
        with pytest.raises(errors.InvalidArgument, match=r"1048577 bytes.*turn is still open"):
            await step(core, "a", 0, "x" * (1024 * 1024 + 1))
        with pytest.raises(errors.InvalidArgument):
            await step(core, "a", 0, "é" * (512 * 1024 + 1))
        assert (await step(core, "a", 0, "é" * (512 * 1024))).turn == 0


@pytest.mark.parametrize(
    "response", ["", "not JSON", "[" * 100_000, "9**9**9", "٣ ३ 三", "\0", "x" * 1_000_000]
)
async def test_whatever_a_policy_writes_is_a_turn(open_core: OpenCore, response: str) -> None:
    async with open_core(samples.Counting) as core:
        await create(core, samples.Counting)
        assert (await step(core, "a", 0, response)).state == types_pb2.STATE_CONTINUE


async def test_leases(open_core: OpenCore) -> None:
    async with open_core(samples.Counting, lease_seconds=10) as core:
        await create(core, samples.Counting, ("a", 1), ("b", 1), ("c", 1))
        core.now = 9
        assert core.sessions.reap() == 0
        assert core.sessions.renew(["a", "nobody"]) == ["nobody"]
        await step(core, "b", 0, "x")
        core.now = 11
        assert core.sessions.reap() == 1
        assert core.sessions.renew(["a", "b", "c"]) == ["c"]
        core.now = 30
        assert core.sessions.reap() == 2
        assert len(core.sessions) == 0


async def test_a_start_may_take_longer_than_a_lease(open_core: OpenCore) -> None:
    class Slow(samples.Counting):
        def reset(self, seed: int) -> Start:
            core.now += 100
            core.sessions.reap()
            return super().reset(seed)

    async with open_core(Slow, lease_seconds=10) as core:
        await create(core, Slow, ("a", 1), ("b", 2))
        core.now += 9
        assert core.sessions.reap() == 0
        core.now += 2
        assert core.sessions.reap() == 2


async def test_a_running_step_holds_its_lease(open_core: OpenCore) -> None:
    async with open_core(samples.Gated, lease_seconds=10) as core:
        samples.Gated.shut()
        await create(core, samples.Gated)
        call = asyncio.ensure_future(step(core, "a", 0, "x"))
        await asyncio.sleep(0)
        core.now = 100
        assert core.sessions.reap() == 0
        samples.Gated.gate.set()
        await call
        assert core.sessions.reap() == 0
        core.now = 111
        assert core.sessions.reap() == 1


async def test_draining_takes_no_new_sessions(open_core: OpenCore) -> None:
    async with open_core(samples.Counting) as core:
        await create(core, samples.Counting)
        drained = asyncio.ensure_future(core.sessions.drain())
        await asyncio.sleep(0)
        with pytest.raises(errors.Unavailable, match="draining"):
            await create(core, samples.Counting, ("b", 1))
        with pytest.raises(errors.Unavailable, match="draining"):
            await restore(core, samples.Counting, [])
        assert (await step(core, "a", 0, "3")).success
        assert not drained.done()
        core.sessions.close(["a"])
        await drained


async def test_an_empty_history_is_a_start(open_core: OpenCore) -> None:
    async with open_core(samples.Counting) as core:
        (original,) = await create(core, samples.Counting)
        core.sessions.close(["a"])
        restored = await restore(core, samples.Counting, [], original.digest)
        assert restored.turn == 0
        assert restored.started == original.started


async def test_restoring_what_is_here_changes_nothing(open_core: OpenCore) -> None:
    async with open_core(samples.Counting) as core:
        (original,) = await create(core, samples.Counting)
        await step(core, "a", 0, "x")
        assert await restore(core, samples.Counting, ["x"], original.digest) is original


async def test_a_history_takes_the_place_of_a_session(open_core: OpenCore) -> None:
    async with open_core(samples.Faulty) as core:
        await create(core, samples.Faulty)
        with pytest.raises(errors.PluginFailure):
            await step(core, "a", 0, "raise")
        restored = await restore(core, samples.Faulty, ["x"])
        assert restored.turn == 1
        assert len(core.sessions) == 1


async def test_a_session_that_failed_is_restored_from_its_own_history(open_core: OpenCore) -> None:
    async with open_core(samples.Faulty) as core:
        await create(core, samples.Faulty)
        digest = (await step(core, "a", 0, "x")).digest
        with pytest.raises(errors.PluginFailure):
            await step(core, "a", 1, "raise")
        await restore(core, samples.Faulty, ["x"], digest)
        assert (await step(core, "a", 1, "3")).success


async def test_another_history_is_data_loss(open_core: OpenCore) -> None:
    async with open_core(samples.Drifting) as core:
        (original,) = await create(core, samples.Drifting)
        await step(core, "a", 0, "x")
        core.sessions.close(["a"])
        with pytest.raises(errors.DataLoss, match="another history"):
            await restore(core, samples.Drifting, ["x"], original.digest)
        assert len(core.sessions) == 0
        assert (await restore(core, samples.Drifting, ["x"])).turn == 1


async def test_a_history_after_the_end_is_refused(open_core: OpenCore) -> None:
    async with open_core(samples.Counting) as core:
        with pytest.raises(errors.FailedPrecondition, match="after its end at turn 0"):
            await restore(core, samples.Counting, ["3", "4"])
        assert len(core.sessions) == 0


async def test_a_restore_needs_room(open_core: OpenCore) -> None:
    async with open_core(samples.Counting, max_sessions=1) as core:
        await create(core, samples.Counting, ("b", 1))
        with pytest.raises(errors.Exhausted):
            await restore(core, samples.Counting, [])


async def test_images_live_as_long_as_their_sessions(open_core: OpenCore) -> None:
    async with open_core(samples.Pictures, inline_image_bytes=10) as core:
        await create(core, samples.Pictures, ("a", 1), ("b", 1))
        small = await step(core, "a", 0, "red")
        large = await step(core, "b", 0, "dark green")
        assert small.observation.messages[0].parts[0].image.data == samples.picture("red")
        image = large.observation.messages[0].parts[0].image
        assert image.data == b""
        assert core.sessions.blobs.get(image.sha256).data == samples.picture("dark green")
        assert len(core.sessions.blobs) == 3
        core.sessions.close(["a"])
        assert len(core.sessions.blobs) == 2
        core.sessions.close(["b"])
        assert len(core.sessions.blobs) == 0
        with pytest.raises(errors.NotFound, match="no image"):
            core.sessions.blobs.get(image.sha256)


async def test_episodes_replays_and_leases_are_counted(open_core: OpenCore) -> None:
    names = {
        "farfield_environment_episodes_total": {"plugin": "counting", "outcome": "success"},
        "farfield_environment_replays_total": {"plugin": "counting"},
        "farfield_environment_restores_total": {"plugin": "counting", "result": "ok"},
        "farfield_environment_leases_expired_total": {"plugin": "counting"},
        "farfield_environment_step_seconds_count": {"plugin": "counting"},
    }
    before = {name: count(name, labels) for name, labels in names.items()}
    async with open_core(samples.Counting, lease_seconds=10) as core:
        await create(core, samples.Counting)
        alive = count("farfield_environment_sessions", {"plugin": "counting"})
        await step(core, "a", 0, "x")
        await step(core, "a", 0, "x")
        await restore(core, samples.Counting, ["3"])
        await create(core, samples.Counting, ("b", 1))
        await step(core, "b", 0, "3")
        core.now = 11
        core.sessions.reap()
        assert count("farfield_environment_sessions", {"plugin": "counting"}) == alive - 1
    after = {name: count(name, labels) - before[name] for name, labels in names.items()}
    assert after == {
        "farfield_environment_episodes_total": 1,
        "farfield_environment_replays_total": 1,
        "farfield_environment_restores_total": 1,
        "farfield_environment_leases_expired_total": 2,
        "farfield_environment_step_seconds_count": 3,
    }


async def test_an_inline_plugin_that_keeps_the_loop_gets_threads_for_new_sessions(
    open_core: OpenCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    cls = samples.Clocked
    async with open_core(cls) as core:
        monkeypatch.setattr(core.sessions, "_clock", lambda: cls.now)
        blocked = count("farfield_environment_loop_blocked_total", {"plugin": "clocked"})
        (old,) = await create(core, cls, ("old", 1))
        for turn, seconds in enumerate(("0.01", "0.2", "0.2")):
            await step(core, "old", turn, seconds)
        hosted = core.catalog.hosted["clocked"]
        assert hosted.executor == "inline"
        await step(core, "old", 3, "0.2")
        assert (hosted.executor, hosted.info.executor) == ("thread", "thread")
        assert count("farfield_environment_loop_blocked_total", {"plugin": "clocked"}) == blocked + 3
        (new,) = await create(core, cls, ("new", 1))
        assert (old.inline, new.inline) == (True, False)
        assert (await step(core, "old", 4, "0")).turn == 4
        assert (await step(core, "new", 0, "0")).turn == 0


async def test_a_constructor_that_raises_for_one_leaves_no_session(open_core: OpenCore) -> None:
    class Third(samples.Counting):
        name = "third"
        made: ClassVar[list[int]] = []

        def __init__(self, options: samples.CountingOptions) -> None:
            super().__init__(options)
            self.made.append(1)
            if len(self.made) == 3:
                raise OSError("no more files")

    async with open_core(Third) as core:
        with pytest.raises(errors.PluginFailure, match=r"failed in __init__: .*no more files"):
            await create(core, Third, ("a", 1), ("b", 1), ("c", 1))
        assert len(core.sessions) == 0
        assert len(await create(core, Third, ("a", 1), ("b", 1))) == 2, "the ids are free"


async def test_what_a_session_shows_after_its_end_is_not_held(open_core: OpenCore) -> None:
    async with open_core(samples.GatedPictures) as core:
        samples.GatedPictures.shut()
        await create(core, samples.GatedPictures)
        late = asyncio.ensure_future(step(core, "a", 0, "red"))
        await asyncio.to_thread(samples.GatedPictures.arrived.wait, 20)
        core.sessions.close(["a"])
        samples.GatedPictures.gate.set()
        await late
        assert len(core.sessions.blobs) == 0


async def test_a_process_that_is_closed_in_a_step_is_nobodys_fault(open_core: OpenCore) -> None:
    async with open_core(samples.FaultyProcess) as core:
        await create(core, samples.FaultyProcess)
        labels = {"plugin": "faulty-process", "kind": "crashed"}
        crashed = count("farfield_environment_failures_total", labels)
        late = asyncio.ensure_future(step(core, "a", 0, "hang"))
        await asyncio.sleep(0.2)
        core.sessions.close(["a"])
        with pytest.raises(errors.NotFound, match="closed during its step"):
            await late
        assert count("farfield_environment_failures_total", labels) == crashed
