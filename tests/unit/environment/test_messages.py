import pytest

from farfield.types.v1 import types_pb2
from farfield_environment import messages
from farfield_environment.messages import Nonsense, Rules
from farfield_sdk import (
    Demonstration,
    Image,
    Message,
    Observation,
    Outcome,
    Sample,
    Start,
    State,
    assistant,
    system,
    user,
)

RULES = Rules(frozenset({"text", "image"}), 1000, 100)
SHA_OF_X = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"


def test_a_start() -> None:
    given = Start(
        Observation((system("be brief"), user("look", Image(b"x", "image/jpeg")))), {"b": 1, "a": "é"}
    )
    started = messages.started(given, RULES)
    assert started.facts_json == '{"a":"é","b":1}'
    first, second = started.observation.messages
    assert (first.role, first.parts[0].text) == (types_pb2.ROLE_SYSTEM, "be brief")
    image = second.parts[1].image
    assert (image.media_type, image.sha256, image.data) == ("image/jpeg", SHA_OF_X, b"x")


def test_an_outcome() -> None:
    given = Outcome(State.TRUNCATED, facts={}, metrics={"x": 1}, observation=Observation(fresh_context=True))
    outcome = messages.outcome(given, RULES)
    assert outcome.state == types_pb2.STATE_TRUNCATED
    assert (outcome.facts_json, dict(outcome.metrics)) == ("{}", {"x": 1.0})
    assert outcome.observation.fresh_context


def test_no_facts_is_not_empty_facts() -> None:
    assert messages.outcome(Outcome(State.CONTINUE), RULES).facts_json == ""


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (Start(Observation((user("x" * 1001),))), "observation of more than 1000 bytes"),
        (Start(Observation((user(Image(b"x" * 1001)),))), "observation of more than 1000 bytes"),
        (Start(Observation(), {"x": "y" * 100}), "facts of more than 100 bytes"),
        (Start(Observation(), {"x": "é" * 50}), "facts of more than 100 bytes"),
        (Start(Observation((user(Image(b"")),))), "an image of 0 bytes"),
        (Start(Observation((user(Image(b"x", "text/html")),))), "media type 'text/html'"),
        (Start(Observation((user(Image("x")),))), "TypeError"),  # type: ignore[arg-type]
        (None, "answered NoneType where Start is asked for"),
    ],
)
def test_nonsense(given: object, says: str) -> None:
    with pytest.raises(Nonsense, match=says):
        messages.started(given, RULES)


@pytest.mark.parametrize(
    "shown",
    [
        (user("x" * 500),),
        (user("\U0001f0a1" * 100),),
        (user(Image(b"x" * 500, "image/jpeg"), "look"), system("be brief")),
        tuple(user("") for _ in range(200)),
        (user(*[Image(b"x")] * 20),),
    ],
)
def test_an_observation_may_have_the_largest_size_and_no_byte_more(shown: tuple[Message, ...]) -> None:
    given = Start(Observation(shown))
    size = messages.started(given, Rules(RULES.modalities, 10**6, 100)).observation.ByteSize()
    messages.started(given, Rules(RULES.modalities, size, 100))
    with pytest.raises(Nonsense, match="an observation of more than"):
        messages.started(given, Rules(RULES.modalities, size - 1, 100))


def test_known_images_are_left_out_of_a_copy() -> None:
    started = messages.started(Start(Observation((user(Image(b"x"), Image(b"y")),))), RULES)
    answer = messages.without(frozenset({SHA_OF_X}), started)
    assert [part.image.data for part in answer.observation.messages[0].parts] == [b"", b"y"]
    assert [part.image.data for part in started.observation.messages[0].parts] == [b"x", b"y"]
    assert messages.without(frozenset({"0" * 64}), started) is started
    assert messages.without(frozenset(), started) is started


def test_a_demonstration() -> None:
    sample = Sample((user("q"), assistant("bad"), user("no"), assistant("good")))
    answer = messages.demonstration(7, Demonstration(sample, (0.0, 1.0)), RULES)
    assert (answer.seed, list(answer.weights), len(answer.messages)) == (7, [0.0, 1.0], 4)


@pytest.mark.parametrize("weights", [(), (1.0,), (1.0, 1.0, 1.0)])
def test_a_demonstration_has_a_weight_for_each_target(weights: tuple[float, ...]) -> None:
    sample = Sample((user("q"), assistant("bad"), user("no"), assistant("good")))
    with pytest.raises(Nonsense, match="weights for 2 assistant messages"):
        messages.demonstration(7, Demonstration(sample, weights), RULES)
