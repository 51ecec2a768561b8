"""The verifier contract, over a real server and channel."""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import yaml
from google.rpc import code_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "verifier"))

import sample_verifiers as samples
from sample_scoring import loaded

from farfield.types.v1 import types_pb2
from farfield.verifier.v1 import verifier_pb2 as pb
from farfield.verifier.v1 import verifier_pb2_grpc
from farfield_generalpoints import GeneralPoints, GeneralPointsVerifier
from farfield_kernel.reward_plans import reward_plan
from farfield_kernel.server import running
from farfield_kernel.wire import struct_from
from farfield_verifier.config import VerifierConfig
from farfield_verifier.service import assembled

Stub = verifier_pb2_grpc.VerifierServiceStub
CLASSES = [
    GeneralPointsVerifier,
    samples.Match,
    samples.Short,
    samples.FaultyProcess,
    samples.MatchBatchThread,
    samples.LongestThread,
]


@asynccontextmanager
async def hosting(**config: object) -> AsyncIterator[grpc.aio.Channel]:
    found = loaded(*CLASSES)
    found.broken["torn"] = "ImportError: no module named torn"
    async with (
        assembled(VerifierConfig.model_validate(config), found) as service,
        running([service.mount]) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        yield channel


@pytest.fixture
async def stub() -> AsyncIterator[Stub]:
    async with hosting() as channel:
        yield Stub(channel)


def leaf(verifier: str, label: str = "", version: str = "", **options: Any) -> pb.RewardPlan:
    named = pb.Leaf(verifier=verifier, version=version, label=label, options=struct_from(options))
    return pb.RewardPlan(leaf=named)


def hand(prompt: str = "compact") -> tuple[str, str]:
    """Facts of a hand, and its answer."""
    game = GeneralPoints(GeneralPoints.Options(prompt=prompt))
    return json.dumps(dict(game.reset(1).facts)), game.oracle()


async def verify(stub: Stub, plan: pb.RewardPlan, *attempts: pb.Attempt) -> list[pb.VerifyResult]:
    return list((await stub.Verify(pb.VerifyRequest(plan=plan, attempts=attempts))).results)


async def test_describe() -> None:
    async with hosting() as channel:
        answer = await Stub(channel).Describe(pb.DescribeRequest())
        assert {info.name for info in answer.verifiers} == {cls.name for cls in CLASSES}
        assert answer.broken[0].name == "torn"
        health = health_pb2_grpc.HealthStub(channel)
        serving = await health.Check(health_pb2.HealthCheckRequest(service="verifier/generalpoints"))
        assert serving.status == health_pb2.HealthCheckResponse.SERVING
        broken = await health.Check(health_pb2.HealthCheckRequest(service="verifier/torn"))
        assert broken.status == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_generalpoints_is_judged(stub: Stub) -> None:
    facts, answer = hand()
    right, wrong, spent = await verify(
        stub,
        leaf("generalpoints", rewards="paper"),
        pb.Attempt(attempt_id="r", response=answer, facts_json=facts),
        pb.Attempt(attempt_id="w", response="1 : 1 = 24", facts_json=facts),
        pb.Attempt(attempt_id="s", response="?", facts_json=facts, state=types_pb2.STATE_TRUNCATED),
    )
    assert [one.attempt_id for one in (right, wrong, spent)] == ["r", "w", "s"]
    assert (right.verdict.reward, right.verdict.correct, right.verdict.feedback) == (5.0, True, "")
    assert right.verdict.terms["generalpoints/reward"] == 5.0
    assert (wrong.verdict.correct, bool(wrong.verdict.feedback)) == (False, True)
    assert (spent.verdict.reward, spent.verdict.parseable) == (-4.0, False)


BAD_RESPONSES = [
    "",
    "not JSON",
    "{" * 100_000,
    "[" * 100_000,
    "x" * 1_000_000,
    "x" * 1024 * 1024,
    "9**9**9",
    '{"formula": "9**9**9=24"}',
    "٢٤ = ٤ * ٦",
    "1 : ２４ = 24",
    "\0",
    "9" * 100_000,
]


@pytest.mark.parametrize("prompt", ["paper", "compact"])
async def test_a_malformed_response_earns_nothing(stub: Stub, prompt: str) -> None:
    facts, answer = hand(prompt)
    attempts = [pb.Attempt(response=text, facts_json=facts) for text in [*BAD_RESPONSES, answer]]
    *bad, good = await verify(stub, leaf("generalpoints"), *attempts)
    for response, result in zip(BAD_RESPONSES, bad, strict=True):
        assert result.WhichOneof("result") == "verdict", response[:20]
        assert result.verdict.reward < 0, response[:20]
        assert not result.verdict.correct
    assert good.verdict.correct


async def test_a_broken_judge_is_an_error_of_its_attempt() -> None:
    async with hosting(verify_timeout_seconds=1) as channel:
        texts = ["hang", "raise", "nan", "die", "42", "x" * (1024 * 1024 + 1)]
        attempts = [pb.Attempt(response=text, facts_json='{"answer":"42"}') for text in texts]
        results = await verify(Stub(channel), leaf("faulty-process"), *attempts)
        codes = [code_pb2.Code.Name(result.error.code) for result in results]
        assert codes == ["DEADLINE_EXCEEDED", "INTERNAL", "INTERNAL", "INTERNAL", "OK", "INVALID_ARGUMENT"]
        assert [result.HasField("verdict") for result in results] == [False, False, False, False, True, False]
        assert all("faulty-process" in result.error.message for result in results[:4])


async def test_a_plan_combines(stub: Stub) -> None:
    plan = pb.RewardPlan(
        clip=pb.Clip(
            low=-1,
            high=0.5,
            plan=pb.RewardPlan(
                weighted_sum=pb.WeightedSum(
                    terms=[
                        pb.WeightedSum.Term(weight=1, plan=leaf("match")),
                        pb.WeightedSum.Term(weight=0.1, plan=leaf("short", label="length")),
                    ]
                )
            ),
        )
    )
    attempts = [pb.Attempt(response=text, facts_json='{"answer":"42"}') for text in ("42", "much too long")]
    right, wrong = await verify(stub, plan, *attempts)
    assert (right.verdict.reward, right.verdict.correct) == (0.5, True)
    assert (wrong.verdict.reward, wrong.verdict.correct) == (-1.0, False)
    assert dict(right.verdict.terms) == {
        "match/reward": 1.0,
        "match/match": 1.0,
        "length/reward": -2.0,
        "length/length": 2.0,
    }


@pytest.mark.parametrize(
    ("plan", "code", "says"),
    [
        (leaf("mtach"), grpc.StatusCode.NOT_FOUND, "plan.leaf: no plugin 'mtach'"),
        (leaf("match", version="9.9.9"), grpc.StatusCode.NOT_FOUND, "version 2.0.0, not 9.9.9"),
        (leaf("generalpoints", reward="x"), grpc.StatusCode.INVALID_ARGUMENT, "did you mean 'rewards'?"),
        (leaf("generalpoints", rewards="x"), grpc.StatusCode.INVALID_ARGUMENT, "'paper', 'reference' or"),
        (leaf("torn"), grpc.StatusCode.INTERNAL, "'torn' is installed but broken"),
        (pb.RewardPlan(), grpc.StatusCode.INVALID_ARGUMENT, "plan is empty"),
    ],
)
async def test_a_plan_that_cannot_be_resolved(
    stub: Stub, plan: pb.RewardPlan, code: grpc.StatusCode, says: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await verify(stub, plan, pb.Attempt(response="x"))
    assert failed.value.code() == code
    assert says in failed.value.details()


def documented_plans() -> list[dict[str, Any]]:
    """The plans of docs/rewards.md, as they stand in a run's YAML."""
    text = (Path(__file__).parents[2] / "docs" / "rewards.md").read_text()
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    rewards = [block["reward"] for block in blocks if "reward" in block]
    return rewards + [plan for block in blocks for plan in block.get("plans", {}).values()]


async def test_the_plans_of_the_documentation() -> None:
    plans = documented_plans()
    assert len(plans) >= 3
    usual = {"usual": plans[-1]}
    async with hosting(plans=usual) as channel:
        facts, answer = hand()
        attempt = pb.Attempt(response=answer, facts_json=facts, turn=2, response_tokens=90)
        for data in plans:
            (result,) = await verify(Stub(channel), reward_plan(data), attempt)
            assert result.WhichOneof("result") == "verdict", result.error.message
            assert result.verdict.correct


async def test_a_length_penalty_behind_a_gate_on_the_form(stub: Stub) -> None:
    facts, answer = hand()
    plan = reward_plan(documented_plans()[0])
    attempts = [
        pb.Attempt(response=text, facts_json=facts, response_tokens=tokens)
        for text, tokens in ((answer, 10), (answer, 84), ("1 : 1 = 24", 84), ("I do not know.", 10))
    ]
    solved, long, wrong, malformed = [one.verdict for one in await verify(stub, plan, *attempts)]
    assert (solved.reward, solved.correct) == (1.0, True)
    assert (long.reward, long.correct) == (1.0 - 0.2, True)
    assert long.terms["length/reward"] == pytest.approx(-0.2)
    assert wrong.correct is False
    assert wrong.feedback
    assert (malformed.reward, malformed.parseable) == (-1.0, False)
    assert "length/reward" not in malformed.terms


async def test_attempts_of_several_calls_are_judged_in_batches(stub: Stub) -> None:
    def attempt(text: str) -> pb.Attempt:
        return pb.Attempt(response=text, facts_json='{"answer":"42"}')

    plan = leaf("match-batch-thread")
    first, second = await asyncio.gather(
        verify(stub, plan, *map(attempt, ["42", "41", "raise"])), verify(stub, plan, attempt("42"))
    )
    assert [one.verdict.correct for one in (*first[:2], *second)] == [True, False, True]
    assert first[2].error.code == code_pb2.INTERNAL
    assert "verifier 'match-batch-thread' failed in verify_batch: KeyError" in first[2].error.message


async def test_a_group_is_compared_within_one_call(stub: Stub) -> None:
    plan = leaf("longest-thread")
    members = [pb.Attempt(response=text, group="g", group_size=2) for text in ("long", "longer")]
    answer = await stub.Verify(pb.VerifyRequest(plan=plan, attempts=members))
    assert answer.whole_groups
    assert [one.verdict.reward for one in answer.results] == [0.0, 1.0]
    assert answer.results[0].verdict.terms["longest-thread/members"] == 2
    (lonely,) = await verify(stub, plan, members[0])
    assert lonely.error.code == code_pb2.FAILED_PRECONDITION
    assert "send all in one call" in lonely.error.message
    infos = {info.name: info for info in (await stub.Describe(pb.DescribeRequest())).verifiers}
    assert infos["longest-thread"].whole_groups
    assert infos["match-batch-thread"].max_batch == 8


async def test_an_empty_batch_still_checks_its_plan(stub: Stub) -> None:
    assert await verify(stub, leaf("match")) == []
    with pytest.raises(grpc.aio.AioRpcError):
        await verify(stub, leaf("unknown"))
