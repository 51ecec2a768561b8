"""What an experiment's file may say. What arms tell their runs is the trainer's schema; the rest is here.

title, question, paper     for people
suites                     what is measured, of every arm
common                     the run config that every arm shares
arms                       each one a run config over `common`, played once for each seed
claims                     differences between arms, and what controls them
seeds
scales                     for each scale, what is different: suites, common, arms, seeds
"""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    StrictBool,
    StrictInt,
    Tag,
    field_validator,
    model_validator,
)

from farfield_cli.experiment.judging.outcomes import parts
from farfield_cli.report.units import is_share
from farfield_kernel.config import Config
from farfield_kernel.errors import InvalidArgument

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=32)]
Json = dict[str, Any]


def _different(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds are replicates, each once: write {sorted(set(seeds))}")
    return seeds


Seeds = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1), AfterValidator(_different)]
Shift = Literal["id", "rule", "look", "place", "other"]
Moment = Literal["start", "end", "equal_compute"] | Annotated[int, Field(ge=0)]
"""An arm's start, its end, or a version of its weights. equal_compute: its last evaluation that costs no more
than the cheaper of the two arms' ends, and hardly less."""


class Suite(Config):
    """Episodes that every arm is measured on. Seeds come from the experiment."""

    label: str
    """For people: what is measured."""
    shift: Shift
    """How it differs from training: id (not at all), or by rule, look, place."""
    environment: Json
    episodes: int = Field(ge=1)
    sampling: Json | None = None
    """Absent: the arm's sampling."""
    reward: Json | None = None
    """Absent: the arm's reward."""
    max_turns: int = Field(default=0, ge=0)
    """A guard over the environment's own budget of turns. 0: none."""

    def config(self) -> Json:
        """As a run config has it."""
        return self.model_dump(exclude={"label", "shift"}, exclude_defaults=True)


class Paper(Config):
    """Where the experiment comes from, and what was found there."""

    source: str
    numbers: dict[Name, dict[Name, tuple[float, ...]]] = Field(default={})
    """By arm and suite: at the start and at the end, in percent; or at the end alone."""
    metric: str = "success"
    """What those numbers count: a share, the measure that the experiment is about."""
    note: str = ""

    @field_validator("metric")
    @classmethod
    def _is_a_share(cls, value: str) -> str:
        if not is_share(value):
            raise ValueError(f"{value} is no share; the numbers of a paper are in percent")
        return value


class Origin(Config):
    """Another arm's weights, of the same seed."""

    arm: Name
    update: int | None = Field(default=None, ge=0)
    """Absent: its last."""


class Fresh(Config):
    """Weights drawn anew from the seed, in the architecture and with the tokenizer of a checkpoint."""

    fresh: str


def _kind_of_base(base: Any) -> str:
    return "Fresh" if isinstance(base, dict) else "str"


class EvaluationRead(Config, extra="allow"):
    every: StrictInt = 0
    at_start: StrictBool = True
    at_end: StrictBool = True


class RunRead(Config, extra="allow"):
    """What is read here of a run config. All of it is the trainer's schema."""

    base: Annotated[
        Annotated[str, Tag("str")] | Annotated[Fresh, Tag("Fresh")], Discriminator(_kind_of_base)
    ] = ""
    algorithm: Json = Field(default={})
    updates: Annotated[StrictInt, Field(ge=0)] = 0
    environment: Json = Field(default={})
    batch: Json = Field(default={})
    demonstrations: Json = Field(default={})
    evaluation: EvaluationRead = EvaluationRead()
    keep_versions: tuple[StrictInt, ...] = ()


class Arm(Config):
    """One way of training."""

    label: str
    origin: Origin | None = Field(default=None, alias="from")
    """Absent: it starts from `base`."""
    suites: tuple[Name, ...] = ()
    """What it is measured on; empty: every suite."""
    run: Json = Field(default={})
    """The run config, without what is filled in for each seed."""

    @property
    def base(self) -> str | Fresh:
        given = self.run.get("base", "")
        return Fresh(**given) if isinstance(given, dict) else str(given)

    @property
    def kind(self) -> str:
        return str(self.run.get("algorithm", {}).get("kind", ""))

    @property
    def updates(self) -> int:
        return int(self.run.get("updates", 0))

    @property
    def measured_at_start(self) -> bool:
        return bool(self.run.get("evaluation", {}).get("at_start", True))


class Measure(Config):
    """A figure of one arm."""

    arm: Name
    suite: Name
    metric: str = "success"
    at: Moment | None = None
    """Absent: as the claim says."""

    @field_validator("metric")
    @classmethod
    def _is_reported(cls, value: str) -> str:
        try:
            parts(value)
        except InvalidArgument as error:
            raise ValueError(str(error)) from None
        return value


class Comparison(Config):
    """`compare` has to exceed `with` by `at_least`."""

    compare: Measure
    against: Measure = Field(alias="with")
    at_least: float = 0.0
    """In shares: 0.05 is five points."""
    at: Moment = "end"


class Control(Comparison):
    """The same difference once more, where what the claim blames is the only thing left."""

    text: str = ""


class Claim(Comparison):
    """A sentence, and the difference that has to be seen for it."""

    name: Name
    text: str
    control: Control | None = None
    """Has to hold as well."""
    no_control: str = ""
    """Why there is none."""
    paper: str = ""
    """What was found there."""

    @model_validator(mode="after")
    def _is_controlled_or_says_why_not(self) -> "Claim":
        if self.control is None and not self.no_control:
            raise ValueError(
                "a claim has a control, or says why there is none: write control: or no_control:"
            )
        return self

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        return (self, self.control) if self.control else (self,)


class Changes(Config):
    """What is different at a scale. An arm or suite that is null is left out there."""

    label: str = ""
    """What the scale is, for people."""
    over: Name | None = None
    """Another scale of the file, over which this one lies."""
    common: Json = Field(default={})
    """Over every arm."""
    rl: Json = Field(default={})
    """Over every arm that is trained by reinforcement learning."""
    sft: Json = Field(default={})
    """Over every arm that is fine-tuned."""
    suites: dict[Name, Json | None] = Field(default={})
    arms: dict[Name, Json | None] = Field(default={})
    seeds: Seeds | None = None

    def of(self, arm: str, kind: str) -> tuple[Json, ...]:
        """What lies over an arm, in order."""
        return self.common, {"rl": self.rl, "sft": self.sft}.get(kind, {}), self.arms.get(arm) or {}


class ExperimentFile(Config):
    """The file as it is written."""

    title: str
    question: str
    paper: Paper | None = None
    suites: dict[Name, Json | None] = Field(min_length=1)
    common: Json = Field(default={})
    arms: dict[Name, Json | None] = Field(min_length=1)
    claims: tuple[Claim, ...] = ()
    seeds: Seeds = (0,)
    scales: dict[Name, Changes] = Field(default={"tiny": Changes()})
    """`tiny` is always there: what the file itself says, unless it changes something."""

    @field_validator("scales")
    @classmethod
    def _has_tiny(cls, value: dict[str, Changes]) -> dict[str, Changes]:
        return {"tiny": Changes()} | value
