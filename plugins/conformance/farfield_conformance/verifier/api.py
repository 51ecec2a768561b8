"""What a verifier makes of whatever a policy writes."""

from farfield_conformance import responses
from farfield_conformance.check import Failed, Level, expect, verifier_check
from farfield_conformance.codes import named, short
from farfield_conformance.verifier.subject import VerifierSubject, with_response


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
