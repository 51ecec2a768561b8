"""Attempts of which it is known whether they are right."""

import json

from farfield.types.v1 import types_pb2
from farfield.verifier.v1 import verifier_pb2 as pb
from farfield_conformance.environment import oracle
from farfield_conformance.environment.episode import Episode
from farfield_conformance.environment.subject import EnvironmentSubject
from farfield_conformance.verifier.subject import Known
from farfield_sdk import Verifier

SEEDS = range(100, 108)
_STATES = {
    "continue": types_pb2.STATE_CONTINUE,
    "terminated": types_pb2.STATE_TERMINATED,
    "truncated": types_pb2.STATE_TRUNCATED,
}


def of_environment(subject: EnvironmentSubject) -> list[Known]:
    """Every turn of some episodes that an oracle plays."""
    known = []
    for seed in SEEDS:
        (episode,) = subject.start(seed)
        for response in oracle.right_responses(subject, seed):
            episode.step(response)
            known.append(Known(last_of(episode), right=True if episode.succeeded else None))
            if episode.ended:
                break
    return known


def of_examples(cls: type[Verifier] | None) -> list[Known]:
    """Those on the class."""
    return [
        Known(
            pb.Attempt(
                attempt_id=str(number),
                response=one.attempt.response,
                facts_json=json.dumps(dict(one.attempt.facts)),
                turn=one.attempt.turn,
                state=_STATES[one.attempt.state],
                success=one.attempt.success,
            ),
            right=one.correct,
        )
        for number, one in enumerate(cls.examples if cls else ())
    ]


def last_of(episode: Episode) -> pb.Attempt:
    """The turn that an episode took last, as a verifier is asked about it."""
    outcome = episode.outcomes[-1]
    return pb.Attempt(
        attempt_id=f"{episode.id}/{outcome.turn}",
        response=episode.responses[-1],
        facts_json=episode.facts_json,
        turn=outcome.turn,
        state=outcome.state,
        success=outcome.success,
    )
