"""From a suite to its episodes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from farfield.environment.v1.environment_pb2 import EnvironmentInfo, EnvironmentRef
from farfield.policy.v1.policy_pb2 import DescribeResponse, WeightVersion
from farfield.trajectory.v1.trajectory_pb2 import PURPOSE_EVAL, EpisodeSpec
from farfield.types.v1.types_pb2 import Sampling
from farfield.verifier.v1.verifier_pb2 import RewardPlan
from farfield_cli.evaluation.settings import Settings
from farfield_cli.evaluation.suites import PromptForm, Suite
from farfield_cli.services import environment_ref, leaf_plan
from farfield_kernel.seeds import evaluation_sampling_seed, evaluation_seed

_SMALL_VOCABULARY = 2000
"""A policy with fewer tokens speaks the compact prompt: none reads sentences with so few."""


@dataclass(frozen=True, slots=True)
class EvalPlan:
    """A suite as it is played: everything resolved."""

    suite: Suite
    environments: Mapping[str, EnvironmentRef]
    """By variant."""
    reward: RewardPlan
    sampling: Sampling
    prompt: PromptForm | None
    """None where the environment has no such option."""
    weights: WeightVersion
    episodes: int
    seed: int

    def specs(self, token: str) -> list[EpisodeSpec]:
        """Variant by variant. `token` keeps the sessions of two evaluations at one environment apart."""
        return [
            self._spec(f"eval-{token}/{variant}/{index:05d}", variant, index)
            for variant in self.environments
            for index in range(self.episodes)
        ]

    def _spec(self, episode_id: str, variant: str, index: int) -> EpisodeSpec:
        """With weights that have a name, the episode asks for exactly those: it fails rather than mix."""
        return EpisodeSpec(
            episode_id=episode_id,
            run_id=self.weights.run_id,
            purpose=PURPOSE_EVAL,
            environment=self.environments[variant],
            reward=self.reward,
            environment_seed=evaluation_seed(self.seed, index),
            sampling_seed=evaluation_sampling_seed(self.seed, index),
            sampling=self.sampling,
            index=index,
            policy_version=self.weights.version,
            suite=variant,
        )


def planned(settings: Settings, suite: Suite, info: EnvironmentInfo, policy: DescribeResponse) -> EvalPlan:
    prompt = _prompt(settings, info, policy)
    options: dict[str, Any] = {**suite.options, **({"prompt": prompt} if prompt else {}), **settings.options}
    longest = settings.max_new_tokens or suite.longest[prompt or "paper"]
    return EvalPlan(
        suite=suite,
        environments={
            part.variant: environment_ref(suite.environment, part.variant, options) for part in suite.parts
        },
        reward=leaf_plan(suite.environment, {**suite.rewards, **settings.rewards}),
        sampling=Sampling(max_new_tokens=longest, temperature=settings.temperature),
        prompt=prompt,
        weights=policy.weights,
        episodes=settings.episodes,
        seed=settings.seed,
    )


def _prompt(settings: Settings, info: EnvironmentInfo, policy: DescribeResponse) -> PromptForm | None:
    if settings.prompt:
        return settings.prompt
    if '"prompt"' not in info.options_schema_json:
        return None
    return "compact" if 0 < policy.vocabulary < _SMALL_VOCABULARY else "paper"
