"""From trajectories to token sequences: what was sampled, where, and what it earned.

Turns that continue one another become one sequence, so a conversation of many turns costs one forward
pass and no token is trained on twice. A fresh context starts a new sequence.

Deviation from counting every episode: a failed episode is left out whole. A turn without a verdict has no
reward, so the return of every turn up to it is unknown: those turns are context and never trained on.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from farfield.trajectory.v1.trajectory_pb2 import FAILURE_UNSPECIFIED, Trajectory, Turn
from farfield_kernel.errors import DataLoss, InvalidArgument
from farfield_kernel.images import images_of
from farfield_kernel.wire import floats_from_bytes, ids_from_bytes

Decode = Callable[[list[int]], str]


@dataclass(slots=True)
class TokenSequence:
    """One context: `logprobs` is aligned with `ids` and 0 where nothing was sampled; `images` are the digests
    of those that it shows, in their order."""

    ids: list[int]
    logprobs: list[float]
    temperature: float
    images: list[str] = field(default_factory=list)


@dataclass(slots=True)
class TurnSample:
    """A trainable response: ids[start:end] of its sequence, never empty; the answer begins at `answer`. It is
    the turn `index` of its episode, from 0."""

    episode: int
    index: int
    sequence: int
    start: int
    end: int
    answer: int
    reward: float
    behaviour_known: bool

    @property
    def length(self) -> int:
        return self.end - self.start


@dataclass(slots=True)
class Batch:
    """The trainable part of an update. Turns are in episode order; `groups` is per episode;
    `counts` holds what was seen, trained on or not."""

    sequences: list[TokenSequence] = field(default_factory=list)
    turns: list[TurnSample] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)
    counts: dict[str, float] = field(default_factory=dict)


def gather(
    trajectories: Sequence[Trajectory], *, answer_key: str = "", decode: Decode | None = None
) -> Batch:
    """The batch of these episodes, in their order. DataLoss for ids and logprobs that do not fit together.

    `decode` (ids to text) is needed where `answer_key` is given.
    """
    batch = Batch()
    names: dict[str, int] = {}
    graded = [item for item in trajectories if item.failure == FAILURE_UNSPECIFIED]
    for trajectory in graded:
        kept = _graded_tail(trajectory.turns)
        if not kept or not _append_turns(batch, trajectory, kept):
            continue
        group = trajectory.spec.group or trajectory.spec.episode_id
        batch.groups.append(names.setdefault(group, len(names)))
    if answer_key and decode:
        _mark_answers(batch, answer_key, decode)
    batch.counts = _counts(trajectories, graded, batch)
    return batch


def _graded_tail(turns: Sequence[Turn]) -> range:
    """Indices of the turns after the last one without a verdict."""
    first = 1 + max((i for i, turn in enumerate(turns) if not turn.HasField("verdict")), default=-1)
    return range(first, len(turns))


def _append_turns(batch: Batch, trajectory: Trajectory, kept: range) -> int:
    """Adds an episode's sequences and the `kept` turns; returns how many. Sequences with none are dropped."""
    episode, before = len(batch.groups), len(batch.turns)
    for context in _contexts(trajectory):
        sequence = TokenSequence([], [], _temperature(trajectory))
        has_kept = False
        for index in context:
            turn = trajectory.turns[index]
            start = _extend(sequence, turn, trajectory.spec.episode_id)
            if index not in kept:
                continue
            if start == len(sequence.ids):
                _fold_into_previous(batch.turns[before:], turn)
                continue
            has_kept = True
            batch.turns.append(
                TurnSample(
                    episode=episode,
                    index=index,
                    sequence=len(batch.sequences),
                    start=start,
                    end=len(sequence.ids),
                    answer=start,
                    reward=turn.verdict.reward,
                    behaviour_known=not turn.retokenized,
                )
            )
        if has_kept:
            batch.sequences.append(sequence)
    return len(batch.turns) - before


def _contexts(trajectory: Trajectory) -> Iterable[list[int]]:
    """Turn indices that share one context."""
    context: list[int] = []
    previous: Turn | None = None
    for index, turn in enumerate(trajectory.turns):
        if not (turn.continues and _goes_on(previous, turn, trajectory.spec.episode_id)) and context:
            yield context
            context = []
        context.append(index)
        previous = turn
    if context:
        yield context


def _goes_on(previous: Turn | None, turn: Turn, episode: str) -> bool:
    """Whether the turn's prompt begins with the previous tokens, as `continues` claims."""
    if previous is not None and turn.prompt_ids.startswith(previous.prompt_ids + previous.response_ids):
        return True
    if turn.retokenized:
        return False
    raise DataLoss(f"episode {episode}: a turn continues, but its prompt does not begin with the turn before")


def _extend(sequence: TokenSequence, turn: Turn, episode: str) -> int:
    """Appends the turn's new prompt ids and its response; returns where the response starts."""
    try:
        prompt, response = ids_from_bytes(turn.prompt_ids), ids_from_bytes(turn.response_ids)
        logprobs = floats_from_bytes(turn.logprobs)
    except InvalidArgument as error:
        raise DataLoss(f"episode {episode}: {error}") from error
    if turn.retokenized and not logprobs:
        logprobs = [0.0] * len(response)
    if len(logprobs) != len(response):
        raise DataLoss(f"episode {episode}: {len(response)} response ids, but {len(logprobs)} logprobs")
    if not prompt:
        raise DataLoss(f"episode {episode}: a turn without prompt ids")
    if not math.isfinite(sum(logprobs)) or not math.isfinite(turn.verdict.reward):
        raise DataLoss(f"episode {episode}: a logprob or reward that is not finite")
    alone = turn.retokenized and not sequence.ids
    shown = turn.prompt_images if alone else images_of(turn.messages)
    new = prompt[len(sequence.ids) :]
    sequence.ids += new + response
    sequence.logprobs += [0.0] * len(new) + logprobs
    sequence.images += (image.sha256 for image in shown)
    return len(prompt)


def _fold_into_previous(turns: list[TurnSample], turn: Turn) -> None:
    """A response without tokens is no action: what it earned goes to the action before, if there is one."""
    if turns:
        turns[-1].reward += turn.verdict.reward


def _temperature(trajectory: Trajectory) -> float:
    temperature = trajectory.spec.sampling.temperature
    if temperature <= 0:
        raise InvalidArgument(
            f"episode {trajectory.spec.episode_id} was sampled greedily; training episodes need "
            "a sampling temperature above 0"
        )
    return temperature


def _mark_answers(batch: Batch, key: str, decode: Decode) -> None:
    for turn in batch.turns:
        ids = batch.sequences[turn.sequence].ids[turn.start : turn.end]
        turn.answer = turn.start + answer_offset(ids, key, decode)


def answer_offset(ids: list[int], key: str, decode: Decode) -> int:
    """Index of the token in which the last occurrence of `key` begins; len(ids) where there is none."""
    at = decode(ids).rfind(key)
    if at < 0:
        return len(ids)
    low, high = 1, len(ids)
    while low < high:
        middle = (low + high) // 2
        if len(decode(ids[:middle])) > at:
            high = middle
        else:
            low = middle + 1
    return low - 1


def minibatches(batch: Batch, count: int, seed: Sequence[int]) -> Iterator[list[int]]:
    """The sequences in `count` parts. Groups are dealt by the seed and never split."""
    groups = np.unique(batch.groups)
    owner = {turn.sequence: batch.groups[turn.episode] for turn in batch.turns}
    order = np.random.default_rng(seed).permutation(groups) if count > 1 else groups
    for part in np.array_split(order, min(count, len(groups))):
        chosen = set(part.tolist())
        yield [index for index in range(len(batch.sequences)) if owner[index] in chosen]


def _counts(seen: Sequence[Trajectory], graded: Sequence[Trajectory], batch: Batch) -> dict[str, float]:
    turns = [turn for trajectory in graded for turn in trajectory.turns]
    rewards = [turn.verdict.reward for turn in turns if turn.HasField("verdict")]
    turns_seen = sum(len(trajectory.turns) for trajectory in seen)
    return {
        "episodes": float(len(seen)),
        "episodes_failed": float(len(seen) - len(graded)),
        "episodes_trained": float(len(batch.groups)),
        "turns": float(turns_seen),
        "turns_trained": float(len(batch.turns)),
        "turns_masked": float(turns_seen - len(batch.turns)),
        "response_tokens": float(sum(turn.length for turn in batch.turns)),
        "reward_mean": sum(rewards) / max(len(rewards), 1),
        "episode_reward_mean": sum(rewards) / max(len(graded), 1),
        "success_rate": sum(trajectory.success for trajectory in graded) / max(len(graded), 1),
        **_term_means(turns),
    }


def _term_means(turns: Sequence[Turn]) -> dict[str, float]:
    """`term/NAME`: the mean of a part of the reward over the turns that carry it."""
    carried: dict[str, list[float]] = {}
    for turn in turns:
        for name, value in turn.verdict.terms.items():
            carried.setdefault(f"term/{name}", []).append(value)
    return {name: sum(values) / len(values) for name, values in sorted(carried.items())}
