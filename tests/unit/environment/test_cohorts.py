"""Batched environments: sessions share an object, and nothing else."""

import asyncio

import pytest
import sample_environments as samples
from sample_core import Core, OpenCore, count, create, restore, step

from farfield.environment.v1 import environment_pb2 as pb
from farfield_environment.catalog import check
from farfield_kernel import errors

KINDS = [
    samples.CountingBatch,
    samples.CountingBatchThread,
    samples.CountingBatchAsync,
    samples.CountingBatchProcess,
]
NAMES = [f"s{number}" for number in range(8)]


async def filled(core: Core, cls: type, count: int = 8) -> None:
    await create(core, cls, *[(name, seed) for seed, name in enumerate(NAMES[:count])])


async def step_all(core: Core, turn: int, responses: dict[str, str]) -> dict[str, pb.Outcome | Exception]:
    calls = [step(core, name, turn, response) for name, response in responses.items()]
    return dict(zip(responses, await asyncio.gather(*calls, return_exceptions=True), strict=True))


def calls(cls: type, method: str) -> tuple[float, float]:
    """How many calls, and for how many sessions."""
    labels = {"plugin": cls.name, "call": method}
    name = "farfield_environment_batch_sessions"
    return count(f"{name}_count", labels), count(f"{name}_sum", labels)


@pytest.mark.parametrize("cls", KINDS)
async def test_sessions_start_and_step_together(open_core: OpenCore, cls: type) -> None:
    async with open_core(cls) as core:
        resets, steps = calls(cls, "reset_many"), calls(cls, "step_many")
        await filled(core, cls)
        answers = await step_all(core, 0, {name: "3" if name == "s1" else name for name in NAMES})
        assert [name for name, one in answers.items() if one.success] == ["s1"]
        assert answers["s2"].observation.messages[0].parts[0].text == "not s2"
        assert calls(cls, "reset_many") == (resets[0] + 1, resets[1] + 8)
        assert calls(cls, "step_many") == (steps[0] + 1, steps[1] + 8)


@pytest.mark.parametrize("cls", KINDS)
async def test_an_episode_is_that_of_a_session_of_its_own(open_core: OpenCore, cls: type) -> None:
    async with open_core(samples.Counting, cls) as core:
        (alone,) = await create(core, samples.Counting, ("alone", 1))
        await filled(core, cls)
        for turn, response in enumerate(["x", "note y", "3"]):
            await step(core, "alone", turn, response)
            answers = await step_all(core, turn, {"s0": "other", "s1": response, "s2": f"note {turn}"})
        assert answers["s1"].digest == alone.digest
        assert (await step(core, "s1", 2, "3")).replayed


@pytest.mark.parametrize("cls", KINDS)
async def test_a_session_goes_on_elsewhere(open_core: OpenCore, cls: type) -> None:
    async with open_core(cls) as core, open_core(cls) as found:
        (original,) = await create(core, cls)
        await step(core, "a", 0, "note x")
        restored = await restore(found, cls, ["note x"], original.digest)
        assert restored.last == original.last


@pytest.mark.parametrize("cls", KINDS)
@pytest.mark.parametrize(
    ("response", "says"),
    [("raise", "KeyError"), ("short answer", "gave 0 answers for 2"), ("no answer", "NoneType")],
)
async def test_what_a_call_raises_fails_its_own_sessions(
    open_core: OpenCore, cls: type, response: str, says: str
) -> None:
    async with open_core(cls) as core:
        await filled(core, cls)
        answers = await step_all(core, 0, {"s0": response, "s1": "x"})
        for one in answers.values():
            assert isinstance(one, errors.PluginFailure)
            assert f"environment '{cls.name}' failed in step" in str(one)
            assert says in str(one)
        rest = await step_all(core, 0, dict.fromkeys(NAMES[2:], "3"))
        assert all(one.success for one in rest.values())


@pytest.mark.parametrize("cls", KINDS)
@pytest.mark.parametrize("response", ["none", "bad facts", "undeclared image", "bad metrics"])
async def test_an_outcome_that_is_none_fails_its_session_alone(
    open_core: OpenCore, cls: type, response: str
) -> None:
    async with open_core(cls) as core:
        await filled(core, cls, 3)
        answers = await step_all(core, 0, {"s0": "x", "s1": response, "s2": "3"})
        assert isinstance(answers["s1"], errors.PluginFailure)
        assert "Nonsense" in str(answers["s1"])
        assert (answers["s0"].turn, answers["s2"].success) == (0, True)


@pytest.mark.parametrize(
    ("cls", "response", "error"),
    [
        (samples.CountingBatchThread, "hang", errors.DeadlineExceeded),
        (samples.CountingBatchProcess, "hang", errors.DeadlineExceeded),
        (samples.CountingBatchProcess, "die", errors.PluginFailure),
        (samples.CountingBatchProcess, "segfault", errors.PluginFailure),
    ],
)
async def test_sessions_beside_a_lost_object_are_restored(
    open_core: OpenCore, cls: type, response: str, error: type[Exception]
) -> None:
    async with open_core(cls, step_timeout_seconds=1) as core:
        await create(core, cls, ("a", 1), ("b", 1))
        digest = (await step(core, "a", 0, "note x")).digest
        with pytest.raises(error):
            await step(core, "b", 0, response)
        with pytest.raises(errors.NotFound, match="restore the session from its history"):
            await step(core, "a", 1, "3")
        assert len(core.sessions) == 1
        await restore(core, cls, ["note x"], digest)
        assert (await step(core, "a", 1, "3")).success


async def test_a_slot_is_used_again_once_its_session_is_over(open_core: OpenCore) -> None:
    cls = samples.CountingBatch
    async with open_core(cls) as core:
        await filled(core, cls)
        await create(core, cls, ("ninth", 9))
        cohorts = core.seats._cohorts._open
        assert [len(found) for found in cohorts.values()] == [2]
        core.sessions.close(["s3"])
        (session,) = await create(core, cls, ("tenth", 10))
        assert session.started.observation.messages[0].parts[0].text.startswith("seed 10")
        assert [len(found) for found in cohorts.values()] == [2]
        assert (await step(core, "tenth", 0, "3")).success


async def test_sessions_of_other_options_sit_elsewhere(open_core: OpenCore) -> None:
    cls = samples.CountingBatch
    async with open_core(cls) as core:
        await create(core, cls, ("a", 1), goal=1)
        await create(core, cls, ("b", 1), goal=2)
        assert (await step(core, "b", 0, "2")).success
        assert len(core.seats._cohorts._open) == 2


async def test_empty_objects_are_kept_up_to_a_bound(open_core: OpenCore) -> None:
    cls = samples.CountingBatchProcess
    async with open_core(cls, idle_processes=1) as core:
        for goal in (1, 2, 3):
            await create(core, cls, (f"s{goal}", 1), goal=goal)
        core.sessions.close(["s1", "s2", "s3"])
        assert len(core.seats._cohorts._open) == 1


async def test_a_reset_that_raises_leaves_no_session(open_core: OpenCore) -> None:
    cls = samples.CountingBatch
    async with open_core(cls) as core:
        with pytest.raises(errors.PluginFailure, match="failed in reset: ValueError: no start"):
            await create(core, cls, ("a", 1), ("b", 2), label="reset")
        assert len(core.sessions) == 0
        assert all(cohort.empty for found in core.seats._cohorts._open.values() for cohort in found)


async def test_a_session_closed_while_it_steps_keeps_its_slot_until_the_end(open_core: OpenCore) -> None:
    cls = samples.CountingBatchThread
    async with open_core(cls) as core:
        await create(core, cls, ("a", 1), ("b", 1))
        ((cohort,),) = core.seats._cohorts._open.values()
        call = asyncio.ensure_future(step(core, "a", 0, "x"))
        for _ in range(3):
            await asyncio.sleep(0)
        core.sessions.close(["a"])
        assert len(cohort.free) == cohort.slots - 2
        await asyncio.gather(call, return_exceptions=True)
        assert len(cohort.free) == cohort.slots - 1
        assert (await step(core, "b", 0, "3")).success
        assert cohort.empty


async def test_a_session_closed_before_its_step_began(open_core: OpenCore) -> None:
    cls = samples.CountingBatch
    async with open_core(cls) as core:
        await create(core, cls)
        call = asyncio.ensure_future(step(core, "a", 0, "x"))
        await asyncio.sleep(0)
        core.sessions.close(["a"])
        with pytest.raises(errors.NotFound):
            await call


async def test_describe_says_how_many_share_an_object(open_core: OpenCore) -> None:
    async with open_core(samples.Counting, samples.CountingBatch) as core:
        slots = {hosted.name: hosted.info.slots for hosted in core.catalog.hosted.values()}
        assert slots == {"counting": 1, "counting-batch": 8}

    class NoSlots(samples.CountingBatch):
        slots = 0

    with pytest.raises(TypeError, match=r"NoSlots\.slots is 0"):
        check("counting-batch", NoSlots)


def test_alone_it_is_an_environment_like_any_other() -> None:
    game = samples.CountingBatch(samples.CountingOptions())
    assert game.reset(5).facts == {"goal": 3, "seed": 5}
    assert game.step("3").success
