"""Judges attempts under a plan. A verdict or an error for each: an error is never a reward."""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from farfield.verifier.v1 import verifier_pb2 as pb
from farfield_kernel.errors import FarfieldError, PluginFailure
from farfield_kernel.worker import Nonsense
from farfield_sdk import Attempt, Verdict
from farfield_verifier import messages
from farfield_verifier.catalog import Catalog, Hosted
from farfield_verifier.compiling import compiled
from farfield_verifier.config import VerifierConfig
from farfield_verifier.groups import Groups
from farfield_verifier.judges import Bench, Judge
from farfield_verifier.many import Batched, Many
from farfield_verifier.plans import Asking, Leaf, Node

REMEMBERED = 256
"""Compiled plans that are kept."""
SHARE = 32
"""Inline verdicts after which other calls get their turn."""


Judged = Verdict | FarfieldError


@dataclass(frozen=True, slots=True)
class Seated:
    """Who judges a leaf: one attempt at a time, or where `many` is set the members of a group."""

    hosted: Hosted
    judge: Judge | Batched
    many: Many | None


@dataclass(frozen=True, slots=True)
class Plan:
    """A compiled plan. `whole_groups`: it has a leaf that compares the members of a group."""

    node: Node
    whole_groups: bool


class Scoring:
    def __init__(
        self,
        config: VerifierConfig,
        catalog: Catalog,
        bench: Bench,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config, self._catalog, self._bench, self._clock = config, catalog, bench, clock
        self._named = config.named_plans()
        self._plans: OrderedDict[bytes, Plan] = OrderedDict()

    @property
    def named_plans(self) -> list[str]:
        """Names of the plans of this service's own."""
        return sorted(self._named)

    async def verify(self, plan: Plan, attempts: Sequence[pb.Attempt]) -> list[Judged]:
        """What becomes of each attempt."""
        groups = Groups(attempts, self._compare) if plan.whole_groups else None
        judged: list[Judged | asyncio.Task[Judged]] = []
        at_once = 0
        for attempt in attempts:
            judged.append(self._begin(plan.node, attempt, groups))
            at_once += not isinstance(judged[-1], asyncio.Task)
            if at_once == SHARE:
                at_once = 0
                await asyncio.sleep(0)
        return [await one if isinstance(one, asyncio.Task) else one for one in judged]

    async def compiled(self, plan: pb.RewardPlan) -> Plan:
        """Raises for a plan that cannot be resolved."""
        key = plan.SerializeToString(deterministic=True)
        if key not in self._plans:
            self._plans[key] = await self._compile(plan)
            if len(self._plans) > REMEMBERED:
                self._plans.popitem(last=False)
        self._plans.move_to_end(key)
        return self._plans[key]

    async def _compile(self, plan: pb.RewardPlan) -> Plan:
        seats: list[Seated] = []

        async def seat(leaf: pb.Leaf) -> Seated:
            seats.append(await self._seat(leaf))
            return seats[-1]

        node = await compiled(plan, seat, self._named)
        return Plan(node, any(seated.many for seated in seats))

    async def _seat(self, leaf: pb.Leaf) -> Seated:
        hosted, options = await self._catalog.resolve(leaf)
        try:
            judge = self._bench.judge(hosted.cls, hosted.executor, options)
        except Exception as error:  # an inline plugin's constructor
            raise hosted.failed(error, "__init__") from error
        if hosted.method == "verify":
            return Seated(hosted, judge, None)
        timeout = self._config.verify_timeout_seconds
        many = Many(judge, hosted, timeout, partial(self._took, hosted), self._clock)
        if hosted.method == "verify_group":
            return Seated(hosted, judge, many)
        return Seated(hosted, Batched(many), None)

    def _begin(self, node: Node, message: pb.Attempt, groups: Groups | None) -> Judged | asyncio.Task[Judged]:
        """Judges as far as inline leaves go; a task does the rest."""
        config = self._config
        try:
            messages.check_sizes(message, config.max_response_bytes, config.max_facts_bytes)
            if groups:
                groups.check(message)
            attempt = messages.attempt(message)
            asking = node.ask(attempt)
            leaf = _advance(asking, None)
            while isinstance(leaf, Leaf) and _answers_at_once(leaf.judge):
                leaf = _advance(asking, self._judge_now(leaf.judge, attempt))
        except FarfieldError as error:
            return _done(error, message, groups)
        if isinstance(leaf, Leaf):
            return asyncio.create_task(self._finish(asking, leaf, attempt, groups))
        return _done(_final(leaf), message, groups)

    async def _finish(self, asking: Asking, leaf: Leaf, attempt: Attempt, groups: Groups | None) -> Judged:
        found: Leaf | Verdict = leaf
        try:
            while isinstance(found, Leaf):
                found = _advance(asking, await self._judge_later(found, attempt, groups))
            return _final(found)
        except FarfieldError as error:
            return error
        finally:
            if groups:
                groups.done(attempt.group)

    def _judge_now(self, seated: Seated, attempt: Attempt) -> Verdict:
        began = self._clock()
        try:
            verdict: Any = seated.judge.verify(attempt)
        except BaseException as error:  # plugins may raise anything
            raise seated.hosted.failed(error, seated.hosted.method) from error
        finally:
            seconds = self._clock() - began
            self._took(seated.hosted, seconds)
        return _counted(seated.hosted, verdict, seconds)

    async def _judge_later(self, leaf: Leaf, attempt: Attempt, groups: Groups | None) -> Verdict:
        seated: Seated = leaf.judge
        if groups and seated.many:
            return await groups.verdict(leaf, attempt)
        if seated.judge.inline:
            return self._judge_now(seated, attempt)
        began = self._clock()
        try:
            verdict = await seated.judge.verify(attempt)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            raise seated.hosted.failed(error, seated.hosted.method) from error
        return _counted(seated.hosted, verdict, self._clock() - began)

    async def _compare(self, leaf: Leaf, attempts: Sequence[Attempt]) -> list[Judged]:
        """The verdicts of a group's members. What the plugin raises fails them all."""
        hosted, many = leaf.judge.hosted, leaf.judge.many
        began = self._clock()
        try:
            given = await many.ask(attempts, many.timeout)
        except Exception as error:
            raise hosted.failed(error, hosted.method) from error
        seconds = self._clock() - began
        return [
            hosted.failed(one, hosted.method) if isinstance(one, Nonsense) else _counted(hosted, one, seconds)
            for one in given
        ]

    def _took(self, hosted: Hosted, seconds: float) -> None:
        """Of an inline call. Who is moved off the event loop is no longer asked there."""
        hosted.took(seconds)
        if hosted.executor != "inline":
            self._plans.clear()


def _answers_at_once(seated: Seated) -> bool:
    return seated.judge.inline and seated.many is None


def _done(judged: Judged, message: pb.Attempt, groups: Groups | None) -> Judged:
    if groups:
        groups.done(message.group)
    return judged


def _advance(asking: Asking, verdict: Verdict | None) -> Leaf | Verdict:
    """The next leaf that is needed, or the plan's verdict."""
    try:
        return next(asking) if verdict is None else asking.send(verdict)
    except StopIteration as stop:
        return stop.value


def _final(verdict: Verdict) -> Judged:
    """Finite leaves can still add up to more than a float holds."""
    if math.isfinite(verdict.reward):
        return verdict
    return PluginFailure(f"the plan's reward is {verdict.reward}: its leaves or weights are too large")


def _counted(hosted: Hosted, verdict: Verdict, seconds: float) -> Verdict:
    hosted.meters.seconds.observe(seconds)
    (hosted.meters.correct if verdict.correct else hosted.meters.incorrect).inc()
    return verdict
