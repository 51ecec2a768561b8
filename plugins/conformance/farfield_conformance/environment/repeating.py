"""That episodes repeat, and differ by their seeds."""

import re
from contextlib import ExitStack

from farfield.environment.v1 import environment_pb2 as pb
from farfield_conformance import responses
from farfield_conformance.check import Level, Skipped, environment_check, expect
from farfield_conformance.environment.episode import Episode, images_of, text_of
from farfield_conformance.environment.subject import EnvironmentSubject

Moment = tuple[str, str, str, int, bool]
"""Digest, what was shown, facts, state, success."""

SEEDS = range(10, 18)
DIGEST = re.compile("[0-9a-f]{64}")
LARGEST_SEED = 2**63 - 1
NOISE = ("x", "0", "yes", "{}", *responses.MALFORMED.values())


@environment_check(Level.SEMANTICS)
def two_processes_play_the_same(subject: EnvironmentSubject) -> str:
    """The same seed and responses give the same episode in another process, to the byte.

    Draw from `random.Random(seed)`; do not iterate over sets, hash strings, read clocks or number objects as
    they are made: those differ from process to process.
    """
    with ExitStack() as stack:
        other = subject.twin
        if other is None and subject.another is not None:
            other = stack.enter_context(subject.another({}))
        if other is None:
            raise Skipped("a second process is needed: name its address as the twin")
        for seed in (*SEEDS, LARGEST_SEED):
            here, there = _history(subject, seed), _history(other, seed)
            expect(
                here == there,
                f"seed {seed} differs from turn {_first_difference(here, there)} on (0 is the start)",
            )
        other.tidy()
    return f"{len(SEEDS) + 1} seeds"


@environment_check(Level.SEMANTICS)
def episodes_repeat(subject: EnvironmentSubject) -> None:
    """The same seed and responses give the same episode in one process, again and again.

    Set all state in `reset`; what an episode before has left must not show.
    """
    for seed in SEEDS:
        first, second = _history(subject, seed), _history(subject, seed)
        expect(
            first == second,
            f"seed {seed} differs from turn {_first_difference(first, second)} on (0 is the start)",
        )


def _history(subject: EnvironmentSubject, seed: int) -> list[Moment]:
    """An episode under noise."""
    (episode,) = subject.start(seed)
    moments = [_moment(episode)]
    for response in NOISE:
        if episode.ended:
            break
        episode.step(response)
        moments.append(_moment(episode))
    return moments


def _moment(episode: Episode) -> Moment:
    """The digest, and what it stands for."""
    last = episode.outcomes[-1] if episode.outcomes else pb.Outcome()
    observation = last.observation if episode.outcomes else episode.started.observation
    pictures = " ".join(one.sha256 for one in images_of(observation))
    shown = f"{text_of(list(observation.messages))} {pictures}"
    return episode.digest, shown, episode.facts_json, last.state, last.success


def _first_difference(one: list[Moment], other: list[Moment]) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((turn for turn, (left, right) in pairs if left != right), min(len(one), len(other)))


@environment_check(Level.SEMANTICS)
def seeds_differ(subject: EnvironmentSubject) -> str:
    """Different seeds give different episodes: of eight, more than one.

    Use the seed in `reset`; a task with few starts needs a larger set to draw from.
    """
    starts = {one.started.digest for one in subject.start(*SEEDS)}
    expect(len(starts) > 1, f"{len(SEEDS)} seeds give one and the same start")
    return f"{len(starts)} starts from {len(SEEDS)} seeds"


@environment_check(Level.SEMANTICS)
def digests_tell_histories_apart(subject: EnvironmentSubject) -> None:
    """A digest is a SHA-256 in hex over all that happened: another one after each turn, and after other
    responses.

    Chain it: over the digest before, the turn, the state, the success, the observation and the facts.
    """
    histories = [_history(subject, seed) for seed in SEEDS]
    digests = [moment[0] for history in histories for moment in history[1:]]
    malformed = [one for one in digests if not DIGEST.fullmatch(one)]
    expect(not malformed, f"{malformed[:1]} is no SHA-256 in lower-case hex")
    starts = {history[0][1:]: history[0][0] for history in histories}
    expect(len(set(starts.values())) == len(starts), "two starts that differ have one digest")
    for history in histories:
        expect(len({one[0] for one in history}) == len(history), "two turns of an episode have one digest")
