"""Many sessions at a service: batches, streams, restoring."""

from collections.abc import Sequence

from farfield.environment.v1 import environment_pb2 as pb
from farfield_conformance.check import Level, environment_check, expect
from farfield_conformance.codes import expect_code, named
from farfield_conformance.environment.episode import Episode
from farfield_conformance.environment.subject import EnvironmentSubject
from farfield_conformance.wire import CALL_SECONDS

TURNS = ("x", "1", "another answer", "{}", "x")
SESSIONS = 32


@environment_check(Level.WIRE)
def a_batch_equals_single_steps(subject: EnvironmentSubject) -> None:
    """A batch over many sessions gives what each step alone gives, in the order of the request, and an item
    that fails hurts no other.

    Treat every action by itself; the status of an item stays with that item.
    """
    alone, together = subject.start(*range(4)), subject.start(*range(4))
    digests = [one.step(_response(one.seed, 0)).digest for one in alone]
    actions = [pb.Action(session_id=one.id, response=_response(one.seed, 0)) for one in together]
    actions.insert(2, pb.Action(session_id="no-such-session", response="x"))
    results = subject.steps(*actions)
    code = named(results[2].error)
    expect(code == "NOT_FOUND", f"the item of an unknown session came to {code}")
    others = [result.outcome.digest for number, result in enumerate(results) if number != 2]
    expect(others == digests, "the outcomes of a batch are not those of single steps")


@environment_check(Level.WIRE)
def sessions_are_isolated(subject: EnvironmentSubject) -> str:
    """32 sessions that take turns go as each goes alone.

    Keep all state in `self`, set in `reset`; no class attribute, module variable or shared generator of
    random numbers changes while episodes run.
    """
    alone = [_play(subject, seed) for seed in range(SESSIONS)]
    mixed = subject.start(*range(SESSIONS))
    for number in range(len(TURNS)):
        alive = [one for one in mixed if not one.ended]
        if number % 2:
            for episode in alive[::-1]:
                episode.step(_response(episode.seed, number))
        else:
            _together(subject, alive, number)
    for one, other in zip(alone, mixed, strict=True):
        same = [out.digest for out in one.outcomes] == [out.digest for out in other.outcomes]
        expect(same, f"seed {one.seed} went another way among {SESSIONS} sessions than alone")
    return f"{SESSIONS} sessions, up to {len(TURNS)} turns each"


def _together(subject: EnvironmentSubject, episodes: Sequence[Episode], turn: int) -> None:
    said = [_response(one.seed, turn) for one in episodes]
    actions = [
        pb.Action(session_id=one.id, turn=one.turn, response=text)
        for one, text in zip(episodes, said, strict=True)
    ]
    for episode, text, result in zip(episodes, said, subject.steps(*actions), strict=True):
        expect(result.HasField("outcome"), f"seed {episode.seed}: {result.error.message}")
        episode.take(text, result.outcome)


def _play(subject: EnvironmentSubject, seed: int) -> Episode:
    (episode,) = subject.start(seed)
    for number in range(len(TURNS)):
        if not episode.ended:
            episode.step(_response(seed, number))
    return episode


def _response(seed: int, turn: int) -> str:
    """Sessions side by side say different things."""
    return f"{TURNS[(turn + seed) % len(TURNS)]} {seed}"


@environment_check(Level.WIRE)
def a_stream_equals_single_steps(subject: EnvironmentSubject) -> None:
    """`Rollout` takes actions of many sessions on one stream and answers each, in any order, as `Step` does.

    Serve `Rollout`, read requests while steps run, and end the stream when the caller has and all is
    answered.
    """
    expected = {seed: subject.start(seed)[0].step(_response(seed, 0)).digest for seed in range(8)}
    episodes = subject.start(*expected)
    seeds = {one.id: one.seed for one in episodes}
    actions = [pb.Action(session_id=one.id, response=_response(one.seed, 0)) for one in episodes]
    requests = [pb.RolloutRequest(actions=[action]) for action in actions]
    answers = subject.stub.Rollout(iter(requests), timeout=CALL_SECONDS)
    results = [result for answer in answers for result in answer.results]
    found = {seeds[one.session_id]: one.outcome.digest for one in results}
    expect(len(results) == len(episodes), f"{len(results)} results for {len(episodes)} actions")
    expect(found == expected, "the outcomes of a stream are not those of single steps")


@environment_check(Level.WIRE)
def sessions_are_restored(subject: EnvironmentSubject) -> None:
    """A session is rebuilt from its seed and its responses: same digest, and it goes on as the lost one would
    have; a history with another digest is DATA_LOSS, and nothing is created.

    The same options, seed and responses must give the same episode: draw every random number from the seed.
    """
    original = _play(subject, 5)
    session_id, wrong_id = subject.new_id(), subject.new_id()
    results = subject.restore(original.history(session_id), original.history(wrong_id, digest="0" * 64))
    expect(not results[0].HasField("error"), f"a restore failed: {results[0].error.message}")
    _expect_same(results[0].outcome.digest, original.digest)
    code = named(results[1].error)
    expect_code((code, results[1].error.message), "DATA_LOSS", "a history with another digest")
    expect(subject.renew(wrong_id) == [wrong_id], "a session of the refused history is alive")
    if not original.ended:
        action = pb.Action(session_id=session_id, turn=original.turn, response="and on")
        _expect_same(subject.steps(action)[0].outcome.digest, original.step("and on").digest)


def _expect_same(found: str, expected: str) -> None:
    expect(found == expected, f"the digest after it is {found[:12]}…, not {expected[:12]}…")


@environment_check(Level.WIRE)
def a_start_is_restored(subject: EnvironmentSubject) -> None:
    """A history without responses restores the start; a session that is alive under the id gives way to it.

    Answer with `started` where the history is empty, and put the restored session in the place of the other.
    """
    (original,) = subject.start(6)
    start, first = original.digest, original.step("x").digest
    (result,) = subject.restore(pb.History(session_id=original.id, seed=6, digest=start))
    expect(result.WhichOneof("result") == "started", f"it came to {result.WhichOneof('result')}")
    expect(result.started.digest == start, "the digest of the start differs")
    again = original.try_turn(0, "x").outcome
    expect(not again.replayed and again.digest == first, "the session that was alive did not give way")
