"""The verifier `openenv`: the reward that the environment itself gave."""

from pydantic import Field

from farfield_sdk import Attempt, Options, Verdict, Verifier


class VerifierOptions(Options):
    absent: float | None = Field(
        None,
        description="Reward of a turn to which the environment gives none. Unset, that is an error: a "
        "reward is never made up.",
    )
    malformed: float = Field(0.0, le=0, description="Reward of a response that was no action.")


class OpenEnvVerifier(Verifier[VerifierOptions]):
    """Passes on the rewards of the environment `openenv`."""

    name = "openenv"
    version = "1.0.0"
    Options = VerifierOptions
    executor = "inline"

    def verify(self, attempt: Attempt) -> Verdict:
        if attempt.facts["malformed"]:
            return Verdict(self.options.malformed, correct=False, parseable=False)
        reward = attempt.facts["reward"]
        if reward is None:
            reward = self.options.absent
        if reward is None:
            raise ValueError(
                "the environment gave no reward to this turn: set the verifier's option 'absent', e.g. to 0, "
                "if that is how it plays"
            )
        return Verdict(reward, correct=attempt.success)
