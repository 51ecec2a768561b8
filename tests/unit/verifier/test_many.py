"""Batches and groups: who is judged together, and whom a fault hurts."""

import asyncio
import json

import pytest
import sample_verifiers as samples
from sample_scoring import OpenCore, attempt, judge, leaf

from farfield.verifier.v1 import verifier_pb2 as pb
from farfield_kernel import errors, metrics
from farfield_sdk import Verdict

BATCHED = [
    samples.MatchBatch,
    samples.MatchBatchThread,
    samples.MatchBatchAsync,
    samples.MatchBatchProcess,
]
GROUPED = [samples.Longest, samples.LongestThread, samples.LongestAsync, samples.LongestProcess]


def member(response: str, group: str = "g", size: int = 2, **fields: object) -> pb.Attempt:
    return attempt(response, group=group, group_size=size, **fields)


@pytest.mark.parametrize("cls", BATCHED)
async def test_what_comes_together_is_judged_together(open_core: OpenCore, cls: type) -> None:
    async with open_core(cls) as core:
        attempts = [attempt(str(number), json.dumps({"answer": "3"})) for number in range(20)]
        judged = await judge(core, leaf(cls.name), *attempts)
        assert [one.correct for one in judged] == [number == 3 for number in range(20)]
        assert [one.terms[f"{cls.name}/batch"] for one in judged] == [8] * 16 + [4] * 4


async def test_calls_of_several_callers_share_a_batch(open_core: OpenCore) -> None:
    async with open_core(samples.MatchBatch) as core:
        plan = leaf("match-batch")
        await core.scoring.compiled(plan)
        judged = await asyncio.gather(*(judge(core, plan, attempt()) for _ in range(3)))
        assert [one.terms["match-batch/batch"] for (one,) in judged] == [3, 3, 3]


@pytest.mark.parametrize("cls", BATCHED)
async def test_a_poisoned_attempt_fails_alone(open_core: OpenCore, cls: type) -> None:
    async with open_core(cls) as core:
        judged = await judge(core, leaf(cls.name), attempt(), attempt("raise"), attempt("41"))
        assert isinstance(judged[1], errors.PluginFailure)
        assert "KeyError: 'lost'" in str(judged[1])
        assert [one.reward for one in judged[0::2]] == [1.0, 0.0]
        assert {one.terms[f"{cls.name}/batch"] for one in judged[0::2]} == {1}


@pytest.mark.parametrize("response", sorted(set(samples.BROKEN) - {"raise", "raise surrogate"}))
async def test_a_verdict_that_is_none_fails_alone(open_core: OpenCore, response: str) -> None:
    async with open_core(samples.MatchBatch) as core:
        bad, good = await judge(core, leaf("match-batch"), attempt(response), attempt())
        assert isinstance(bad, errors.PluginFailure)
        assert str(bad).startswith("verifier 'match-batch' failed in verify_batch: ")
        assert good.reward == 1.0


@pytest.mark.parametrize(("response", "timeout"), [("die", 30), ("segfault", 30), ("hang", 2)])
async def test_a_process_that_dies_over_a_batch_costs_one_attempt(
    open_core: OpenCore, response: str, timeout: int
) -> None:
    cls = samples.MatchBatchProcess
    async with open_core(cls, verify_timeout_seconds=timeout, processes=2) as core:
        good, bad, other = await judge(core, leaf(cls.name), attempt(), attempt(response), attempt("41"))
        assert isinstance(bad, errors.PluginFailure | errors.DeadlineExceeded)
        assert (good.reward, other.reward) == (1.0, 0.0)


@pytest.mark.parametrize("cls", BATCHED)
@pytest.mark.parametrize(
    ("response", "says"), [("short answer", "gave 0 verdicts for"), ("no answer", "NoneType")]
)
async def test_a_wrong_number_of_verdicts_is_the_plugins_fault(
    open_core: OpenCore, cls: type, response: str, says: str
) -> None:
    async with open_core(cls) as core:
        bad, *_ = await judge(core, leaf(cls.name), attempt(response), attempt())
        assert isinstance(bad, errors.PluginFailure)
        assert says in str(bad)
        assert (await judge(core, leaf(cls.name)))[0].reward == 1.0


async def test_split_batches_and_failures_are_counted(open_core: OpenCore) -> None:
    def counts() -> dict[str, float]:
        read = metrics.REGISTRY.get_sample_value
        labels = {"plugin": "match-batch"}
        return {
            "split": read("farfield_verifier_batches_split_total", labels) or 0,
            "raised": read("farfield_verifier_failures_total", {**labels, "kind": "raised"}) or 0,
            "batches": read("farfield_verifier_batch_attempts_count", labels) or 0,
        }

    async with open_core(samples.MatchBatch) as core:
        before = counts()
        await judge(core, leaf("match-batch"), attempt(), attempt("raise"))
        after = counts()
        assert {name: after[name] - before[name] for name in after} == {"split": 1, "raised": 1, "batches": 3}


@pytest.mark.parametrize("cls", GROUPED)
async def test_the_members_of_a_group_are_compared(open_core: OpenCore, cls: type) -> None:
    async with open_core(cls) as core:
        members = [member("aaa"), member("x", "h", 1), member("a")]
        judged = await judge(core, leaf(cls.name), *members)
        assert [one.reward for one in judged] == [1.0, 1.0, 0.0]
        assert [one.terms[f"{cls.name}/members"] for one in judged] == [2, 1, 2]


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ([attempt()], "this attempt has none"),
        ([member("a"), member("b", "other", 1)], "has 2 members by its group_size, and this call carries 1"),
        ([member("a"), member("b", size=3)], "has 2 and 3 members"),
    ],
)
async def test_a_group_that_is_not_all_here(open_core: OpenCore, members: list, says: str) -> None:
    async with open_core(samples.Longest) as core:
        first, *rest = await judge(core, leaf("longest"), *members)
        assert isinstance(first, errors.FailedPrecondition)
        assert says in str(first)
        assert all(
            isinstance(one, Verdict) == (member.group == "other")
            for one, member in zip(rest, members[1:], strict=True)
        )


async def test_a_gate_keeps_members_out_of_the_comparison(open_core: OpenCore) -> None:
    async with open_core(samples.MatchThread, samples.Longest) as core:
        gate = pb.Gate(condition=leaf("match-thread"), plan=leaf("longest"), otherwise=-1)
        members = [member(text, size=3) for text in ("42", "much longer", "42")]
        judged = await judge(core, pb.RewardPlan(gate=gate), *members)
        assert [one.reward for one in judged] == [1.0, -1.0, 1.0]
        assert [one.terms.get("longest/members") for one in judged] == [2, None, 2]


async def test_a_member_without_a_verdict_is_not_compared(open_core: OpenCore) -> None:
    async with open_core(samples.FaultyThread, samples.Longest) as core:
        plan = pb.RewardPlan(sequential=pb.Sequential(plans=[leaf("faulty-thread"), leaf("longest")]))
        members = [member("42", size=3), member("raise", size=3), member("x" * 2000000, size=3)]
        good, broken, long = await judge(core, plan, *members)
        assert good.terms["longest/members"] == 1
        assert isinstance(broken, errors.PluginFailure)
        assert isinstance(long, errors.InvalidArgument)


async def test_a_plan_may_compare_twice(open_core: OpenCore) -> None:
    async with open_core(samples.Match, samples.Longest, samples.LongestThread) as core:
        gate = pb.Gate(condition=leaf("match"), plan=leaf("longest"), otherwise=0)
        terms = [
            pb.WeightedSum.Term(weight=1, plan=pb.RewardPlan(gate=gate)),
            pb.WeightedSum.Term(weight=10, plan=leaf("longest-thread")),
        ]
        members = [member("42"), member("much longer")]
        judged = await judge(core, pb.RewardPlan(weighted_sum=pb.WeightedSum(terms=terms)), *members)
        assert [one.reward for one in judged] == [1.0, 10.0]
        assert judged[0].terms["longest/members"] == 1
        assert [one.terms["longest-thread/members"] for one in judged] == [2, 2]


@pytest.mark.parametrize("cls", GROUPED)
@pytest.mark.parametrize(
    ("response", "says"), [("raise", "KeyError"), ("one too many", "gave 3 verdicts for 2")]
)
async def test_a_group_fails_as_a_whole_and_no_other(
    open_core: OpenCore, cls: type, response: str, says: str
) -> None:
    async with open_core(cls) as core:
        members = [member("a"), member(response), member("aa", "h"), member("a", "h")]
        *failed, first, second = await judge(core, leaf(cls.name), *members)
        assert all(isinstance(one, errors.PluginFailure) and says in str(one) for one in failed)
        assert (first.reward, second.reward) == (1.0, 0.0)


async def test_a_plan_says_that_it_compares(open_core: OpenCore) -> None:
    async with open_core(samples.Match, samples.MatchBatch, samples.Longest, samples.Unwritten) as core:
        infos = {hosted.name: hosted.info for hosted in core.catalog.hosted.values()}
        assert {name: (one.whole_groups, one.max_batch) for name, one in infos.items()} == {
            "match": (False, 1),
            "match-batch": (False, 8),
            "longest": (True, 1),
        }
        assert "writes none of verify" in core.catalog.broken["unwritten"]
        assert (await core.scoring.compiled(leaf("longest"))).whole_groups
        assert not (await core.scoring.compiled(leaf("match"))).whole_groups


async def test_an_inline_verifier_that_keeps_the_loop_is_moved_to_threads(open_core: OpenCore) -> None:
    clock = lambda: samples.Clocked.now  # noqa: E731
    async with open_core(samples.Clocked, clock=clock) as core:
        hosted = core.catalog.hosted["clocked"]
        await judge(core, leaf("clocked"), *[attempt("0.2")] * 2, *[attempt("0.01")] * 5)
        assert hosted.executor == "inline"
        await judge(core, leaf("clocked"), attempt("0.2"))
        assert (hosted.executor, hosted.info.executor) == ("thread", "thread")
        plan = await core.scoring.compiled(leaf("clocked"))
        assert not plan.node.judge.judge.inline
        (verdict,) = await judge(core, leaf("clocked"), attempt("0.2"))
        assert verdict.reward == 1.0
        counted = metrics.REGISTRY.get_sample_value(
            "farfield_verifier_loop_blocked_total", {"plugin": "clocked"}
        )
        assert counted == 3
