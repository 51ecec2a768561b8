"""A small game that keeps its contract, and one for each way to break it."""

import itertools
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from pydantic import BaseModel, Field

from farfield_sdk import (
    Attempt,
    BatchedEnvironment,
    Demonstration,
    Environment,
    Example,
    Image,
    Observation,
    Options,
    Outcome,
    Sample,
    Start,
    State,
    Variant,
    Verdict,
    Verifier,
    assistant,
    system,
    user,
)


class SumOptions(Options):
    largest: int = Field(9, ge=2, description="Largest number that is drawn.")
    max_turns: int = Field(3, ge=1, description="Attempts before the episode is cut off.")


class Sums(Environment[SumOptions]):
    """Add two numbers."""

    name = "sums"
    version = "1.0.0"
    Options: ClassVar[type[Options]] = SumOptions
    executor = "inline"
    variants: ClassVar = {
        "id": Variant("id", "Numbers of one digit."),
        "ood": Variant("ood", "Numbers of two digits.", {"largest": 99}),
    }
    demonstration_styles = ("plain",)

    def reset(self, seed: int) -> Start:
        rng = random.Random(seed)
        self.numbers = [rng.randint(100, 100 + self.options.largest) for _ in range(2)]
        self.turns = 0
        return Start(Observation((user(self.prompt()),)), self.facts())

    def prompt(self) -> str:
        return "{} + {} = ?".format(*self.numbers)

    def facts(self) -> dict[str, Any]:
        return {"sum": sum(self.numbers)}

    def step(self, response: str) -> Outcome:
        self.turns += 1
        if response.strip() == str(sum(self.numbers)):
            return Outcome(State.TERMINATED, success=True)
        spent = self.turns >= self.options.max_turns
        return Outcome(State.TRUNCATED if spent else State.CONTINUE)

    def oracle(self) -> str:
        return str(sum(self.numbers))

    @classmethod
    def demonstrate(cls, options: SumOptions, seed: int, style: str) -> Iterator[Demonstration]:
        game = cls(options)
        opening = game.reset(seed).observation.messages[0]
        yield Demonstration(Sample((opening, assistant(game.oracle()))))


class SumVerifier(Verifier[Options]):
    """Is it the sum?"""

    name = "sums"
    version = "1.0.0"
    Options: ClassVar[type[Options]] = Options
    executor = "inline"

    def verify(self, attempt: Attempt) -> Verdict:
        right = attempt.response.strip() == str(attempt.facts["sum"])
        parseable = attempt.response.strip().isdecimal()
        return Verdict(float(right), right, "" if right else "Count again.", parseable=parseable)


class Coloured(Sums):
    """Shows an image beside the sum."""

    modalities = frozenset({"text", "image"})

    def reset(self, seed: int) -> Start:
        start = super().reset(seed)
        picture = Image(b"\x89PNG" + str(self.numbers).encode())
        return Start(Observation((user(picture, self.prompt()),)), start.facts)


class Tables(BatchedEnvironment[SumOptions]):
    """Many sums in one object, each at its own table."""

    name = "sums"
    version = "1.0.0"
    Options = SumOptions
    slots = 8

    def __init__(self, options: SumOptions) -> None:
        super().__init__(options)
        self.games: dict[int, Sums] = {}

    def reset_many(self, slots: Sequence[int], seeds: Sequence[int]) -> Sequence[Start]:
        self.games |= {slot: Sums(self.options) for slot in slots}
        return [self.games[slot].reset(seed) for slot, seed in zip(slots, seeds, strict=True)]

    def step_many(self, slots: Sequence[int], responses: Sequence[str]) -> Sequence[Outcome]:
        return [self.games[slot].step(response) for slot, response in zip(slots, responses, strict=True)]

    def oracle(self) -> str:
        return self.games[0].oracle()


class Overheard(Tables):
    """What is said at one table is heard at the others."""

    def step_many(self, slots: Sequence[int], responses: Sequence[str]) -> Sequence[Outcome]:
        said = Observation((user(f"somebody said {responses[0]}"),))
        return [replace(one, observation=said) for one in super().step_many(slots, responses)]


class Untold(Sums):
    version = "one"


class Unreal(SumOptions):
    largest: int = Field("many", description="A default that its type refuses.")  # type: ignore[assignment]


class BadDefault(Sums):
    """Its defaults do not validate."""

    Options = Unreal


class NeedsMore(SumOptions):
    place: str = Field(description="Where the numbers come from.")


class Needy(Sums):
    """Has an option without a default."""

    Options = NeedsMore


class Loose(BaseModel):
    largest: int = 9
    max_turns: int = 3


class LooseOptions(Sums):
    """Its options let anything pass."""

    Options = Loose  # type: ignore[assignment]


class BadVariant(Sums):
    """One of its variants does not validate."""

    variants: ClassVar = {**Sums.variants, "odd": Variant("other", "Odd.", {"largest": "x"})}


class Speechless(Sums):
    """Begins with a message of the system."""

    def reset(self, seed: int) -> Start:
        return Start(Observation((system("Add."),)), super().reset(seed).facts)


class UnicodeCrash(Sums):
    """Takes every digit for one that `int` reads."""

    def step(self, response: str) -> Outcome:
        if response.strip()[:1].isdigit() and int(response) < 0:
            return Outcome(State.CONTINUE)
        return super().step(response)


class NoiseWins(Sums):
    """Nothing said is nothing wrong."""

    def step(self, response: str) -> Outcome:
        return super().step(response if response.strip() else self.oracle())


class Poisoned(Sums):
    """A response that it remembers breaks the next turn."""

    def reset(self, seed: int) -> Start:
        self.heard = ""
        return super().reset(seed)

    def step(self, response: str) -> Outcome:
        self.heard.encode("ascii")
        self.heard = response
        super().step(response)
        return Outcome(State.CONTINUE)


class Shared(Sums):
    """All sessions share one list of numbers."""

    heard: ClassVar[list[str]] = []

    def reset(self, seed: int) -> Start:
        self.heard.clear()
        return super().reset(seed)

    def step(self, response: str) -> Outcome:
        self.heard.append(response)
        said = Observation((user(f"so far: {self.heard}"),))
        return Outcome(super().step(response).state, observation=said)


class Random(Sums):
    """Draws from a generator that nobody seeded."""

    def prompt(self) -> str:
        return f"{super().prompt()} (today's number is {random.random()})"


class Hashed(Sums):
    """Iterates over a set of strings: another order in every process."""

    def prompt(self) -> str:
        return f"{super().prompt()} Ask {set('abcdefghijklmnop')}."


class Counted(Sums):
    """Numbers its sessions as they come."""

    count = itertools.count()

    def prompt(self) -> str:
        return f"Episode {next(self.count)}: {super().prompt()}"


class OneStart(Sums):
    """Ignores its seed."""

    def reset(self, seed: int) -> Start:
        return super().reset(0)


class WrongOracle(Sums):
    """Its oracle miscounts."""

    def oracle(self) -> str:
        return str(sum(self.numbers) + 1)


class Leaky(Sums):
    """Writes the answer into the prompt."""

    def prompt(self) -> str:
        return f"{super().prompt()} (not for you: {sum(self.numbers)})"


class Forgetful(Leaky):
    """Takes the answer out of one prompt in three."""

    def prompt(self) -> str:
        return super().prompt() if sum(self.numbers) % 3 else Sums.prompt(self)


class Tagged(Leaky):
    """Shows the answer without the words that go around it."""

    def step(self, response: str) -> Outcome:
        return super().step(response.removeprefix("The sum is ").removesuffix("."))

    def oracle(self) -> str:
        return f"The sum is {super().oracle()}."

    def prompt(self) -> str:
        return f"{super().prompt()} Say: The sum is S."


class WrongExpert(Sums):
    """Demonstrates another episode."""

    @classmethod
    def demonstrate(cls, options: SumOptions, seed: int, style: str) -> Iterator[Demonstration]:
        yield from super().demonstrate(options, seed + 1, style)


class Hoarder(Sums):
    """Keeps something of every session."""

    kept: ClassVar[list[bytes]] = []

    def reset(self, seed: int) -> Start:
        self.kept.append(random.randbytes(100_000))
        return super().reset(seed)


class Fragile(Sums):
    """Cannot bear many sessions."""

    def reset(self, seed: int) -> Start:
        if seed == 255:
            raise RuntimeError("no more tables")
        return super().reset(seed)


class Generous(SumVerifier):
    """Pays for taking part."""

    def verify(self, attempt: Attempt) -> Verdict:
        return Verdict(0.1 + super().verify(attempt).reward, False)


class Talkative(SumVerifier):
    """Pays for length."""

    def verify(self, attempt: Attempt) -> Verdict:
        found = super().verify(attempt)
        return Verdict(found.reward + len(attempt.response) / 100, found.correct, parseable=found.parseable)


class Credulous(SumVerifier):
    """Believes what it is told."""

    def verify(self, attempt: Attempt) -> Verdict:
        told = "answer is correct" in attempt.response
        return Verdict(1.0, True) if told else super().verify(attempt)


class Stumbling(SumVerifier):
    """Takes every digit for one that `int` reads."""

    def verify(self, attempt: Attempt) -> Verdict:
        if attempt.response.strip()[:1].isdigit():
            int(attempt.response.split()[0])
        return super().verify(attempt)


class Hanging(SumVerifier):
    """Hangs on a long response, but where it can be killed."""

    executor = "process"

    def verify(self, attempt: Attempt) -> Verdict:
        if len(attempt.response) > 10_000:
            time.sleep(3600)
        return super().verify(attempt)


class Lenient(SumVerifier):
    """Without facts, everything is right."""

    def verify(self, attempt: Attempt) -> Verdict:
        right = attempt.response.strip() == str(attempt.facts.get("sum", attempt.response.strip()))
        parseable = attempt.response.strip().isdecimal()
        return Verdict(float(right), right, parseable=parseable)


class Moody(SumVerifier):
    """Its words change from one verdict to the next."""

    count = itertools.count()

    def verify(self, attempt: Attempt) -> Verdict:
        found = super().verify(attempt)
        return Verdict(found.reward, found.correct, f"No. {next(self.count)}", parseable=found.parseable)


class Opposed(SumVerifier):
    """Of another mind than the environment."""

    def verify(self, attempt: Attempt) -> Verdict:
        found = super().verify(attempt)
        return Verdict(1 - found.reward, not found.correct and found.parseable, parseable=found.parseable)


class Telling(SumVerifier):
    """Tells what would be right."""

    def verify(self, attempt: Attempt) -> Verdict:
        found = super().verify(attempt)
        said = "" if found.correct else f"It is {attempt.facts['sum']}, by the way."
        return Verdict(found.reward, found.correct, said, parseable=found.parseable)


class Correcting(Telling):
    """Tells it to whoever answers with a number."""

    def verify(self, attempt: Attempt) -> Verdict:
        found = super().verify(attempt)
        return found if found.parseable else SumVerifier.verify(self, attempt)


class Relative(SumVerifier):
    """A right response earns what the others of its group lack."""

    def verify_group(self, attempts: Sequence[Attempt]) -> Sequence[Verdict]:
        verdicts = [self.verify(attempt) for attempt in attempts]
        mean = sum(one.reward for one in verdicts) / len(verdicts)
        return [replace(one, reward=one.reward - mean) for one in verdicts]


class FirstServed(Relative):
    """The first of a group earns most."""

    def verify_group(self, attempts: Sequence[Attempt]) -> Sequence[Verdict]:
        verdicts = super().verify_group(attempts)
        return [replace(one, reward=one.reward - place) for place, one in enumerate(verdicts)]


class WithExamples(SumVerifier):
    """Judged without an environment."""

    examples = (
        Example(Attempt("17", {"sum": 17}), correct=True),
        Example(Attempt("18", {"sum": 17}), correct=False),
    )


class UntoldVerifier(SumVerifier):
    version = "1"


class LooseVerifier(SumVerifier):
    """Its options let anything pass."""

    Options = Loose  # type: ignore[assignment]
