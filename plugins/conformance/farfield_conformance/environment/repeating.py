"""That episodes repeat, and differ by their seeds."""

from contextlib import ExitStack

from farfield_conformance import responses
from farfield_conformance.check import Level, Skipped, environment_check, expect
from farfield_conformance.environment.subject import EnvironmentSubject

SEEDS = range(10, 18)
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
            here, there = _digests(subject, seed), _digests(other, seed)
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
        first, second = _digests(subject, seed), _digests(subject, seed)
        expect(
            first == second,
            f"seed {seed} differs from turn {_first_difference(first, second)} on (0 is the start)",
        )


def _digests(subject: EnvironmentSubject, seed: int) -> list[str]:
    (episode,) = subject.start(seed)
    digests = [episode.digest]
    for response in NOISE:
        if episode.ended:
            break
        digests.append(episode.step(response).digest)
    return digests


def _first_difference(one: list[str], other: list[str]) -> int:
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
