"""Invariant 7: whatever a plugin does, on every executor, hurts its own episodes alone and is named.

In each case an attempt or a session meets a fault, while neighbours of the same plugin and of another one
are under way.
"""

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "environment"))
sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "verifier"))

import sample_core
import sample_environments
import sample_scoring
import sample_verifiers

from farfield.verifier.v1 import verifier_pb2
from farfield_kernel import errors, traces

EXECUTORS = ("inline", "async", "thread", "process")
MEMORY = 150

CRASHES = [
    ("process", "die", "crashed", "its process died: exit status 7"),
    ("process", "segfault", "crashed", "its process died: SIGSEGV"),
    ("process", "leak", "memory", f"{MEMORY} MiB are allowed"),
    *((executor, "hang", "timeout", "no answer within") for executor in EXECUTORS[1:]),
]


def everywhere(response: str, kind: str, says: str) -> list[tuple[str, str, str, str]]:
    return [(executor, response, kind, says) for executor in EXECUTORS]


ENVIRONMENT_FAULTS = [
    *CRASHES,
    *everywhere("raise", "raised", "KeyError"),
    *everywhere("exit", "raised", "SystemExit"),
    *everywhere("none", "invalid", "answered NoneType"),
    *everywhere("nan facts", "invalid", "float values are not JSON compliant"),
    *everywhere("bad metrics", "invalid", "metric 'x' is inf"),
    *everywhere("big facts", "invalid", "facts of more than"),
    *everywhere("undeclared image", "invalid", r"declares ['text'] alone"),
    *everywhere("huge observation", "invalid", "an observation of more than 100000 bytes"),
]
VERIFIER_FAULTS = [
    *CRASHES,
    *everywhere("raise", "raised", "KeyError"),
    *everywhere("exit", "raised", "SystemExit"),
    *everywhere("none", "invalid", "answered NoneType"),
    *everywhere("nan", "invalid", "the reward is nan"),
    *everywhere("nan term", "invalid", "terms are finite numbers"),
    *everywhere("long feedback", "invalid", "the feedback is no text of at most"),
]


TRACE_OF_BAD = traces.of("bad")["trace_id"]


def named(module: object, executor: str) -> type:
    suffix = "" if executor == "inline" else executor.title()
    return getattr(module, f"Faulty{suffix}")


@pytest.mark.parametrize(("executor", "response", "kind", "says"), ENVIRONMENT_FAULTS)
async def test_an_environment_hurts_its_own_episode(
    executor: str, response: str, kind: str, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    cls, other = named(sample_environments, executor), sample_environments.Counting
    limits = {"step_timeout_seconds": 20 if response == "leak" else 1.5, "max_observation_bytes": 100_000}
    async with sample_core.opened(cls, other, child_memory_mib=MEMORY, **limits) as core:
        labels = {"plugin": cls.name, "kind": kind}
        before = sample_core.count("farfield_environment_failures_total", labels)
        await sample_core.create(core, cls, ("bad", 1), ("beside", 2))
        await sample_core.create(core, other, ("apart", 3))
        actions = [("bad", response), ("beside", "x"), ("apart", "x")]
        steps = [sample_core.step(core, name, 0, text) for name, text in actions]
        failed, *answers = await asyncio.gather(*steps, return_exceptions=True)
        assert isinstance(failed, errors.PluginFailure | errors.DeadlineExceeded)
        assert str(failed).startswith(f"environment '{cls.name}' failed in step: ")
        assert says in str(failed)
        assert sample_core.count("farfield_environment_failures_total", labels) == before + 1
        assert {one.trace_id for one in caplog.records if "failed in step" in one.message} == {TRACE_OF_BAD}
        assert [one.turn for one in answers] == [0, 0]
        for name in ("beside", "apart"):
            assert (await sample_core.step(core, name, 1, "3")).success
        await sample_core.create(core, cls, ("bad", 1))
        assert (await sample_core.step(core, "bad", 0, "3")).success


@pytest.mark.parametrize(("executor", "response", "kind", "says"), VERIFIER_FAULTS)
async def test_a_verifier_hurts_its_own_attempt(executor: str, response: str, kind: str, says: str) -> None:
    cls, other = named(sample_verifiers, executor), sample_verifiers.Match
    timeout = 20 if response == "leak" else 1.5
    async with sample_scoring.opened(
        cls, other, child_memory_mib=MEMORY, verify_timeout_seconds=timeout
    ) as core:
        labels = {"plugin": cls.name, "kind": kind}
        before = sample_core.count("farfield_verifier_failures_total", labels)
        plan, apart = sample_scoring.leaf(cls.name), sample_scoring.leaf("match")
        attempts: list[verifier_pb2.Attempt] = [
            sample_scoring.attempt(text) for text in (response, "42", "41")
        ]
        (failed, *verdicts), (unhurt,) = await asyncio.gather(
            sample_scoring.judge(core, plan, *attempts), sample_scoring.judge(core, apart)
        )
        assert isinstance(failed, errors.PluginFailure | errors.DeadlineExceeded)
        assert str(failed).startswith(f"verifier '{cls.name}' failed in verify")
        assert says in str(failed)
        assert sample_core.count("farfield_verifier_failures_total", labels) == before + 1
        assert [one.reward for one in verdicts] == [1.0, 0.0]
        assert unhurt.reward == 1.0
        assert (await sample_scoring.judge(core, plan))[0].reward == 1.0
