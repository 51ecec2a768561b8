"""The environment: one question of a data set, one attempt or several."""

from collections.abc import Iterator

from farfield_reasoning_gym.answers import answer_in, composed, task
from farfield_reasoning_gym.children import LibraryError
from farfield_reasoning_gym.demonstrations import STYLES, demonstrate
from farfield_reasoning_gym.options import ReasoningGymOptions
from farfield_sdk import (
    Demonstration,
    Environment,
    Message,
    Observation,
    Outcome,
    Start,
    Variant,
    after_attempt,
    user,
)

VARIANTS = {
    "level-0": Variant("id", "The first level of the data set's curriculum.", {"level": 0}),
    "level-3": Variant("ood", "The fourth level of the data set's curriculum.", {"level": 3}),
    "plain": Variant("other", "The data set as its own defaults have it."),
}


class ReasoningGym(Environment[ReasoningGymOptions]):
    """A procedural reasoning task of the library reasoning-gym: arithmetic, logic, graphs, games, …"""

    name = "reasoning-gym"
    version = "1.0.0"
    Options = ReasoningGymOptions
    variants = VARIANTS
    executor = "thread"
    demonstration_styles = STYLES

    def reset(self, seed: int) -> Start:
        options = self.options
        self._entry = options.task.entry_in(options.split, seed)
        self._turns = 0
        facts = {
            "dataset": options.dataset,
            "config": dict(options.config),
            "level": options.level,
            "answer": options.answer,
            "entry": self._entry,
            "revision": options.revision,
        }
        return Start(Observation((self._opening(),)), facts)

    def step(self, response: str) -> Outcome:
        """A scorer that raises ends nothing here: the verifier meets the same error, and that is where an
        attempt goes ungraded."""
        self._turns += 1
        answer = answer_in(response, self.options.answer)
        try:
            score = 0.0 if answer is None else self.options.task.score(answer, self._entry)
        except LibraryError:
            return self._outcome(False, {"scorer_failed": 1.0})
        return self._outcome(score >= 1.0, {"score": score})

    def oracle(self) -> str:
        return composed(self._entry["answer"], self.options.answer)

    @classmethod
    def demonstrate(cls, options: ReasoningGymOptions, seed: int, style: str) -> Iterator[Demonstration]:
        if style not in STYLES:
            raise ValueError(f"unknown demonstration style {style!r}: choose one of {STYLES}")
        session = cls(options)
        (opening,) = session.reset(seed).observation.messages
        yield demonstrate(opening, options, session._entry, style, seed)

    def _opening(self) -> Message:
        return user(task(self._entry["question"], self.options.answer))

    def _outcome(self, right: bool, metrics: dict[str, float]) -> Outcome:
        options = self.options
        state, success = after_attempt(options.revision, right, self._turns, options.max_turns)
        return Outcome(state, success, metrics=metrics)
