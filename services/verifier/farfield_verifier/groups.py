"""The groups of one call, for leaves that compare their members.

A member that reaches such a leaf waits there until every other member of its group waits too or has its
result. Members pass the leaves of a plan in the plan's order, so when all that are left are waiting, those
at the first of the leaves are all that will ever come to it.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from farfield.verifier.v1 import verifier_pb2 as pb
from farfield_kernel.batching import settle
from farfield_kernel.errors import FailedPrecondition
from farfield_sdk import Attempt, Verdict
from farfield_verifier.plans import Leaf

Compare = Callable[[Leaf, Sequence[Attempt]], Awaitable[Sequence[Verdict | Exception]]]


@dataclass(frozen=True, slots=True)
class _Waiting:
    leaf: Leaf
    attempt: Attempt
    verdict: "asyncio.Future[Verdict]"


class Groups:
    """`compare` gives the verdicts of members at one leaf."""

    def __init__(self, attempts: Sequence[pb.Attempt], compare: Compare) -> None:
        self._compare = compare
        self._present = Counter(attempt.group for attempt in attempts)
        self._left = Counter(self._present)
        self._waiting: dict[str, list[_Waiting]] = defaultdict(list)
        self._sizes: dict[str, set[int]] = defaultdict(set)
        for attempt in attempts:
            self._sizes[attempt.group].add(attempt.group_size)
        self._comparing: set[asyncio.Task[None]] = set()

    def check(self, attempt: pb.Attempt) -> None:
        """Raises FailedPrecondition for a member of a group that is not all here."""
        group = attempt.group
        if not group:
            raise FailedPrecondition(
                "the plan compares the members of a group and this attempt has none: set group and "
                "group_size, and send all members in one call"
            )
        if self._sizes[group] != {self._present[group]}:
            said = " and ".join(map(str, sorted(self._sizes[group])))
            raise FailedPrecondition(
                f"the plan compares the members of a group: group '{group}' has {said} members by its "
                f"group_size, and this call carries {self._present[group]}: send all in one call"
            )

    async def verdict(self, leaf: Leaf, attempt: Attempt) -> Verdict:
        """The verdict of a member at a leaf, once its group is compared."""
        future: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._waiting[attempt.group].append(_Waiting(leaf, attempt, future))
        self._look(attempt.group)
        return await future

    def done(self, group: str) -> None:
        """A member has its result."""
        self._left[group] -= 1
        self._look(group)

    def _look(self, group: str) -> None:
        waiting = self._waiting[group]
        if not waiting or len(waiting) < self._left[group]:
            return
        first = min(waiting, key=lambda one: one.leaf.order).leaf
        members = [one for one in waiting if one.leaf is first]
        self._waiting[group] = [one for one in waiting if one.leaf is not first]
        task = asyncio.create_task(self._play(first, members))
        self._comparing.add(task)
        task.add_done_callback(self._comparing.discard)

    async def _play(self, leaf: Leaf, members: Sequence[_Waiting]) -> None:
        try:
            verdicts = await self._compare(leaf, [one.attempt for one in members])
        except Exception as error:
            verdicts = [error] * len(members)
        for member, verdict in zip(members, verdicts, strict=True):
            settle(member.verdict, verdict)
