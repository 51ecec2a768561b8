"""The verifier `verifiers`: the reward functions of the task itself."""

from pydantic import Field

from farfield_sdk import Attempt, Options, Verdict, Verifier
from farfield_verifiers.options import check_admitted, check_config


class VerifierOptions(Options):
    correct_at: float = Field(1.0, description="A reply is correct that earns at least this.")


class TasksetVerifier(Verifier[VerifierOptions]):
    """Scores a reply by its taskset's reward functions, in a process that is killed when they hang."""

    name = "verifiers"
    version = "1.0.0"
    Options = VerifierOptions
    executor = "process"  # some of the library's functions set alarms, which a main thread alone may

    def __init__(self, options: VerifierOptions) -> None:
        super().__init__(options)
        from farfield_verifiers import library  # seconds: once, while the process starts

        self._score = library.score

    def verify(self, attempt: Attempt) -> Verdict:
        facts = attempt.facts
        check_admitted(facts["taskset"])
        check_config(facts["config"])
        score = self._score(facts["taskset"], facts["config"], facts["task"], attempt.response)
        correct = score.reward >= self.options.correct_at
        return Verdict(score.reward, correct, terms={**score.metrics, **score.terms})
