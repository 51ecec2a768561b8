"""Configuration of the worker."""

import pytest

from farfield_kernel.config import load
from farfield_rollout.config import RolloutConfig


def test_defaults_are_complete() -> None:
    config = RolloutConfig()
    assert config.policy.timeout_seconds == 600
    assert config.environment.address != config.verifier.address


def test_every_key_is_described() -> None:
    undocumented = [
        name
        for name, field in RolloutConfig.model_fields.items()
        if not field.description and name not in {"log_level", "verifier", "policy", "retry"}
    ]
    assert not undocumented


def test_the_command_line_reaches_sections(tmp_path) -> None:
    file = tmp_path / "rollout.yaml"
    file.write_text("lane: left\nenvironments: {virl: {address: 'virl:1'}}\n")
    config = load(
        RolloutConfig,
        "farfield-rollout",
        ["--config", str(file), "--policy.address", "p:1", "--policy.streams=3", "--lane", "right"],
    )
    assert (config.lane, config.policy.address, config.policy.streams) == ("right", "p:1", 3)
    assert config.environments["virl"].address == "virl:1"


@pytest.mark.parametrize("wrong", [{"concurrency": 0}, {"lease_seconds": 0}, {"policy": {"streams": 0}}])
def test_impossible_values_are_refused(wrong) -> None:
    with pytest.raises(ValueError, match="greater than"):
        RolloutConfig.model_validate(wrong)
