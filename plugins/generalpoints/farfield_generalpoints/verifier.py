"""The verifier: grades an attempt and says why it failed."""

from pydantic import Field

from farfield_generalpoints import prompts
from farfield_generalpoints.judging import Fault, Problem, judge, recognised
from farfield_generalpoints.rewards import Rewards, reward_terms
from farfield_sdk import Attempt, Options, Verdict, Verifier


class VerifierOptions(Options):
    """Which rewards are given."""

    rewards: Rewards = Field(
        "paper",
        description="`paper`: one grade per attempt, its worst; `reference`: penalties add up; "
        "`outcome`: 1 for a solved hand, otherwise 0.",
    )


class GeneralPointsVerifier(Verifier[VerifierOptions]):
    """Judges answers of the environment `generalpoints`, exactly. Where the facts say that revision is blind,
    every attempt gets the same feedback, a right one too.

    Of cards shown as an image, the term `recognition` says whether the answer names them rightly, 1 or 0:
    a measure that the reward does not contain, beside the terms that it is the sum of.
    """

    name = "generalpoints"
    version = "1.0.0"
    Options = VerifierOptions
    executor = "inline"

    def verify(self, attempt: Attempt) -> Verdict:
        problem = Problem.from_facts(attempt.facts)
        faults = judge(problem, attempt.response)
        terms = reward_terms(self.options.rewards, faults, spent=attempt.state == "truncated")
        reward = sum(terms.values())
        if problem.image:
            terms["recognition"] = float(recognised(faults))
        return Verdict(
            reward=reward,
            correct=not faults,
            feedback=prompts.feedback(problem, faults) if faults or problem.revision == "blind" else "",
            terms=terms,
            parseable=Fault.MALFORMED not in faults,
        )
