import asyncio
import json

import pytest
import sample_verifiers as samples
from sample_scoring import OpenCore, attempt, judge, leaf

from farfield.verifier.v1 import verifier_pb2 as pb
from farfield_kernel import errors, metrics
from farfield_sdk import Verdict


async def test_results_keep_the_order_of_the_attempts(open_core: OpenCore) -> None:
    async with open_core(samples.MatchThread, threads=4) as core:
        attempts = [attempt(str(number), json.dumps({"answer": str(number % 7)})) for number in range(50)]
        judged = await judge(core, leaf("match-thread"), *attempts)
        assert [one.correct for one in judged] == [number < 7 for number in range(50)]


async def test_plans_may_mix_executors(open_core: OpenCore) -> None:
    async with open_core(samples.Match, samples.MatchThread, samples.Short) as core:
        plans = [leaf("match"), leaf("match-thread"), leaf("short")]
        plan = pb.RewardPlan(sequential=pb.Sequential(plans=plans))
        right, wrong = await judge(core, plan, attempt(), attempt("41"))
        assert (right.reward, right.correct) == (1.0 + 1.0 - 2.0, True)
        assert (wrong.reward, set(wrong.terms)) == (0.0, {"match/reward", "match/match"})


@pytest.mark.parametrize("response", samples.BROKEN)
async def test_a_broken_judge_is_an_error_and_never_a_reward(open_core: OpenCore, response: str) -> None:
    async with open_core(samples.Faulty) as core:
        broken, good = await judge(core, leaf("faulty"), attempt(response), attempt())
        assert isinstance(broken, errors.PluginFailure)
        assert str(broken).startswith("verifier 'faulty' failed in verify: ")
        assert good.reward == 1.0


async def test_a_hung_thread_is_replaced(open_core: OpenCore) -> None:
    async with open_core(samples.FaultyThread, verify_timeout_seconds=0.5, threads=1) as core:
        hung, good = await judge(core, leaf("faulty-thread"), attempt("hang"), attempt())
        assert isinstance(hung, errors.DeadlineExceeded)
        assert good.reward == 1.0


async def test_a_batch_larger_than_the_threads_is_judged_in_time(open_core: OpenCore) -> None:
    """A deadline counts from when an attempt's judging begins, not from when it was queued."""
    async with open_core(samples.FaultyThread, verify_timeout_seconds=0.5, threads=1) as core:
        judged = await judge(core, leaf("faulty-thread"), *[attempt("hang")] * 2, *[attempt()] * 3)
        assert [type(one) for one in judged] == [errors.DeadlineExceeded] * 2 + [Verdict] * 3


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"facts": "not JSON"}, "facts_json is not JSON"),
        ({"facts": "[1]"}, "facts_json holds a list"),
        ({"facts": "[" * 100_000}, "facts_json is not JSON"),
        ({"facts": '{"answer":' + "1" * 5000 + "}"}, "facts_json is not JSON"),
        ({"facts": '{"x":"' + "y" * (1024 * 1024) + '"}'}, "facts_json has 1048584 bytes; at most 1048576"),
        ({"response": "x" * (1024 * 1024 + 1)}, "response has 1048577 bytes; at most 1048576"),
        ({"response": "é" * (512 * 1024 + 1)}, "response has 1048578 bytes"),
        ({"turn": -1}, "turn is -1"),
        ({"state": 77}, "state 77 is unknown"),
    ],
)
async def test_a_malformed_attempt_is_an_error_of_its_own(
    open_core: OpenCore, wrong: dict, says: str
) -> None:
    async with open_core(samples.Match) as core:
        bad, good = await judge(core, leaf(), attempt(**wrong), attempt())
        assert isinstance(bad, errors.InvalidArgument)
        assert says in str(bad)
        assert good.reward == 1.0


@pytest.mark.parametrize(
    "response", ["", "not JSON", "[" * 100_000, "9**9**9", "٣ ३ 三", "\0", "x" * 1_000_000]
)
async def test_whatever_a_policy_writes_is_judged(open_core: OpenCore, response: str) -> None:
    async with open_core(samples.Match) as core:
        (verdict,) = await judge(core, leaf(), attempt(response))
        assert (verdict.reward, verdict.correct) == (0.0, False)


async def test_missing_facts_are_an_error(open_core: OpenCore) -> None:
    async with open_core(samples.Match) as core:
        (judged,) = await judge(core, leaf(), attempt(facts=""))
        assert isinstance(judged, errors.PluginFailure)
        assert "KeyError: 'answer'" in str(judged)


async def test_a_reward_beyond_all_numbers_is_an_error(open_core: OpenCore) -> None:
    async with open_core(samples.Match) as core:
        term = pb.WeightedSum.Term(weight=1e200, plan=leaf(value=1e200))
        plan = pb.RewardPlan(weighted_sum=pb.WeightedSum(terms=[term]))
        (judged,) = await judge(core, plan)
        assert isinstance(judged, errors.PluginFailure)
        assert "the plan's reward is inf" in str(judged)


@pytest.mark.parametrize(
    ("plan", "error", "says"),
    [
        (leaf("mtach"), errors.NotFound, r"plan\.leaf: no plugin 'mtach'.*installed: match, unmakeable"),
        (leaf(version="1.0.0"), errors.NotFound, r"in version 2\.0\.0, not 1\.0\.0"),
        (leaf(valeu=1), errors.InvalidArgument, "valeu: unknown key; did you mean 'value'"),
        (leaf(value="much"), errors.InvalidArgument, "value: "),
        (leaf(""), errors.InvalidArgument, "verifier is empty: name one of match"),
        (
            leaf("unmakeable"),
            errors.PluginFailure,
            "'unmakeable' failed in __init__: OSError: no judge model here",
        ),
        (pb.RewardPlan(), errors.InvalidArgument, "plan is empty"),
    ],
)
async def test_a_plan_that_cannot_be_resolved_fails_the_call(
    open_core: OpenCore, plan: pb.RewardPlan, error: type[Exception], says: str
) -> None:
    async with open_core(samples.Match, samples.Unmakeable) as core:
        with pytest.raises(error, match=says):
            await judge(core, plan)


async def test_plans_are_compiled_once(open_core: OpenCore) -> None:
    async with open_core(samples.Match) as core:
        first = await core.scoring.compiled(leaf(value=2))
        assert await core.scoring.compiled(leaf(value=2)) is first
        assert await core.scoring.compiled(leaf(value=3)) is not first


async def test_verdicts_and_failures_are_counted(open_core: OpenCore) -> None:
    samples_of = {
        ("farfield_verifier_verdicts_total", "correct", "true"): 1,
        ("farfield_verifier_verdicts_total", "correct", "false"): 2,
        ("farfield_verifier_failures_total", "kind", "raised"): 1,
        ("farfield_verifier_failures_total", "kind", "invalid"): 1,
    }

    def count(name: str, label: str, value: str) -> float:
        return metrics.REGISTRY.get_sample_value(name, {"plugin": "faulty", label: value}) or 0

    before = {key: count(*key) for key in samples_of}
    async with open_core(samples.Faulty) as core:
        await judge(core, leaf("faulty"), *map(attempt, ["42", "1", "2", "raise", "nan"]))
    assert {key: count(*key) - before[key] for key in samples_of} == samples_of


async def test_a_caller_may_leave(open_core: OpenCore) -> None:
    async with open_core(samples.FaultyThread, verify_timeout_seconds=0.5) as core:
        call = asyncio.ensure_future(judge(core, leaf("faulty-thread"), attempt("hang")))
        await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert (await judge(core, leaf("faulty-thread")))[0].reward == 1.0
