"""Reward plans: from data to functions that combine verdicts.

A compiled plan is a tree of nodes. A node *is asked* for a verdict by a generator, which yields each leaf
whose verdict it needs, is sent that verdict, and returns the combined one. So the nodes are pure, leaves
that are not needed are never judged, and whoever drives the generator decides where leaves run.

The combined verdict takes `correct`, `feedback` and `parseable` from the first leaf, except that `Max`
takes those of the largest reward, `Sequential` those of the last one judged, and a `Gate` on the form those
of the plan behind it. Every leaf's terms and reward stay in its terms under the leaf's label.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from farfield_kernel.errors import FailedPrecondition
from farfield_sdk import Attempt, Verdict

Asking = Generator["Leaf", Verdict, Verdict]


class Node(Protocol):
    def ask(self, attempt: Attempt) -> Asking: ...


@dataclass(frozen=True, slots=True, eq=False)
class Leaf:
    """A verifier with complete options; `judge` is whatever the driver needs to run it, `order` its place
    among the leaves as they are asked."""

    label: str
    judge: Any = field(repr=False)
    order: int = 0

    def ask(self, attempt: Attempt) -> Asking:
        verdict = yield self
        terms = {f"{self.label}/reward": verdict.reward}
        for name, value in verdict.terms.items():
            terms[f"{self.label}/{name}"] = value
        return Verdict(verdict.reward, verdict.correct, verdict.feedback, terms, verdict.parseable)


@dataclass(frozen=True, slots=True)
class WeightedSum:
    """reward = Σ weight × reward(term)."""

    weights: Sequence[float]
    nodes: Sequence[Node]

    def ask(self, attempt: Attempt) -> Asking:
        verdicts = yield from _ask_all(self.nodes, attempt)
        pairs = zip(self.weights, verdicts, strict=True)
        return _combined(verdicts[0], verdicts, sum(weight * one.reward for weight, one in pairs))


@dataclass(frozen=True, slots=True)
class Gate:
    """The reward of `node` where `condition` is correct (or, on the form, parseable), else `otherwise`."""

    condition: Node
    node: Node
    otherwise: float
    on_form: bool = False

    def ask(self, attempt: Attempt) -> Asking:
        condition = yield from self.condition.ask(attempt)
        if not (condition.parseable if self.on_form else condition.correct):
            return replace(condition, reward=self.otherwise)
        verdict = yield from self.node.ask(attempt)
        lead = verdict if self.on_form else condition
        return _combined(lead, [condition, verdict], verdict.reward)


@dataclass(frozen=True, slots=True)
class Clip:
    """reward = min(max(reward(node), low), high)."""

    node: Node
    low: float
    high: float

    def ask(self, attempt: Attempt) -> Asking:
        verdict = yield from self.node.ask(attempt)
        return replace(verdict, reward=min(max(verdict.reward, self.low), self.high))


@dataclass(frozen=True, slots=True)
class Max:
    """The verdict with the largest reward; the first of equals."""

    nodes: Sequence[Node]

    def ask(self, attempt: Attempt) -> Asking:
        verdicts = yield from _ask_all(self.nodes, attempt)
        best = max(verdicts, key=lambda verdict: verdict.reward)
        return _combined(best, verdicts, best.reward)


@dataclass(frozen=True, slots=True)
class Sequential:
    """Asks in order and stops at the first verdict that is not correct; rewards add up."""

    nodes: Sequence[Node]

    def ask(self, attempt: Attempt) -> Asking:
        verdicts = []
        for node in self.nodes:
            verdicts.append((yield from node.ask(attempt)))
            if not verdicts[-1].correct:
                break
        return _combined(verdicts[-1], verdicts, sum(verdict.reward for verdict in verdicts))


@dataclass(frozen=True, slots=True)
class Shaping:
    """Adds `per_turn` × turn to the reward of `node`."""

    node: Node
    per_turn: float
    label: str = "shaping"

    def ask(self, attempt: Attempt) -> Asking:
        verdict = yield from self.node.ask(attempt)
        return _with_added(verdict, self.label, self.per_turn * attempt.turn)


@dataclass(frozen=True, slots=True)
class Length:
    """Adds `per_token` × max(tokens − `free_tokens`, 0), at most `most` in size, to the reward of `node`."""

    node: Node
    per_token: float
    free_tokens: int
    most: float
    label: str = "length"

    def ask(self, attempt: Attempt) -> Asking:
        if attempt.response_tokens is None:
            raise FailedPrecondition(
                "the plan prices the length of responses and this attempt has none: set response_tokens"
            )
        verdict = yield from self.node.ask(attempt)
        added = self.per_token * max(attempt.response_tokens - self.free_tokens, 0)
        return _with_added(verdict, self.label, min(max(added, -self.most), self.most))


def _ask_all(nodes: Sequence[Node], attempt: Attempt) -> Generator[Leaf, Verdict, list[Verdict]]:
    verdicts = []
    for node in nodes:
        verdicts.append((yield from node.ask(attempt)))  # noqa: PERF401 — a comprehension cannot yield
    return verdicts


def _with_added(verdict: Verdict, label: str, added: float) -> Verdict:
    terms = {**verdict.terms, f"{label}/reward": added}
    return replace(verdict, reward=verdict.reward + added, terms=terms)


def _combined(lead: Verdict, verdicts: Sequence[Verdict], reward: float) -> Verdict:
    terms: dict[str, float] = {}
    for verdict in verdicts:
        terms.update(verdict.terms)
    return replace(lead, reward=reward, terms=terms)
