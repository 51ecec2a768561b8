"""What one run is told: the JSON of `StartRun`, the YAML of `farfield train`. Knows no torch."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from farfield.environment.v1.environment_pb2 import EnvironmentRef
from farfield.types.v1.types_pb2 import Sampling
from farfield.verifier.v1.verifier_pb2 import RewardPlan
from farfield_kernel.config import Config, parse
from farfield_kernel.errors import InvalidArgument
from farfield_kernel.reward_plans import EXAMPLE, reward_plan
from farfield_kernel.wire import struct_from
from farfield_trainer.learning.algorithm_config import (
    LearnerConfig,
    LoraConfig,
    OptimizerConfig,
    Precision,
    PublishedDtype,
)

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=32)]
Plan = dict[str, Any]


class EnvironmentChoice(Config):
    """Which environment is played."""

    name: str = Field(min_length=1)
    version: str = ""
    """Exact version; empty takes the hosted one."""
    variant: str = ""
    """A variant's name; empty for the environment's defaults."""
    options: dict[str, Any] = Field(default={})
    """Laid over the variant's options."""

    def ref(self) -> EnvironmentRef:
        return EnvironmentRef(
            name=self.name, version=self.version, variant=self.variant, options=struct_from(self.options)
        )


class SamplingChoice(Config):
    """How responses are drawn."""

    max_new_tokens: int = Field(ge=1)
    """Most tokens of one response."""
    temperature: float = Field(default=1.0, ge=0)
    """0 is greedy; episodes to learn from need more."""
    top_p: float = Field(default=0.0, ge=0, le=1)
    """0 or 1: off."""
    top_k: int = Field(default=0, ge=0)
    """0: off."""
    stop_strings: tuple[str, ...] = ()
    """A response ends after the first of these; it is part of the response."""
    stop_token_ids: tuple[int, ...] = ()
    """Ids that end a response besides the model's own."""

    def message(self) -> Sampling:
        return Sampling(**self.model_dump())


class RlAlgorithm(LearnerConfig):
    """Reinforcement learning on episodes that the policy plays."""

    kind: Literal["rl"] = "rl"

    def learner(self, deterministic: bool) -> LearnerConfig:
        values = self.model_dump(exclude={"kind"})
        if deterministic:
            values |= {"deterministic": True, "recompute_behaviour": True}
        return LearnerConfig(**values)


class SftAlgorithm(Config):
    """Supervised fine-tuning on the environment's demonstrations, one optimizer step an update."""

    kind: Literal["sft"] = "sft"
    optimizer: OptimizerConfig = OptimizerConfig()
    micro_batch_tokens: int = Field(default=4096, ge=1)
    """Most tokens of one forward pass; changes memory and speed, never the result."""
    share_prefixes: bool = True
    """Compute tokens that sequences of one update begin with in common only once."""
    gradient_checkpointing: bool = False
    """Keep only what enters each layer, as for `kind: rl`."""
    precision: Precision = "fp32"
    """As for `kind: rl`."""
    publish_dtype: PublishedDtype = "auto"
    """Of published weights, as for `kind: rl`."""
    lora: LoraConfig | None = None
    """Train an adapter over the base; absent, all weights."""

    def learner(self, deterministic: bool) -> LearnerConfig:
        return LearnerConfig(**self.model_dump(exclude={"kind"}), deterministic=deterministic)


class BatchConfig(Config):
    """The episodes of one RL update: `groups` starts, each played `group_size` times."""

    groups: int = Field(ge=1)
    group_size: int = Field(default=1, ge=1)
    max_turns: int = Field(default=0, ge=0)
    """A guard over the environment's own budget of turns. 0: none."""

    @property
    def episodes(self) -> int:
        return self.groups * self.group_size


class DemonstrationConfig(Config):
    """What SFT imitates. Update u takes the seeds from seed_offset + u * batch_size on."""

    style: str = Field(min_length=1)
    """One of the environment's demonstration styles."""
    batch_size: int = Field(ge=1)
    """Seeds of one update."""
    seed_offset: int = Field(default=0, ge=0, lt=2**40)
    """Skips this many seeds of the run's sequence."""


class SuiteConfig(Config):
    """Episodes on which weights are measured: the same ones at every version and in every run."""

    environment: EnvironmentChoice
    episodes: int = Field(ge=1)
    seed: int = Field(default=0, ge=0)
    """Decides the episodes; runs and suites with the same seed play the same starts."""
    sampling: SamplingChoice | None = None
    """Absent: the run's sampling."""
    reward: Plan | None = None
    """Absent: the run's reward."""
    max_turns: int = Field(default=0, ge=0)
    """A guard over the environment's own budget of turns. 0: none."""

    @field_validator("reward")
    @classmethod
    def _is_a_plan(cls, value: Plan | None) -> Plan | None:
        return value if value is None else _checked_plan(value)


class EvaluationConfig(Config):
    """When weights are measured, and on what."""

    suites: dict[Name, SuiteConfig] = Field(default={})
    every: int = Field(default=0, ge=0)
    """After each this many updates; 0: only at the ends."""
    at_start: bool = True
    """Measure the base, version 0."""
    at_end: bool = True
    """Measure the last version."""
    keep_episodes: int = Field(default=12, ge=0)
    """How many episodes of each suite and version are kept to be read."""


class CheckpointConfig(Config):
    """When the whole state is written, so that the run survives its process."""

    every: int = Field(default=5, ge=1)
    """After each this many updates, and at the end. Episodes since the last one are kept in the queue."""
    keep: int = Field(default=2, ge=1)
    """How many are kept; more than one, so that a torn one does not end the run."""


class RunConfig(Config):
    """One run."""

    algorithm: Annotated[RlAlgorithm | SftAlgorithm, Field(discriminator="kind")]
    """`kind: rl` or `kind: sft`, and its settings."""
    base: Path
    """The checkpoint to start from: a folder in Hugging Face format."""
    base_tokens: int = Field(default=0, ge=0)
    """Tokens that the base was trained on before: D_init of the compute axis."""
    environment: EnvironmentChoice
    """What is trained on."""
    reward: Plan = Field(default={})
    """A RewardPlan in its JSON form, e.g. {leaf: {verifier: generalpoints}}."""
    sampling: SamplingChoice | None = None
    """How responses are drawn, in training and (unless a suite says otherwise) in evaluation."""
    seed: int = Field(default=0, ge=0)
    """Decides which episodes are played and how they are drawn."""
    updates: int = Field(ge=0)
    """How many; 0 only evaluates the base."""
    batch: BatchConfig | None = None
    """RL: the episodes of one update."""
    demonstrations: DemonstrationConfig | None = None
    """SFT: the demonstrations of one update."""
    max_staleness: int = Field(default=0, ge=0)
    """How many versions older than an update's own the weights may be that play its episodes. 0: exactly
    on-policy. Above, so many batches are played ahead while the trainer learns."""
    max_failed_fraction: float = Field(default=0.25, ge=0, le=1)
    """The run stops, resumable, when more episodes of one update or suite than this have failed."""
    deterministic: bool = False
    """The same seed gives the same weights bit for bit, also after kills. Behaviour logprobs are then
    recomputed by the trainer. Needs max_staleness 0."""
    evaluation: EvaluationConfig = EvaluationConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    keep_weights: int = Field(default=2, ge=2)
    """How many published versions stay on disk, besides those still being evaluated."""
    keep_versions: tuple[int, ...] = ()
    """Versions that are published and stay for good, so that other runs can start from them."""

    @field_validator("reward")
    @classmethod
    def _is_a_plan(cls, value: Plan) -> Plan:
        return _checked_plan(value) if value else value

    @model_validator(mode="after")
    def _is_complete(self) -> "RunConfig":
        missing = [*self._missing_for_training(), *self._missing_for_suites()]
        if missing:
            raise ValueError("; ".join(missing))
        return self

    def _missing_for_training(self) -> list[str]:
        if isinstance(self.algorithm, SftAlgorithm):
            if self.updates and self.demonstrations is None:
                return ["sft needs demonstrations: write demonstrations: {style: …, batch_size: 64}"]
            return []
        return self._missing_for_rl(self.algorithm.advantage.estimator) if self.updates else []

    def _missing_for_rl(self, estimator: str) -> list[str]:
        wrong = []
        if self.batch is None:
            wrong.append("rl needs a batch: write batch: {groups: 32, group_size: 4}")
        elif estimator in ("grpo", "rloo", "score") and self.batch.group_size < 2:
            wrong.append(f"{estimator} compares the episodes of a group: write batch.group_size: 2 or more")
        if not self.reward:
            wrong.append(f"rl needs a reward: write reward: {EXAMPLE}")
        if self.sampling is None:
            wrong.append("rl needs sampling: write sampling: {max_new_tokens: 64, temperature: 1}")
        elif self.sampling.temperature <= 0:
            wrong.append("rl cannot learn from greedy episodes: write sampling.temperature above 0")
        if self.deterministic and self.max_staleness:
            wrong.append("deterministic needs max_staleness: 0, since older weights play by chance of timing")
        return wrong

    def _missing_for_suites(self) -> list[str]:
        wrong = []
        for name, suite in self.evaluation.suites.items():
            if suite.sampling is None and self.sampling is None:
                wrong.append(f"suite {name} needs sampling: write sampling: {{max_new_tokens: 64}}")
            if suite.reward is None and not self.reward:
                wrong.append(f"suite {name} needs a reward: write reward: {EXAMPLE}")
        return wrong

    @property
    def publishes_adapters(self) -> bool:
        """Whether versions are adapters over the base."""
        lora = self.algorithm.lora
        return lora is not None and lora.publish == "adapter"

    def reward_plan(self) -> RewardPlan:
        return reward_plan(self.reward)

    def suite_reward(self, suite: SuiteConfig) -> RewardPlan:
        return reward_plan(suite.reward or self.reward)


def _checked_plan(value: Plan) -> Plan:
    reward_plan(value)
    return value


def run_config(text: str) -> RunConfig:
    """The config of `StartRun`; InvalidArgument says what is wrong with it and what to write."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise InvalidArgument(f"config_json is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise InvalidArgument(f"config_json is a {type(data).__name__}; it has to be an object of keys")
    return parse(RunConfig, data, "run config")
