"""Whether services take the configuration that the chart writes for them."""

from typing import Any

from rendering import WORKLOADS, Object, config, labels, of

from farfield_environment.config import EnvironmentConfig
from farfield_kernel.config import parse
from farfield_policy.config import PolicyConfig
from farfield_rollout.config import RolloutConfig
from farfield_trainer.config import TrainerConfig
from farfield_verifier.config import VerifierConfig

CONFIGS: dict[str, Any] = {
    "environment": EnvironmentConfig,
    "verifier": VerifierConfig,
    "policy": PolicyConfig,
    "rollout": RolloutConfig,
    "trainer": TrainerConfig,
}


def accepted(objects: list[Object]) -> dict[str, Any]:
    """The configuration of every workload but Redis, as its service reads it, by its name."""
    found = {}
    for one in of(objects, *WORKLOADS):
        kind, name = labels(one)["farfield.dev/kind"], one["metadata"]["name"]
        if kind in CONFIGS:
            found[name] = parse(CONFIGS[kind], config(objects, name), name)
    return found
