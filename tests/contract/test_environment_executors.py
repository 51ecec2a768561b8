"""Environments on every executor; processes that hang or die hurt their own sessions alone."""

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "environment"))

import sample_environments as samples
from sample_core import count, create, opened, restore, step

from farfield.environment.v1 import environment_pb2 as pb
from farfield.types.v1 import types_pb2
from farfield_environment.demonstrations import Demonstrations
from farfield_kernel import errors

KINDS = [samples.Counting, samples.CountingThread, samples.CountingAsync, samples.CountingProcess]


@pytest.mark.parametrize("cls", KINDS)
async def test_an_episode_on_every_executor(cls: type) -> None:
    async with opened(cls) as core:
        (session,) = await create(core, cls, ("a", 5), goal=2)
        assert session.started.observation.messages[0].parts[0].text == "seed 5: say 2"
        assert session.started.facts_json == '{"goal":2,"seed":5}'
        first = await step(core, "a", 0, "1")
        assert (first.turn, first.state, first.success) == (0, types_pb2.STATE_CONTINUE, False)
        assert first.observation.messages[0].parts[0].text == "not 1"
        last = await step(core, "a", 1, "2")
        assert (last.turn, last.state, last.success) == (1, types_pb2.STATE_TERMINATED, True)
        assert last.metrics == {"steps": 2}
        again = await step(core, "a", 1, "2")
        assert (again.replayed, again.success) == (True, True)
        with pytest.raises(errors.FailedPrecondition, match="ended at turn 1"):
            await step(core, "a", 2, "3")
        assert core.sessions.close(["a", "unknown"]) == 1
        with pytest.raises(errors.NotFound, match="no session 'a'"):
            await step(core, "a", 2, "3")


async def test_every_executor_gives_the_same_digests() -> None:
    async with opened(*KINDS) as core:
        digests = set()
        for cls in KINDS:
            (session,) = await create(core, cls, (cls.name, 1))
            for turn, response in enumerate(["x", "note y", "3"]):
                await step(core, cls.name, turn, response)
            digests.add((session.started.digest, session.digest))
        assert len(digests) == 1


@pytest.mark.parametrize(
    ("cls", "response", "kind", "said"),
    [
        (samples.Faulty, "raise", "raised", "KeyError: 'lost"),
        (samples.Faulty, "none", "invalid", "Nonsense: answered NoneType"),
        (samples.FaultyProcess, "none", "invalid", "Nonsense: answered NoneType"),
        (samples.FaultyProcess, "die", "crashed", "its process died"),
    ],
)
async def test_failures_are_named_and_counted(cls: type, response: str, kind: str, said: str) -> None:
    async with opened(cls) as core:
        labels = {"plugin": cls.name, "kind": kind}
        before = count("farfield_environment_failures_total", labels)
        await create(core, cls)
        with pytest.raises(errors.PluginFailure, match=f"'{cls.name}' failed in step: {said}"):
            await step(core, "a", 0, response)
        assert count("farfield_environment_failures_total", labels) == before + 1


async def test_a_hung_process_is_killed_and_no_other_session_suffers() -> None:
    async with opened(samples.FaultyProcess, step_timeout_seconds=1) as core:
        await create(core, samples.FaultyProcess, ("a", 1), ("b", 1))
        hung = asyncio.ensure_future(step(core, "a", 0, "hang"))
        assert (await step(core, "b", 0, "x")).turn == 0
        with pytest.raises(errors.DeadlineExceeded, match="no answer within 1 seconds"):
            await hung
        assert (await step(core, "b", 1, "3")).success
        with pytest.raises(errors.DeadlineExceeded):
            await step(core, "a", 0, "hang")


@pytest.mark.parametrize("cls", KINDS)
async def test_a_session_goes_on_elsewhere(cls: type) -> None:
    async with opened(cls) as lost, opened(cls) as found:
        (original,) = await create(lost, cls)
        for turn, response in enumerate(["x", "note y"]):
            await step(lost, "a", turn, response)
        restored = await restore(found, cls, ["x", "note y"], original.digest)
        assert restored.last == original.last
        assert await step(found, "a", 2, "3") == await step(lost, "a", 2, "3")


async def test_closing_while_a_step_runs() -> None:
    async with opened(samples.FaultyProcess) as core:
        await create(core, samples.FaultyProcess)
        call = asyncio.ensure_future(step(core, "a", 0, "hang"))
        await asyncio.sleep(0.05)
        assert core.sessions.close(["a"]) == 1
        with pytest.raises(errors.FarfieldError):
            await call


async def test_demonstrations_of_a_process_are_those_of_the_service() -> None:
    answers = []
    async with opened(samples.Counting, samples.CountingProcess) as core:
        for cls in (samples.Counting, samples.CountingProcess):
            resolved = await core.catalog.resolve(pb.EnvironmentRef(name=cls.name))
            stream = Demonstrations(core.config, core.seats).stream(resolved, 5, 40, "plain")
            answers.append([one async for one in stream])
    assert len(answers[0]) == 40
    assert answers[0] == answers[1]
