"""The verifier: grades an attempt and says why it failed."""

from pydantic import Field

from farfield_generalpoints import prompts
from farfield_generalpoints.judging import Fault, Problem, judge
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
    """Judges answers of the environment `generalpoints`, exactly."""

    name = "generalpoints"
    version = "1.0.0"
    Options = VerifierOptions
    executor = "inline"

    def verify(self, attempt: Attempt) -> Verdict:
        problem = Problem.from_facts(attempt.facts)
        faults = judge(problem, attempt.response)
        terms = reward_terms(self.options.rewards, faults, spent=attempt.state == "truncated")
        return Verdict(
            reward=sum(terms.values()),
            correct=not faults,
            feedback=prompts.feedback(problem, faults) if faults else "",
            terms=terms,
            parseable=Fault.MALFORMED not in faults,
        )
