"""The verifier under check, as its checks see it."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from farfield.types.v1 import types_pb2
from farfield.verifier.v1 import verifier_pb2 as pb
from farfield.verifier.v1.verifier_pb2_grpc import VerifierServiceStub
from farfield_conformance.check import Failed, Skipped
from farfield_conformance.codes import named, short
from farfield_conformance.wire import CALL_SECONDS, struct_of
from farfield_sdk import Verifier

LETTERS_PER_TOKEN = 4

Another = Callable[[], AbstractContextManager["VerifierSubject"]]


@dataclass(frozen=True, slots=True)
class Known:
    """An attempt, and whether it is right; None where that is not known."""

    attempt: pb.Attempt
    right: bool | None


@dataclass
class VerifierSubject:
    """A verifier at a service."""

    name: str
    stub: VerifierServiceStub
    options: Mapping[str, Any] = field(default_factory=dict)
    plugin: type[Verifier] | None = None
    """Its class, where it is written in Python and installed here."""
    plugin_error: str = ""
    another: Another | None = None
    """Starts one more process of the same service; None where that is not ours to do."""
    twin: "VerifierSubject | None" = None
    """The same verifier in another process that runs already."""
    source: Callable[[], Sequence[Known]] = tuple
    """Where attempts come from: an environment's oracle, or the examples on the class."""
    _known: list[Known] = field(default_factory=list)

    @property
    def info(self) -> pb.VerifierInfo:
        for one in self.describe().verifiers:
            if one.name == self.name:
                return one
        raise Skipped("not hosted: see is-hosted")

    def describe(self) -> pb.DescribeResponse:
        return self.stub.Describe(pb.DescribeRequest(), timeout=CALL_SECONDS)

    def known(self) -> list[Known]:
        """Attempts with facts; Skipped where there are none."""
        if not self._known:
            self._known += self.source()
        if not self._known:
            raise Skipped(
                "no facts to judge by: name an environment with an oracle, or give the class `examples`"
            )
        return self._known

    def right(self) -> list[pb.Attempt]:
        found = [one.attempt for one in self.known() if one.right]
        if not found:
            raise Skipped("no attempt is known to be right")
        return found

    def plan(self, **options: Any) -> pb.RewardPlan:
        leaf = pb.Leaf(verifier=self.name, options=struct_of({**self.options, **options}))
        return pb.RewardPlan(leaf=leaf)

    def results(
        self, attempts: Sequence[pb.Attempt], plan: pb.RewardPlan | None = None
    ) -> list[pb.VerifyResult]:
        """Each attempt is a group of its own, and has a number of tokens, unless it says otherwise."""
        _ = self.info
        sent = [_complete(one, number) for number, one in enumerate(attempts)]
        request = pb.VerifyRequest(plan=plan or self.plan(), attempts=sent)
        return list(self.stub.Verify(request, timeout=CALL_SECONDS).results)

    def verdicts(self, attempts: Sequence[pb.Attempt]) -> list[types_pb2.Verdict]:
        """An error is a failure of the check."""
        results = self.results(attempts)
        for attempt, result in zip(attempts, results, strict=True):
            if result.HasField("error"):
                raise Failed(
                    f"the response {short(attempt.response)!r} got no verdict but "
                    f"{named(result.error)}: {result.error.message}"
                )
        return [result.verdict for result in results]


def _complete(attempt: pb.Attempt, number: int) -> pb.Attempt:
    sent = pb.Attempt()
    sent.CopyFrom(attempt)
    if not sent.group:
        sent.group, sent.group_size = f"{number}", 1
    if not sent.HasField("response_tokens"):
        sent.response_tokens = 1 + len(sent.response) // LETTERS_PER_TOKEN
    return sent


def with_response(attempt: pb.Attempt, response: str) -> pb.Attempt:
    """The same facts, another response."""
    other = pb.Attempt()
    other.CopyFrom(attempt)
    other.response, other.success = response, False
    return other
