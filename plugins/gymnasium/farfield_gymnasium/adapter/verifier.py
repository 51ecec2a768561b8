"""The verifier: the game's own reward of a turn."""

from pydantic import Field

from farfield_sdk import Attempt, Options, Verdict, Verifier


class VerifierOptions(Options):
    """What an illegal action costs."""

    illegal_penalty: float = Field(
        1.0, ge=0, allow_inf_nan=False, description="Taken off for a response that names no legal action."
    )
    scale: float = Field(
        1.0, gt=0, allow_inf_nan=False, description="The game's reward is multiplied by this."
    )


class GymnasiumVerifier(Verifier[VerifierOptions]):
    """Passes the reward of the environment `gymnasium` on, turn by turn. `correct` is the success of the
    episode, which its last turn decides."""

    name = "gymnasium"
    version = "1.0.0"
    Options = VerifierOptions
    executor = "inline"

    def verify(self, attempt: Attempt) -> Verdict:
        reward, illegal = attempt.facts["reward"], attempt.facts["illegal"]
        if reward is None:
            raise ValueError(
                "these facts are of the start of an episode: no turn was taken that earned anything"
            )
        terms = (
            {"illegal": -self.options.illegal_penalty} if illegal else {"game": reward * self.options.scale}
        )
        return Verdict(
            reward=sum(terms.values()),
            correct=attempt.success,
            feedback=f"Nothing happened: {illegal}." if illegal else "",
            terms=terms,
            parseable=not illegal,
        )
