"""From a RewardPlan message to nodes. An error says where in the plan it is."""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from farfield.verifier.v1 import verifier_pb2 as pb
from farfield_kernel.errors import FarfieldError, InvalidArgument, NotFound
from farfield_verifier import plans
from farfield_verifier.plans import Node

MOST_DEPTH = 16
MOST_NODES = 64

FindJudge = Callable[[pb.Leaf], Awaitable[Any]]


Named = Mapping[str, pb.RewardPlan]
_NONE: Named = MappingProxyType({})


async def compiled(plan: pb.RewardPlan, find_judge: FindJudge, named: Named = _NONE) -> Node:
    """The plan as a tree of nodes; `find_judge` says who judges a leaf, or raises. `named`: the plans that a
    plan may name."""
    return await _Compiler(find_judge, named).node(plan, "plan", 1)


class _Compiler:
    def __init__(self, find_judge: FindJudge, named: Named) -> None:
        self._find_judge, self._named_plans = find_judge, named
        self._nodes = 0
        self._labels: set[str] = set()

    async def node(self, plan: pb.RewardPlan, where: str, depth: int) -> Node:
        kind = plan.WhichOneof("node")
        if kind is None:
            names = ", ".join(field.name for field in pb.RewardPlan.DESCRIPTOR.fields)
            raise InvalidArgument(f"{where} is empty: set one of {names}")
        self._nodes += 1
        if depth > MOST_DEPTH or self._nodes > MOST_NODES:
            raise InvalidArgument(
                f"{where}: a plan has at most {MOST_NODES} nodes and is at most {MOST_DEPTH} deep"
            )
        compile_kind = getattr(self, f"_{kind}")
        return await compile_kind(getattr(plan, kind), f"{where}.{kind}", depth + 1)

    async def _leaf(self, leaf: pb.Leaf, where: str, depth: int) -> Node:
        try:
            judge = await self._find_judge(leaf)
        except FarfieldError as error:
            raise type(error)(f"{where}: {error}") from error
        return plans.Leaf(self._label(leaf.label or leaf.verifier, where), judge, self._nodes)

    def _label(self, label: str, where: str) -> str:
        if label in self._labels:
            raise InvalidArgument(f"{where}: the label '{label}' is taken by another node: set another label")
        self._labels.add(label)
        return label

    async def _weighted_sum(self, node: pb.WeightedSum, where: str, depth: int) -> Node:
        weights = [_finite(term.weight, f"{where}.terms[{i}].weight") for i, term in enumerate(node.terms)]
        nodes = await self._list([term.plan for term in node.terms], f"{where}.terms", ".plan", depth)
        return plans.WeightedSum(weights, nodes)

    async def _gate(self, node: pb.Gate, where: str, depth: int) -> Node:
        otherwise = _finite(node.otherwise, f"{where}.otherwise")
        condition = await self.node(node.condition, f"{where}.condition", depth)
        if node.opens not in pb.Gate.On.values():
            raise InvalidArgument(f"{where}.opens is {node.opens}: it takes ON_CORRECT or ON_PARSEABLE")
        inner = await self.node(node.plan, f"{where}.plan", depth)
        return plans.Gate(condition, inner, otherwise, node.opens == pb.Gate.ON_PARSEABLE)

    async def _clip(self, node: pb.Clip, where: str, depth: int) -> Node:
        low, high = _finite(node.low, f"{where}.low"), _finite(node.high, f"{where}.high")
        if low > high:
            raise InvalidArgument(f"{where}: low is {low:g} and high {high:g}: low must not be larger")
        return plans.Clip(await self.node(node.plan, f"{where}.plan", depth), low, high)

    async def _max(self, node: pb.Max, where: str, depth: int) -> Node:
        return plans.Max(await self._list(node.plans, f"{where}.plans", "", depth))

    async def _sequential(self, node: pb.Sequential, where: str, depth: int) -> Node:
        return plans.Sequential(await self._list(node.plans, f"{where}.plans", "", depth))

    async def _shaping(self, node: pb.Shaping, where: str, depth: int) -> Node:
        per_turn = _finite(node.per_turn, f"{where}.per_turn")
        inner = await self.node(node.plan, f"{where}.plan", depth)
        return plans.Shaping(inner, per_turn, self._label(node.label or "shaping", where))

    async def _length(self, node: pb.Length, where: str, depth: int) -> Node:
        per_token, most = _finite(node.per_token, f"{where}.per_token"), _finite(node.most, f"{where}.most")
        if node.free_tokens < 0 or most < 0:
            raise InvalidArgument(
                f"{where}: free_tokens is {node.free_tokens} and most {most:g}: neither is negative"
            )
        inner = await self.node(node.plan, f"{where}.plan", depth)
        label = self._label(node.label or "length", where)
        return plans.Length(inner, per_token, node.free_tokens, most or math.inf, label)

    async def _named(self, name: str, where: str, depth: int) -> Node:
        if name not in self._named_plans:
            known = ", ".join(sorted(self._named_plans)) or "none"
            raise NotFound(f"{where}: this service has no plan '{name}'; its configuration names: {known}")
        return await self.node(self._named_plans[name], f"{where}({name})", depth)

    async def _list(self, found: Sequence[pb.RewardPlan], where: str, inner: str, depth: int) -> list[Node]:
        if not found:
            raise InvalidArgument(f"{where} is empty: it takes at least one")
        return [await self.node(plan, f"{where}[{i}]{inner}", depth) for i, plan in enumerate(found)]


def _finite(value: float, where: str) -> float:
    if not math.isfinite(value):
        raise InvalidArgument(f"{where} is {value}: it must be finite")
    return value
