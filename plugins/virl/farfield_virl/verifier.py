"""The verifier: grades an action and says why it failed."""

from pydantic import Field

from farfield_sdk import Attempt, Options, Verdict, Verifier
from farfield_virl import prompts
from farfield_virl.judging import Fault, judge, target_of
from farfield_virl.rewards import Rewards, reward_terms


class VerifierOptions(Options):
    """Which rewards are given."""

    rewards: Rewards = Field(
        "paper",
        description="`paper`: +1 right, -1 wrong, -1.5 with a wrong observation, -1 more for a spent "
        "budget; `outcome`: 1 for the right action, otherwise 0.",
    )


class VirlVerifier(Verifier[VerifierOptions]):
    """Judges single actions of the environment `virl`: one verdict for each step of a route."""

    name = "virl"
    version = "1.0.0"
    Options = VerifierOptions
    executor = "inline"

    def verify(self, attempt: Attempt) -> Verdict:
        form, actions = attempt.facts["prompt"], attempt.facts["actions"]
        fault = judge(target_of(attempt.facts, attempt.turn), attempt.response, form, actions)
        terms = reward_terms(self.options.rewards, fault, spent=attempt.state == "truncated")
        return Verdict(
            reward=sum(terms.values()),
            correct=fault is None,
            feedback=prompts.feedback(form, fault, actions) if fault else "",
            terms=terms,
            parseable=fault is not Fault.MALFORMED,
        )
