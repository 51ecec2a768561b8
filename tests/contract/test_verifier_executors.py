"""Verifiers on every executor; a process that hangs or dies costs its own attempt alone."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "verifier"))

import sample_verifiers as samples
from sample_scoring import attempt, judge, leaf, opened

from farfield.types.v1 import types_pb2
from farfield_kernel import errors
from farfield_sdk import Verdict

KINDS = [samples.Match, samples.MatchThread, samples.MatchAsync, samples.MatchProcess]


@pytest.mark.parametrize("cls", KINDS)
async def test_a_batch_on_every_executor(cls: type) -> None:
    async with opened(cls) as core:
        right, wrong = await judge(
            core,
            leaf(cls.name, value=3.5, label="m"),
            attempt(),
            attempt("", turn=2, state=types_pb2.STATE_TRUNCATED),
        )
        assert right == Verdict(3.5, True, "", {"m/reward": 3.5, "m/match": 3.5})
        terms = {"m/reward": 0.0, "m/match": 0.0}
        assert wrong == Verdict(0.0, False, "turn 2, truncated: not ", terms, parseable=False)


async def test_a_hung_process_is_killed_and_only_its_attempt_suffers() -> None:
    async with opened(samples.FaultyProcess, verify_timeout_seconds=1, processes=2) as core:
        hung, dead, broken, good = await judge(
            core,
            leaf("faulty-process"),
            *[attempt(response) for response in ("hang", "die", "nan", "42")],
        )
        assert isinstance(hung, errors.DeadlineExceeded)
        assert "no answer within 1 seconds" in str(hung)
        assert isinstance(dead, errors.PluginFailure)
        assert "its process died" in str(dead)
        assert isinstance(broken, errors.PluginFailure)
        assert "the reward is nan" in str(broken)
        assert good.reward == 1.0
