"""That right responses earn most, and verdicts repeat."""

import math
from collections.abc import Sequence

from farfield.types.v1 import types_pb2
from farfield.verifier.v1 import verifier_pb2 as pb
from farfield_conformance import responses
from farfield_conformance.check import Level, expect, verifier_check
from farfield_conformance.codes import short
from farfield_conformance.leaks import another_answer, leaks
from farfield_conformance.verifier.subject import VerifierSubject, with_response

AGAIN = 3


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
    if right and wrong and not subject.info.whole_groups:
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
    """The feedback on a wrong response, be it noise or another attempt's right response, does not contain the
    right one, nor what sets it apart from those of other attempts.

    Say what is wrong, not what would be right; an answer in the feedback is copied, not found.
    """
    right = subject.right()
    answers = [one.response for one in right]
    told = _feedback(subject, right, ["x"] * len(right))
    corrected = _feedback(subject, right, another_answer(answers))
    said = [f"{one}\n{other}" for one, other in zip(told, corrected, strict=True)]
    found = leaks(answers, said)
    expect(not found, f"the feedback tells the answer: {short(said[found[0]] if found else '')!r}")


def _feedback(subject: VerifierSubject, attempts: Sequence[pb.Attempt], said: Sequence[str]) -> list[str]:
    """On other responses to the same facts."""
    asked = [with_response(one, response) for one, response in zip(attempts, said, strict=True)]
    return [verdict.feedback for verdict in subject.verdicts(asked)]
