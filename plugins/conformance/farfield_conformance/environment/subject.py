"""The environment under check, as its checks see it."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from farfield.environment.v1 import environment_pb2 as pb
from farfield.environment.v1.environment_pb2_grpc import EnvironmentServiceStub
from farfield_conformance.check import Failed, Skipped
from farfield_conformance.codes import OK, called
from farfield_conformance.environment.episode import Episode
from farfield_conformance.verifier.subject import VerifierSubject
from farfield_conformance.wire import CALL_SECONDS, struct_of
from farfield_sdk import Environment

Another = Callable[[Mapping[str, object]], AbstractContextManager["EnvironmentSubject"]]


@dataclass
class EnvironmentSubject:
    """An environment at a service."""

    name: str
    stub: EnvironmentServiceStub
    variant: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Laid over the variant's."""
    plugin: type[Environment] | None = None
    """Its class, where it is written in Python and installed here."""
    plugin_error: str = ""
    """Why its class does not load, where it is installed here."""
    another: Another | None = None
    """Starts one more process of the same service, with settings of its own; None where that is not ours to
    do."""
    twin: "EnvironmentSubject | None" = None
    """The same environment in another process that runs already."""
    verifier: VerifierSubject | None = None
    pid: int | None = None
    """The service's process, where it is ours."""
    _open: list[str] = field(default_factory=list)
    _started: bool = False

    def describe(self) -> pb.DescribeResponse:
        return self.stub.Describe(pb.DescribeRequest(), timeout=CALL_SECONDS)

    @property
    def info(self) -> pb.EnvironmentInfo:
        """Its description; the checks are skipped that need it where it is not hosted."""
        for one in self.describe().environments:
            if one.name == self.name:
                return one
        raise Skipped("not hosted: see is-hosted")

    def ref(self, variant: str | None = None, **options: Any) -> pb.EnvironmentRef:
        given = {**self.options, **options}
        name = self.variant if variant is None else variant
        return pb.EnvironmentRef(name=self.name, variant=name, options=struct_of(given))

    def new_id(self) -> str:
        """Of a session that `tidy` closes."""
        self._open.append(f"check-{secrets.token_hex(8)}")
        return self._open[-1]

    def create(
        self, ref: pb.EnvironmentRef, sessions: Sequence[pb.NewSession], known_blobs: Sequence[str] = ()
    ) -> pb.CreateSessionsResponse:
        request = pb.CreateSessionsRequest(environment=ref, sessions=sessions, known_blobs=known_blobs)
        return self.stub.CreateSessions(request, timeout=CALL_SECONDS)

    def why_not(self) -> str:
        """Why no episode starts with the options that were given; empty where one does."""
        if not self._started:
            session = pb.NewSession(session_id=self.new_id())
            code, said = called(lambda: self.create(self.ref(), [session]))
            if code != OK:
                return f"{code}: {said}"
            self._started = True
        return ""

    def expect_startable(self) -> None:
        """One check says that no episode starts; the others are skipped."""
        if self.why_not():
            raise Skipped("no episode starts: see an-episode-starts")

    def start(self, *seeds: int, ref: pb.EnvironmentRef | None = None) -> list[Episode]:
        """An episode for each seed; Skipped where none starts at all."""
        _ = self.info
        if ref is None:
            self.expect_startable()
        sessions = [pb.NewSession(session_id=self.new_id(), seed=seed) for seed in seeds]
        answer = self.create(ref or self.ref(), sessions)
        if len(answer.sessions) != len(seeds):
            raise Failed(f"CreateSessions gave {len(answer.sessions)} sessions for {len(seeds)}")
        return [Episode(self.step, one, seed) for one, seed in zip(answer.sessions, seeds, strict=True)]

    def step(self, action: pb.Action) -> pb.StepResult:
        return self.steps(action)[0]

    def steps(self, *actions: pb.Action, known_blobs: Sequence[str] = ()) -> list[pb.StepResult]:
        request = pb.StepRequest(actions=actions, known_blobs=known_blobs)
        results = list(self.stub.Step(request, timeout=CALL_SECONDS).results)
        if [one.session_id for one in results] != [one.session_id for one in actions]:
            raise Failed("the results of a Step are not those of its actions, in their order")
        return results

    def restore(self, *histories: pb.History, ref: pb.EnvironmentRef | None = None) -> list[pb.RestoreResult]:
        self._open += [one.session_id for one in histories]
        request = pb.RestoreSessionsRequest(environment=ref or self.ref(), sessions=histories)
        return list(self.stub.RestoreSessions(request, timeout=CALL_SECONDS).results)

    def renew(self, *session_ids: str) -> list[str]:
        """Those that are lost."""
        request = pb.RenewLeasesRequest(session_ids=session_ids)
        return list(self.stub.RenewLeases(request, timeout=CALL_SECONDS).lost)

    def close(self, *session_ids: str) -> int:
        request = pb.CloseSessionsRequest(session_ids=session_ids)
        return int(self.stub.CloseSessions(request, timeout=CALL_SECONDS).closed)

    def tidy(self) -> None:
        """Closes what a check opened."""
        if self._open:
            self.close(*self._open)
            self._open.clear()
