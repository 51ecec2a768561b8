"""Codes of requests that cannot be met."""

from farfield.environment.v1 import environment_pb2 as pb
from farfield_conformance.check import Level, environment_check, expect
from farfield_conformance.codes import called, expect_code, named
from farfield_conformance.environment.subject import EnvironmentSubject
from farfield_conformance.wire import CALL_SECONDS


@environment_check(Level.WIRE)
def unknown_names_are_not_found(subject: EnvironmentSubject) -> None:
    """An unknown environment, version, variant or session is NOT_FOUND.

    Resolve the reference before anything is created; never fall back to another name.
    """
    _ = subject.info
    for what, ref in (
        ("an unknown environment", pb.EnvironmentRef(name=f"{subject.name}-unknown")),
        ("an unknown version", pb.EnvironmentRef(name=subject.name, version="99.99.99")),
        ("an unknown variant", pb.EnvironmentRef(name=subject.name, variant="no-such-variant")),
    ):
        expect_code(called(lambda ref=ref: subject.start(0, ref=ref)), "NOT_FOUND", what)  # type: ignore[misc]
    (result,) = subject.steps(pb.Action(session_id="no-such-session", response="x"))
    expect_code((named(result.error), result.error.message), "NOT_FOUND", "a step of an unknown session")


@environment_check(Level.WIRE)
def malformed_requests_are_refused(subject: EnvironmentSubject) -> None:
    """An empty session id, one of more than 128 characters, one given twice and a negative seed are
    INVALID_ARGUMENT, and no session is left behind.

    Check every id and seed before the first session is made.
    """
    _ = subject.info
    good = subject.new_id()
    for what, *bad in (
        ("an empty id", pb.NewSession(session_id="")),
        ("a long id", pb.NewSession(session_id="x" * 129)),
        ("a negative seed", pb.NewSession(session_id=subject.new_id(), seed=-1)),
        ("an id given twice", pb.NewSession(session_id=good)),
    ):
        wanted = [pb.NewSession(session_id=good), *bad]
        code = called(lambda wanted=wanted: subject.create(subject.ref(), wanted))  # type: ignore[misc]
        expect_code(code, "INVALID_ARGUMENT", what)
        expect(subject.renew(good) == [good], f"{what}: a session of the failed call is alive")


@environment_check(Level.WIRE)
def creation_is_idempotent(subject: EnvironmentSubject) -> None:
    """Creating a session again with the same seed answers with its start; with another seed it is ABORTED,
    and so it is once the session was stepped.

    Keep the start of each session, and compare environment, options and seed.
    """
    (episode,) = subject.start(1)
    again = subject.create(subject.ref(), [pb.NewSession(session_id=episode.id, seed=1)]).sessions[0]
    expect(again == episode.started, "the second answer differs from the first")
    for what, seed in (("another seed", 2), ("a session that was stepped", 1)):
        wanted = [pb.NewSession(session_id=episode.id, seed=seed)]
        expect_code(called(lambda wanted=wanted: subject.create(subject.ref(), wanted)), "ABORTED", what)  # type: ignore[misc]
        if not episode.outcomes:
            episode.step("x")


@environment_check(Level.WIRE)
def unknown_demonstrations_are_refused(subject: EnvironmentSubject) -> None:
    """A demonstration style that does not exist, and a count of 0, are INVALID_ARGUMENT.

    Compare the style with `demonstration_styles` before the stream begins.
    """
    styles = subject.info.demonstration_styles
    for what, style, count in (
        ("an unknown style", "no-such-style", 1),
        ("a count of 0", "".join(styles[:1]), 0),
    ):
        request = pb.DemonstrateRequest(environment=subject.ref(), style=style, count=count)
        code = called(lambda request=request: list(subject.stub.Demonstrate(request, timeout=CALL_SECONDS)))  # type: ignore[misc]
        expect_code(code, "INVALID_ARGUMENT", what)
