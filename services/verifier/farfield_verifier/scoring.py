"""Judges attempts under a plan. A verdict or an error for each: an error is never a reward."""

import asyncio
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from farfield.verifier.v1 import verifier_pb2 as pb
from farfield_kernel.errors import DeadlineExceeded, FarfieldError, PluginFailure
from farfield_kernel.processes import ProcessDied
from farfield_sdk import Attempt, Verdict
from farfield_verifier import messages
from farfield_verifier.catalog import Catalog, Hosted
from farfield_verifier.compiling import compiled
from farfield_verifier.config import VerifierConfig
from farfield_verifier.inline import Nonsense
from farfield_verifier.judges import Bench, Judge
from farfield_verifier.plans import Asking, Leaf, Node

log = logging.getLogger(__name__)

REMEMBERED = 256
"""Compiled plans that are kept."""
SHARE = 32
"""Inline verdicts after which other calls get their turn."""


@dataclass(frozen=True, slots=True)
class Seated:
    """Who judges a leaf."""

    hosted: Hosted
    judge: Judge


class Scoring:
    def __init__(self, config: VerifierConfig, catalog: Catalog, bench: Bench) -> None:
        self._config, self._catalog, self._bench = config, catalog, bench
        self._plans: OrderedDict[bytes, Node] = OrderedDict()

    async def verify(
        self, plan: pb.RewardPlan, attempts: Sequence[pb.Attempt]
    ) -> list[Verdict | FarfieldError]:
        """What becomes of each attempt. Raises only for a plan that cannot be resolved."""
        node = await self.compiled(plan)
        judged: list[Verdict | FarfieldError | asyncio.Task[Verdict | FarfieldError]] = []
        for number, attempt in enumerate(attempts, 1):
            judged.append(self._begin(node, attempt))
            if number % SHARE == 0:
                await asyncio.sleep(0)
        return [await one if isinstance(one, asyncio.Task) else one for one in judged]

    async def compiled(self, plan: pb.RewardPlan) -> Node:
        key = plan.SerializeToString(deterministic=True)
        if key not in self._plans:
            self._plans[key] = await compiled(plan, self._seat)
            if len(self._plans) > REMEMBERED:
                self._plans.popitem(last=False)
        self._plans.move_to_end(key)
        return self._plans[key]

    async def _seat(self, leaf: pb.Leaf) -> Seated:
        hosted, options = await self._catalog.resolve(leaf)
        try:
            return Seated(hosted, self._bench.judge(hosted.cls, hosted.executor, options))
        except Exception as error:  # an inline plugin's constructor
            raise plugin_error(hosted, error) from error

    def _begin(
        self, node: Node, message: pb.Attempt
    ) -> Verdict | FarfieldError | asyncio.Task[Verdict | FarfieldError]:
        """Judges as far as inline leaves go; a task does the rest."""
        config = self._config
        try:
            messages.check_sizes(message, config.max_response_bytes, config.max_facts_bytes)
            attempt = messages.attempt(message)
            asking = node.ask(message.turn)
            leaf = _advance(asking, None)
            while isinstance(leaf, Leaf) and leaf.judge.judge.inline:
                leaf = _advance(asking, self._judge_now(leaf.judge, attempt))
        except FarfieldError as error:
            return error
        if isinstance(leaf, Leaf):
            return asyncio.create_task(self._finish(asking, leaf, attempt))
        return _final(leaf)

    async def _finish(self, asking: Asking, leaf: Leaf, attempt: Attempt) -> Verdict | FarfieldError:
        found: Leaf | Verdict = leaf
        try:
            while isinstance(found, Leaf):
                found = _advance(asking, await self._judge_later(found.judge, attempt))
        except FarfieldError as error:
            return error
        return _final(found)

    def _judge_now(self, seated: Seated, attempt: Attempt) -> Verdict:
        began = time.monotonic()
        try:
            return _counted(seated.hosted, seated.judge.verify(attempt), began)
        except BaseException as error:  # plugins may raise anything
            raise plugin_error(seated.hosted, error) from error

    async def _judge_later(self, seated: Seated, attempt: Attempt) -> Verdict:
        if seated.judge.inline:
            return self._judge_now(seated, attempt)
        began = time.monotonic()
        try:
            return _counted(seated.hosted, await seated.judge.verify(attempt), began)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            raise plugin_error(seated.hosted, error) from error


def _advance(asking: Asking, verdict: Verdict | None) -> Leaf | Verdict:
    """The next leaf that is needed, or the plan's verdict."""
    try:
        return next(asking) if verdict is None else asking.send(verdict)
    except StopIteration as stop:
        return stop.value


def _final(verdict: Verdict) -> Verdict | FarfieldError:
    """Finite leaves can still add up to more than a float holds."""
    if math.isfinite(verdict.reward):
        return verdict
    return PluginFailure(f"the plan's reward is {verdict.reward}: its leaves or weights are too large")


def _counted(hosted: Hosted, verdict: Verdict, began: float) -> Verdict:
    hosted.meters.seconds.observe(time.monotonic() - began)
    (hosted.meters.correct if verdict.correct else hosted.meters.incorrect).inc()
    return verdict


def plugin_error(hosted: Hosted, error: BaseException) -> FarfieldError:
    """Counts and logs what a plugin did, and says so with its name."""
    kind, said = _blame(error)
    hosted.meters.failures[kind].inc()
    log.error("verifier %s failed: %s", hosted.name, said, exc_info=error)
    known = DeadlineExceeded if kind == "timeout" else PluginFailure
    return known(f"verifier '{hosted.name}' failed: {said}")


def _blame(error: BaseException) -> tuple[str, str]:
    if isinstance(error, DeadlineExceeded):
        return "timeout", str(error)
    if isinstance(error, ProcessDied):
        return "crashed", str(error)
    said = str(error) if isinstance(error, PluginFailure) else f"{type(error).__name__}: {error}"
    return ("invalid" if said.startswith(Nonsense.__name__) else "raised"), said
