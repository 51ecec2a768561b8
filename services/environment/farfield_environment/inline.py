"""A plugin object here and now; and the same in a child process, spoken to in bytes.

A child imports this module and what the plugin itself needs, so it stays small.
"""

import importlib
import io
import json
from itertools import islice

from google.protobuf.proto import parse_length_prefixed, serialize_length_prefixed

from farfield.environment.v1 import environment_pb2 as pb
from farfield_environment import messages
from farfield_environment.messages import Rules
from farfield_sdk import Environment, Options

IN_CHILD = "farfield_environment.inline:in_child"
MOST_DEMONSTRATIONS = 1000
"""Of one seed; a generator that does not end is cut there."""


class InlineSeat:
    """A plugin object here and now."""

    inline = True

    def __init__(self, cls: type[Environment], options: Options, rules: Rules) -> None:
        self._game, self._rules = cls(options), rules

    def start(self, seed: int) -> pb.Started:
        return messages.started(self._game.reset(seed), self._rules)

    def step(self, response: str) -> pb.Outcome:
        return messages.outcome(self._game.step(response), self._rules)

    def close(self) -> None:
        pass


def for_child(cls: type[Environment], options: Options, rules: Rules) -> bytes:
    """What a child needs to make the plugin object: `made` reads it."""
    sizes = [sorted(rules.modalities), rules.max_observation_bytes, rules.max_facts_bytes]
    given = options.model_dump(mode="json", round_trip=True)
    return json.dumps([cls.__module__, cls.__qualname__, given, sizes]).encode()


def made(argument: bytes) -> tuple[type[Environment], Options, Rules]:
    module, name, given, (modalities, *sizes) = json.loads(argument)
    cls = getattr(importlib.import_module(module), name)
    return cls, cls.Options.model_validate(given), Rules(frozenset(modalities), *sizes)


def in_child(argument: bytes) -> "Child":
    return Child(*made(argument))


class Child:
    """In the child: a seat whose arguments and answers are bytes."""

    def __init__(self, cls: type[Environment], options: Options, rules: Rules) -> None:
        self._cls, self._options, self._rules = cls, options, rules
        self._seat = InlineSeat(cls, options, rules)

    def start(self, seed: bytes) -> bytes:
        return self._seat.start(int(seed)).SerializeToString()

    def step(self, response: bytes) -> bytes:
        return self._seat.step(response.decode()).SerializeToString()

    def demonstrate(self, asked: bytes) -> bytes:
        first, stop, style = json.loads(asked)
        stream = io.BytesIO()
        for response in demonstrate(self._cls, self._options, self._rules, range(first, stop), style):
            serialize_length_prefixed(response, stream)
        return stream.getvalue()


def unpack(packed: bytes) -> list[pb.DemonstrateResponse]:
    """What a child's `demonstrate` answered."""
    stream = io.BytesIO(packed)
    return list(iter(lambda: parse_length_prefixed(pb.DemonstrateResponse, stream), None))


def demonstrate(
    cls: type[Environment], options: Options, rules: Rules, seeds: range, style: str
) -> list[pb.DemonstrateResponse]:
    """Every demonstration of some seeds."""
    return [
        messages.demonstration(seed, given, rules)
        for seed in seeds
        for given in islice(cls.demonstrate(options, seed, style), MOST_DEMONSTRATIONS)
    ]
