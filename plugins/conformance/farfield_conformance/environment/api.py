"""What an environment answers to whatever a policy writes."""

from farfield.types.v1 import types_pb2
from farfield_conformance import responses
from farfield_conformance.check import Failed, Level, environment_check, expect
from farfield_conformance.codes import named, short
from farfield_conformance.environment.subject import EnvironmentSubject

_STATES = (types_pb2.STATE_CONTINUE, types_pb2.STATE_TERMINATED, types_pb2.STATE_TRUNCATED)


@environment_check(Level.API)
def any_response_is_an_outcome(subject: EnvironmentSubject) -> str:
    """Whatever a policy writes is a turn of the game, never an error: empty, unicode, control characters, a
    megabyte, nested JSON, numbers beyond measure, words meant for the judge.

    Parse under limits and catch what the parser raises; an illegal move is an `Outcome`, at worst without
    progress. `int()` raises on "²", on 5000 digits, and `json.loads` on deep nesting (RecursionError).
    """
    bad = []
    episodes = subject.start(*range(len(responses.ALL)))
    for episode, (name, text) in zip(episodes, responses.ALL.items(), strict=True):
        result = episode.try_turn(0, text)
        if result.HasField("error"):
            bad.append(f"{name} ({named(result.error)}: {short(result.error.message)})")
        elif result.outcome.state not in _STATES:
            bad.append(f"{name} (state {result.outcome.state})")
    if bad:
        raise Failed("; ".join(bad))
    return f"{len(responses.ALL)} responses"


@environment_check(Level.API)
def noise_does_not_win(subject: EnvironmentSubject) -> None:
    """A response without a letter or digit is no success.

    Ask for a form of answer, and count nothing else as one.
    """
    for name, text in responses.MALFORMED.items():
        (episode,) = subject.start(1)
        expect(not episode.step(text).success, f"{name} counted as success")


@environment_check(Level.API)
def an_episode_survives_noise(subject: EnvironmentSubject) -> None:
    """Noise turn after turn ends the episode or goes on; nothing it leaves behind breaks a later turn.

    Keep no part of a response in the state that a later turn cannot bear.
    """
    (episode,) = subject.start(2)
    for seed, text in enumerate([*responses.HOSTILE.values(), *responses.MALFORMED.values()], 3):
        if episode.ended:
            (episode,) = subject.start(seed)
        episode.step(text)


@environment_check(Level.API)
def a_response_too_long_leaves_the_turn_open(subject: EnvironmentSubject) -> None:
    """A response of more than 1 MiB is INVALID_ARGUMENT, and the turn can still be played.

    The service refuses it before the plugin sees it: `max_response_bytes` is 1048576.
    """
    (episode,) = subject.start(3)
    result = episode.try_turn(0, "x" * (responses.LONGEST + 1))
    expect(named(result.error) == "INVALID_ARGUMENT", f"it came to {named(result.error)}")
    episode.step("x")
