"""Turns: each is played once, in order, whatever becomes of its caller."""

import grpc

from farfield.environment.v1 import environment_pb2 as pb
from farfield_conformance.check import Failed, Level, Skipped, environment_check, expect
from farfield_conformance.codes import expect_code, named
from farfield_conformance.environment import oracle
from farfield_conformance.environment.episode import Episode
from farfield_conformance.environment.subject import EnvironmentSubject
from farfield_conformance.wire import CALL_SECONDS

AT_ONCE = 10
NOISE_TURNS = 200


@environment_check(Level.WIRE)
def a_gap_is_refused(subject: EnvironmentSubject) -> None:
    """A turn that leaves a gap is FAILED_PRECONDITION and changes nothing.

    Count turns from 0 in the service, and take the next one alone.
    """
    (episode,) = subject.start(1)
    result = episode.try_turn(1, "x")
    expect_code((named(result.error), result.error.message), "FAILED_PRECONDITION", "turn 1 before turn 0")
    expect(episode.step("x").turn == 0, "turn 0 is not turn 0 any more")


@environment_check(Level.WIRE)
def nothing_follows_the_end(subject: EnvironmentSubject) -> None:
    """A step after the episode's end is FAILED_PRECONDITION; the last answer can still be had again.

    Remember that the episode ended, and keep its last outcome until the session is closed.
    """
    episode = _ended(subject)
    last, response = episode.outcomes[-1], episode.responses[-1]
    result = episode.try_turn(episode.turn, "x")
    expect_code((named(result.error), result.error.message), "FAILED_PRECONDITION", "a step after the end")
    again = episode.try_turn(episode.turn - 1, response)
    expect(again.outcome.digest == last.digest, "the last answer is gone, or another")


def _ended(subject: EnvironmentSubject) -> Episode:
    """By its oracle, or by noise until a budget is spent."""
    try:
        episode = oracle.solved(subject, 1)
    except (Skipped, Failed):
        (episode,) = subject.start(1)
        while not episode.ended and episode.turn < NOISE_TURNS:
            episode.step("x")
    if not episode.ended:
        raise Skipped(f"no episode was brought to its end: no oracle, and {NOISE_TURNS} turns of noise go on")
    return episode


@environment_check(Level.WIRE)
def a_duplicate_gets_the_stored_answer(subject: EnvironmentSubject) -> None:
    """The turn taken last, sent again with the same response, answers with identical bytes, marked
    `replayed`, and is not applied again.

    Store the outcome of the last turn with its response; answer from there, and set `replayed` alone.
    """
    (episode,) = subject.start(1)
    first = episode.step("x")
    again = episode.try_turn(0, "x").outcome
    expect(not first.replayed, "the first answer is already marked as replayed")
    expect(again.replayed, "the second answer is not marked as replayed")
    again.replayed = False
    same = again.SerializeToString(deterministic=True) == first.SerializeToString(deterministic=True)
    expect(same, f"the second answer differs: digest {again.digest[:12]}…, not {first.digest[:12]}…")
    if not episode.ended:
        expect(episode.step("y").turn == 1, "the turn after a duplicate is not turn 1")


@environment_check(Level.WIRE)
def duplicates_at_once_apply_once(subject: EnvironmentSubject) -> None:
    """The same step ten times at once is applied once: ten equal answers, all but one of them replayed.

    While a turn runs, let the calls that repeat it wait for its outcome.
    """
    (episode,) = subject.start(1)
    request = pb.StepRequest(actions=[pb.Action(session_id=episode.id, turn=0, response="x")])
    calls = [subject.stub.Step.future(request, timeout=CALL_SECONDS) for _ in range(AT_ONCE)]
    results = [call.result().results[0] for call in calls]
    errors = [f"{named(one.error)}: {one.error.message}" for one in results if one.HasField("error")]
    expect(not errors, f"{len(errors)} of {AT_ONCE} failed: {errors[:1]}")
    digests = {one.outcome.digest for one in results}
    expect(len(digests) == 1, f"{len(digests)} different answers")
    applied = sum(not one.outcome.replayed for one in results)
    expect(applied == 1, f"{applied} answers are not marked as replayed")
    once = subject.start(1)[0].step("x").digest
    expect(digests == {once}, "the answer is another than that of one step alone")


@environment_check(Level.WIRE)
def another_response_is_aborted(subject: EnvironmentSubject) -> None:
    """The turn taken last, sent again with another response, is ABORTED and changes nothing.

    Compare the response with the one that was applied; a turn is played once.
    """
    (episode,) = subject.start(1)
    first = episode.step("x")
    result = episode.try_turn(0, "another response")
    expect_code((named(result.error), result.error.message), "ABORTED", "turn 0 with another response")
    expect(episode.try_turn(0, "x").outcome.digest == first.digest, "the stored answer changed")


@environment_check(Level.WIRE)
def a_cancelled_call_leaves_the_session_usable(subject: EnvironmentSubject) -> None:
    """A caller may hang up while its step runs: the session goes on, and the same step gives its answer.

    Let the step run on when its caller is gone; never tie the plugin's work to the call.
    """
    for attempt in range(5):
        (episode,) = subject.start(attempt)
        request = pb.StepRequest(actions=[pb.Action(session_id=episode.id, turn=0, response="x")])
        call = subject.stub.Step.future(request, timeout=CALL_SECONDS)
        call.cancel()
        expect(_is_over(call), "a cancelled call does not end")
        alone = subject.start(attempt)[0].step("x").digest
        expect(episode.step("x").digest == alone, "the session went another way after a cancelled call")


def _is_over(call: grpc.Future) -> bool:
    try:
        call.result()
    except (grpc.FutureCancelledError, grpc.RpcError):
        return True
    return bool(call.done())
