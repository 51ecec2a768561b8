"""That episodes can be won, and not by reading the answer."""

from collections.abc import Sequence

from farfield.types.v1 import types_pb2
from farfield_conformance.check import Failed, Level, Skipped, environment_check, expect
from farfield_conformance.codes import short
from farfield_conformance.environment import oracle
from farfield_conformance.environment.episode import Episode, text_of
from farfield_conformance.environment.subject import EnvironmentSubject
from farfield_conformance.leaks import another_answer, leaks
from farfield_conformance.verifier import attempts

SEEDS = range(10, 18)
READ = range(10, 26)
"""Seeds of the episodes that are searched for their answers: enough to tell a leak from chance."""


@environment_check(Level.SEMANTICS)
def the_oracle_wins(subject: EnvironmentSubject) -> str:
    """Whoever knows the right responses reaches success in every episode.

    Give the class an `oracle` or a demonstration style. Where it fails, an episode cannot be won, or the
    oracle is wrong: a policy would learn from either.
    """
    lengths = []
    for seed in SEEDS:
        episode = oracle.solved(subject, seed)
        expect(
            episode.succeeded and episode.ended,
            f"seed {seed}: no success at an end after {episode.turn} turns, the last response was "
            f"{short(episode.responses[-1] if episode.responses else '')!r}",
        )
        lengths.append(episode.turn)
    return f"{len(lengths)} episodes of {min(lengths)} to {max(lengths)} turns"


@environment_check(Level.SEMANTICS)
def the_answer_is_not_shown(subject: EnvironmentSubject) -> None:
    """The right response, or what sets it apart from those of other episodes, does not stand in what the
    policy reads: the prompt, or the words after a wrong response.

    Take it out of observation and feedback; facts are the place for it. A task whose answer is to be copied
    waives this check. Answers that every episode shows alike, as the choices of a quiz, do not count.
    """
    answers = [_first(subject, seed) for seed in READ]
    wrong = [("x", other) for other in another_answer(answers)]
    shown = [_shown(subject, seed, said) for seed, said in zip(READ, wrong, strict=True)]
    found = leaks(answers, shown)
    if found:
        raise Failed(
            f"{len(found)} of {len(READ)} episodes show their own answer: seed {READ[found[0]]} the response "
            f"{short(answers[found[0]])!r}"
        )


def _shown(subject: EnvironmentSubject, seed: int, wrong: Sequence[str]) -> str:
    """All that a policy has read after each of some wrong responses."""
    return "\n".join(_shown_after(subject, seed, response) for response in wrong)


def _shown_after(subject: EnvironmentSubject, seed: int, response: str) -> str:
    (episode,) = subject.start(seed)
    episode.step(response)
    feedback = ""
    if subject.verifier:
        feedback = subject.verifier.verdicts([attempts.last_of(episode)])[0].feedback
    return f"{text_of(episode.shown)}\n{feedback}"


def _first(subject: EnvironmentSubject, seed: int) -> str:
    return next(oracle.right_responses(subject, seed), "")


@environment_check(Level.SEMANTICS)
def demonstrations_win(subject: EnvironmentSubject) -> str:
    """Each demonstration begins as its seed's episode does, and playing its responses in order wins; one that
    has a loss weight is right. The same seed demonstrates the same.

    Build demonstrations from a session that was reset with their seed.
    """
    styles = list(subject.info.demonstration_styles)
    if not styles:
        raise Skipped("it has no demonstration styles")
    for style in styles:
        for seed in SEEDS:
            _replay(subject, style, seed)
    return ", ".join(styles)


def _replay(subject: EnvironmentSubject, style: str, seed: int) -> None:
    what = f"style '{style}', seed {seed}"
    samples = oracle.demonstrations(subject, style, seed)
    expect(bool(samples), f"{what}: no demonstration")
    expect(samples == oracle.demonstrations(subject, style, seed), f"{what}: another one the second time")
    (episode,) = subject.start(seed)
    opening = [one for one in samples[0].messages if one.role != types_pb2.ROLE_ASSISTANT]
    same = text_of(opening[:1]) == text_of(list(episode.started.observation.messages[:1]))
    expect(same, f"{what}: it begins otherwise than the episode")
    for sample in samples:
        said = oracle.targets(sample)
        counted = len(sample.weights) == len(said)
        expect(counted, f"{what}: {len(sample.weights)} weights for {len(said)} responses")
        if episode.ended:  # a style may give one sample for each way to win
            (episode,) = subject.start(seed)
        _say(episode, said)
    expect(episode.succeeded, f"{what}: its responses do not win")


def _say(episode: Episode, said: list[str]) -> None:
    for response in said:
        if episode.ended:
            raise Failed(f"seed {episode.seed}: a demonstration goes on after the episode's end")
        episode.step(response)
