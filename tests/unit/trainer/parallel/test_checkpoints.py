"""Checkpoints of some number of ranks, taken up by another."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from sample_crews import alone, crew_of, rl_run, state_of

from farfield.trajectory.v1.trajectory_pb2 import Trajectory
from farfield_kernel.errors import DataLoss
from farfield_trainer.learning.learner import Learner
from farfield_trainer.parallel.crew import Commander
from farfield_trainer.run_config import RunConfig


@pytest.fixture(scope="module")
def run(checkpoint: Path) -> RunConfig:
    return rl_run(checkpoint, advantage={"estimator": "ppo_token"}, optimizer={"learning_rate": 1e-2})


@pytest.fixture(scope="module")
def episodes(make_episode: Callable[..., Trajectory]) -> list[Trajectory]:
    return [
        make_episode(([3, 5, 4], [6 + place, 7, 1], float(place % 3)), group=str(place // 2), name=str(place))
        for place in range(5)
    ]


@pytest.fixture(scope="module")
def expected(
    run: RunConfig, episodes: list[Trajectory], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, torch.Tensor]:
    """After three updates in one process."""
    learner = alone(run)
    for _ in range(3):
        learner.update(episodes)
    return state_of(learner, tmp_path_factory.mktemp("alone"))


def assert_close(state: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert state.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(state[key], value, rtol=1e-4, atol=1e-5, msg=key)


def test_from_one_to_two_to_four_to_one(
    run: RunConfig, episodes: list[Trajectory], expected: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    """An update by each, and the state is that of one process that made all of them."""
    learner: Learner | Commander = alone(run)
    learner.update(episodes, {})
    learner.save(tmp_path / "1")
    for before, ranks in ((1, 2), (2, 4)):
        with crew_of(ranks, "fsdp2") as crew:
            learner = crew.open(run)
            learner.load(tmp_path / str(before))
            learner.update(episodes, {})
            learner.save(tmp_path / str(ranks))
            learner.save_pretrained(tmp_path / "published")
    assert len(list((tmp_path / "4").glob("*.safetensors"))) == 4
    again = alone(run)
    again.load(tmp_path / "4")
    assert (again.steps, again.updates) == (3, 3)
    state = state_of(again, tmp_path / "again")
    assert_close(state, expected)
    for name, value in load_file(tmp_path / "published" / "model.safetensors").items():
        assert torch.equal(value, state[f"weights:model.{name}"]), name

    (tmp_path / "4" / "learner-00002-of-00004.safetensors").unlink()
    with pytest.raises(DataLoss, match="there are only"):
        again.load(tmp_path / "4")


def test_a_state_written_by_two_is_taken_up_bit_for_bit(
    run: RunConfig, episodes: list[Trajectory], expected: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    """Deterministic at an equal number of ranks, resumed or not; both kinds read what the other wrote."""
    states = {}
    for kind in ("ddp", "fsdp2"):
        with crew_of(2, kind) as crew:
            first = crew.open(run)
            first.update(episodes, {})
            first.save(tmp_path / kind)
            for _ in range(2):
                first.update(episodes, {})
            states[kind] = state_of(first, tmp_path / f"{kind}-through")
            second = crew.open(run)
            second.load(tmp_path / kind)
            for _ in range(2):
                second.update(episodes, {})
            resumed = state_of(second, tmp_path / f"{kind}-resumed")
            assert all(torch.equal(states[kind][key], resumed[key]) for key in resumed)
            assert_close(resumed, expected)
            crew.open(run).load(tmp_path / "ddp")
    assert json.loads((tmp_path / "fsdp2" / "learner.json").read_text())["updates"] == 1
