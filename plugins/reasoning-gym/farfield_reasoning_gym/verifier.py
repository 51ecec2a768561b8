"""The verifier: the library's own score of an answer."""

from typing import Literal

from pydantic import Field

from farfield_reasoning_gym.answers import answer_in, feedback, request
from farfield_reasoning_gym.tasks import Task
from farfield_sdk import Attempt, Facts, Options, Verdict, Verifier


class VerifierOptions(Options):
    """What is made of a score."""

    rewards: Literal["score", "outcome"] = Field(
        "score",
        description="`score`: the library's score, partial credit included; `outcome`: 1 for a full score, "
        "otherwise 0.",
    )


class ReasoningGymVerifier(Verifier[VerifierOptions]):
    """Scores answers of the environment `reasoning-gym` with the scorer of their data set.

    A scorer that raises, hangs or gives no finite number is an error, and no reward. A response without an
    answer never reaches a scorer: some give a little for anything. Where the facts call revision blind,
    every attempt gets the same feedback, a right one too.
    """

    name = "reasoning-gym"
    version = "1.0.0"
    Options = VerifierOptions
    executor = "thread"

    def verify(self, attempt: Attempt) -> Verdict:
        facts = attempt.facts
        answer = answer_in(attempt.response, facts["answer"])
        score = 0.0
        if answer is not None:
            score = Task(facts["dataset"], facts["level"], facts["config"]).score(answer, facts["entry"])
        correct = score >= 1.0
        reward = score if self.options.rewards == "score" else float(correct)
        return Verdict(
            reward=reward,
            correct=correct,
            feedback=_said(facts, answer, score),
            terms={self.options.rewards: reward},
            parseable=answer is not None,
        )


def _said(facts: Facts, answer: str | None, score: float) -> str:
    if facts.get("revision") == "blind":
        return request(facts["answer"])
    return "" if score >= 1.0 else feedback(answer, score, facts["answer"])
