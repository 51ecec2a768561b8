"""What a verifier makes of responses, right ones and any others."""

import math

from farfield.types.v1 import types_pb2
from farfield.verifier.v1 import verifier_pb2 as pb
from farfield_conformance import responses
from farfield_conformance.check import Failed, Level, Skipped, expect, verifier_check
from farfield_conformance.codes import called, expect_code, named, short
from farfield_conformance.verifier.subject import VerifierSubject, with_response

AGAIN = 3
SHORT = 3
"""Characters of a right response that may stand in a sentence by chance."""


@verifier_check(Level.API)
def any_response_is_judged(subject: VerifierSubject) -> str:
    """Whatever a policy writes gets a verdict, in time and never as correct: noise, unicode, a megabyte,
    nested JSON, words meant for the judge.

    Parse under limits and catch what the parser raises. A pattern that backtracks needs the executor
    `process`, where a hang ends at the deadline; `int()` and `json.loads` raise on more than ValueError.
    """
    template, bad = subject.known()[0].attempt, []
    results = subject.results([with_response(template, text) for text in responses.ALL.values()])
    for name, result in zip(responses.ALL, results, strict=True):
        if result.HasField("error"):
            bad.append(f"{name} ({named(result.error)}: {short(result.error.message)})")
        elif result.verdict.correct:
            bad.append(f"{name} (judged correct, reward {result.verdict.reward:g})")
    if bad:
        raise Failed("; ".join(bad))
    return f"{len(responses.ALL)} responses"


@verifier_check(Level.API)
def malformed_responses_earn_nothing(subject: VerifierSubject) -> None:
    """A response that holds no letter and no digit is not parseable, not correct, and earns at most 0.

    Set `parseable=False` where the form is not kept, and give no reward for it: a malformed answer never
    earns.
    """
    template = subject.known()[0].attempt
    texts = responses.MALFORMED
    verdicts = subject.verdicts([with_response(template, text) for text in texts.values()])
    for name, one in zip(texts, verdicts, strict=True):
        expect(not one.parseable, f"{name}: parseable, with the reward {one.reward:g}")
        expect(one.reward <= 0 and not one.correct, f"{name}: reward {one.reward:g}, correct={one.correct}")


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


@verifier_check(Level.SEMANTICS)
def right_responses_pass(subject: VerifierSubject) -> str:
    """Attempts that are known to be right are correct and parseable; those known to be wrong are not correct
    and earn less. Every verdict is finite.

    Compare the verifier with the environment's own view of success: both should call one and the same code.
    """
    verdicts = subject.verdicts([one.attempt for one in subject.known()])
    pairs = list(zip(subject.known(), verdicts, strict=True))
    for known, verdict in pairs:
        said = short(known.attempt.response)
        numbers = [verdict.reward, *verdict.terms.values()]
        expect(all(map(math.isfinite, numbers)), f"the response {said!r}: a number is not finite")
        if known.right is not None:
            expect(verdict.correct == known.right, f"the response {said!r}: correct={verdict.correct}")
    right = [verdict.reward for known, verdict in pairs if known.right]
    wrong = [verdict.reward for known, verdict in pairs if known.right is False]
    if right and wrong:
        expect(min(right) > max(wrong), f"a right one earns {min(right):g}, a wrong one {max(wrong):g}")
    return f"{len(right)} right, {len(wrong)} wrong"


@verifier_check(Level.SEMANTICS)
def verdicts_repeat(subject: VerifierSubject) -> str:
    """The same attempt always gets the same verdict, also in another process and among many at once.

    A verifier is pure: no clock, no random number, no state. A model that judges runs greedily.
    """
    attempts = [one.attempt for one in subject.known()]
    attempts += [with_response(attempts[0], text) for text in responses.HOSTILE.values()]
    first = _comparable(subject.verdicts(attempts))
    for _ in range(AGAIN):
        expect(_comparable(subject.verdicts(attempts)) == first, "a second call gave another verdict")
    many = subject.verdicts([attempt for attempt in attempts for _ in range(2)])
    expect(_comparable(many[::2]) == first, "among many at once it gave another verdict")
    if subject.another is None:
        return f"{len(attempts)} attempts, in one process"
    with subject.another() as other:
        expect(_comparable(other.verdicts(attempts)) == first, "another process gave another verdict")
    return f"{len(attempts)} attempts"


def _comparable(verdicts: list[types_pb2.Verdict]) -> list[bytes]:
    return [one.SerializeToString(deterministic=True) for one in verdicts]


@verifier_check(Level.SEMANTICS)
def feedback_keeps_the_answer(subject: VerifierSubject) -> None:
    """The feedback on a wrong response does not contain the right one.

    Say what is wrong, not what would be right; an answer in the feedback is copied, not found.
    """
    right = subject.right()
    verdicts = subject.verdicts([with_response(one, "x") for one in right])
    told = [one.response in verdict.feedback for one, verdict in zip(right, verdicts, strict=True)]
    if max(len(one.response.strip()) for one in right) <= SHORT:
        raise Skipped("the right responses are too short to tell a hint from chance")
    expect(not all(told), f"the feedback tells the answer: {short(verdicts[0].feedback)!r}")
