"""What the V-IRL base learns from: words to repeat, and walks through invented towns in both action spaces.

The towns have streets and places of their own; the cities of the environment never occur.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from tiny_models.transcript import Transcript

from farfield_sdk import Image, Message
from farfield_virl import prompts
from farfield_virl.actions import ActionSpace
from farfield_virl.city import build_city, draw_route
from farfield_virl.demonstrations import demonstrate
from farfield_virl.rail import Point, Rail, RailSettings, lay
from farfield_virl.words import COMPACT_WORDS

ACTION_SPACES: tuple[ActionSpace, ...] = ("absolute", "relative")
"""Each as often."""
TOWNS = tuple(f"town{number}" for number in range(24))
ROADS = (2, 3)
POINTS_PER_ROAD = 3
POINTS_OF_A_WALK = 2
"""How many points of a route become transcripts; every route has more."""
REVISED_SHARE = 0.25
"""Of the walks: at each of their points a failed attempt and its feedback come before the right answer."""
FAILURE_WEIGHT = 0.3
"""Loss weight of a failed attempt: what a model reads at large is not all right either."""
PAST_WEIGHT = 0.3
"""Loss weight of the prompt's account of what was seen and done before."""
LONGEST_REPEAT = 20

Show = Callable[[str, Rail, Point], bytes | None]
"""The picture of a point of a rail through a town; None where its observation is told in words."""


def in_words(town: str, rail: Rail, point: Point) -> None:
    return None


@dataclass(frozen=True)
class Scenery:
    """Which towns are walked, and how their points are shown."""

    towns: tuple[str, ...] = TOWNS
    show: Show = in_words
    place: str = ""
    """What stands in the words for a picture."""


IN_WORDS = Scenery()


def repetitions(rng: Random, count: int) -> list[Transcript]:
    """Random words of the language, to be said again."""
    return [_repetition(rng) for _ in range(count)]


def _repetition(rng: Random) -> Transcript:
    words = " ".join(rng.choice(COMPACT_WORDS) for _ in range(rng.randint(4, LONGEST_REPEAT)))
    transcript = Transcript()
    transcript.add("user", words, 0.0)
    transcript.add("assistant", words, 1.0)
    return transcript


def walks(rng: Random, points: int, scenery: Scenery = IN_WORDS) -> list[Transcript]:
    """About so many points of routes."""
    found: list[Transcript] = []
    while len(found) < points:
        found += _walk(rng, scenery)
    return found


def _walk(rng: Random, scenery: Scenery) -> Iterator[Transcript]:
    """A few points of a route."""
    actions = rng.choice(ACTION_SPACES)
    town, rail = draw_rail(rng, actions, scenery.towns)
    chosen = rng.sample(range(len(rail.points)), POINTS_OF_A_WALK)
    shown = {now: scenery.show(town, rail, rail.points[now]) for now in chosen}
    asked = (prompts.task("compact", actions, rail, now, shown.get(now)) for now in range(len(rail.points)))
    failed = int(rng.random() < REVISED_SHARE)
    for now, one in enumerate(demonstrate("compact", actions, rail, asked, failed, rng)):
        if now in chosen:
            yield _transcript(one.sample.messages, scenery.place)


def draw_rail(rng: Random, actions: ActionSpace, towns: Sequence[str]) -> tuple[str, Rail]:
    """The name of a town, and the rail of a random route through it."""
    settings = RailSettings(actions, points_per_road=POINTS_PER_ROAD)
    while True:
        town = rng.choice(towns)
        if route := draw_route(build_city(town), rng.choice(ROADS), rng):
            return town, lay(route, settings, rng)


def _transcript(messages: tuple[Message, ...], place: str) -> Transcript:
    transcript, last = Transcript(), len(messages) - 1
    pictures = tuple(part.data for part in messages[0].parts if isinstance(part, Image))
    transcript.add("user", f"{place} {messages[0].text}" if pictures else messages[0].text, 0.0, pictures)
    account = len(transcript.words) - transcript.words.index("past")
    transcript.weights[-account:] = [PAST_WEIGHT] * account
    for index, message in enumerate(messages[1:], 1):
        weight = 0.0 if message.role == "user" else 1.0 if index == last else FAILURE_WEIGHT
        transcript.add(message.role, message.text, weight)
    return transcript
