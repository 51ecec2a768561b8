"""Plans, facts and batches: what of a call is an error, and whose."""

from farfield.verifier.v1 import verifier_pb2 as pb
from farfield_conformance.check import Level, Skipped, expect, verifier_check
from farfield_conformance.codes import called, expect_code, named
from farfield_conformance.verifier.subject import VerifierSubject, with_response


@verifier_check(Level.WIRE)
def plans_that_cannot_be_resolved_are_refused(subject: VerifierSubject) -> None:
    """An unknown verifier or version is NOT_FOUND, an empty plan INVALID_ARGUMENT, for the whole call.

    Resolve the plan before the first attempt is judged.
    """
    _ = subject.info
    for what, plan, code in (
        ("an unknown verifier", pb.RewardPlan(leaf=pb.Leaf(verifier=f"{subject.name}-unknown")), "NOT_FOUND"),
        (
            "an unknown version",
            pb.RewardPlan(leaf=pb.Leaf(verifier=subject.name, version="99.99.99")),
            "NOT_FOUND",
        ),
        ("an empty plan", pb.RewardPlan(), "INVALID_ARGUMENT"),
    ):
        expect_code(called(lambda plan=plan: subject.results([], plan)), code, what)  # type: ignore[misc]


@verifier_check(Level.WIRE)
def facts_that_are_missing_are_an_error(subject: VerifierSubject) -> None:
    """Facts that are no JSON object, or lack what is judged by, are an error of their attempt alone, and no
    verdict: an error is never a reward.

    Take the facts by `attempt.facts["key"]`, so that a missing one raises; do not fall back to a default.
    """
    good = subject.known()[0].attempt
    broken = [pb.Attempt(), pb.Attempt(), pb.Attempt()]
    for one, facts in zip(broken, ("not JSON", "[]", '{"unrelated": 1}'), strict=True):
        one.CopyFrom(good)
        one.facts_json = facts
    results = subject.results([good, *broken])
    expect(results[0].HasField("verdict"), "an attempt with its facts is hurt by others without theirs")
    for one, result in zip(broken, results[1:], strict=True):
        correct = result.HasField("verdict") and (result.verdict.correct or result.verdict.reward > 0)
        expect(not correct, f"facts {one.facts_json} earned {result.verdict.reward:g}")
    for one, result in zip(broken[:2], results[1:3], strict=True):
        expect(result.HasField("error"), f"facts {one.facts_json} got a verdict")


@verifier_check(Level.WIRE)
def results_keep_their_order(subject: VerifierSubject) -> None:
    """Each result carries the id of its attempt, in the order of the attempts, and is the one that the
    attempt gets alone.

    Keep no state from one attempt to the next.
    """
    texts = ["x", "", *(one.response for one in subject.right()[:4])]
    attempts = [with_response(subject.known()[0].attempt, text) for text in texts]
    for number, one in enumerate(attempts):
        one.attempt_id = f"attempt-{number}"
    results = subject.results(attempts)
    ids = [one.attempt_id for one in results]
    expect(ids == [one.attempt_id for one in attempts], f"the ids came as {ids}")
    alone = [subject.results([one])[0] for one in attempts]
    expect(results == alone, "a batch is judged otherwise than its attempts one by one")


@verifier_check(Level.WIRE)
def groups_are_judged_whole(subject: VerifierSubject) -> None:
    """A verifier that compares a group refuses a part of it as FAILED_PRECONDITION, and judges its members
    alike in whatever order they come.

    Do not use the order of the attempts; the service sees to it that a group is complete.
    """
    if not subject.info.whole_groups:
        raise Skipped("it judges each attempt by itself")
    known = subject.known()[0].attempt
    members = [with_response(known, text) for text in ("x", "1", "another answer", known.response)]
    for one in members:
        one.group, one.group_size = "group", len(members)
    for result in subject.results(members[1:]):
        code = (named(result.error), result.error.message)
        expect_code(code, "FAILED_PRECONDITION", "a member of a group that is not complete")
    verdicts, reversed_verdicts = subject.verdicts(members), subject.verdicts(members[::-1])
    expect(reversed_verdicts[::-1] == verdicts, "in another order the members get other verdicts")
