"""Expert episodes: the item's own solution, and `revision` with wrong answers before it."""

from random import Random

from farfield_reasoning_gym.answers import composed, feedback, request
from farfield_reasoning_gym.options import ReasoningGymOptions
from farfield_reasoning_gym.tasks import Entry
from farfield_sdk import Demonstration, Message, Sample, assistant, user

STYLES = ("optimal", "revision")
NEIGHBOURS = 16
"""Items whose solutions are tried as wrong answers."""
NO_ANSWER = "unknown"


def demonstrate(
    opening: Message, options: ReasoningGymOptions, entry: Entry, style: str, seed: int
) -> Demonstration:
    """One expert episode. A wrong answer is the solution of another item, with a loss weight of zero. A blind
    episode has all its attempts: `revision` fails all but the last, `optimal` keeps its answer."""
    blind, turns = options.revision == "blind", options.max_turns
    rng = Random(f"demonstration {seed}")
    failed = 0
    if style == "revision" and turns > 1:
        failed = turns - 1 if blind else 1 + int(rng.random() * (turns - 1))
    messages = [opening]
    for _ in range(failed):
        answer, score = _wrong(options, entry, rng)
        said = request(options.answer) if blind else feedback(answer, score, options.answer)
        messages += [assistant(composed(answer, options.answer)), user(said)]
    right = assistant(composed(entry["answer"], options.answer))
    kept = turns - failed - 1 if blind else 0
    messages += [right, *(user(request(options.answer)), right) * kept]
    return Demonstration(Sample(tuple(messages)), (0.0,) * failed + (1.0,) * (1 + kept))


def _wrong(options: ReasoningGymOptions, entry: Entry, rng: Random) -> tuple[str, float]:
    """An answer that does not solve the item, and its score."""
    for _ in range(NEIGHBOURS):
        answer = options.task.entry(int(rng.random() * 2**31))["answer"]
        score = options.task.score(answer, entry)
        if score < 1.0:
            return answer, score
    return NO_ANSWER, 0.0
