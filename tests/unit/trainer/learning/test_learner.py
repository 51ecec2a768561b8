from collections.abc import Callable
from pathlib import Path
from weakref import ref

import numpy as np
import pytest
import torch

from farfield.trajectory.v1.trajectory_pb2 import FAILURE_ENVIRONMENT, Trajectory
from farfield_kernel.errors import DataLoss, NotFound
from farfield_trainer.learning.algorithm_config import LearnerConfig
from farfield_trainer.learning.learner import Learner
from farfield_trainer.learning.ranks import Alone
from farfield_trainer.learning.sft import SupervisedSample

PROMPT = [3, 5, 1, 4]
TALK = [("user", "a b"), ("assistant", "c d"), ("user", "e"), ("assistant", "f")]


def config(**settings: object) -> LearnerConfig:
    return LearnerConfig.model_validate(settings)


def weights_of(learner: Learner) -> dict[str, torch.Tensor]:
    return learner.state()["weights"]


def same(first: Learner, second: Learner) -> bool:
    one, other = weights_of(first), weights_of(second)
    return all(torch.equal(one[name], other[name]) for name in one | other)


@pytest.fixture
def episodes(make_episode: Callable[..., Trajectory]) -> list[Trajectory]:
    draw = np.random.default_rng(0)
    return [
        make_episode(
            (PROMPT, [*draw.integers(5, 20, 3).tolist(), 1], float(place % 2)), group=str(place // 4)
        )
        for place in range(8)
    ]


@pytest.mark.parametrize("estimator", ["grpo", "rloo", "reinforce++", "ppo_token", "ppo_turn", "score"])
def test_a_bandit_is_learned(
    checkpoint: Path, make_episode: Callable[..., Trajectory], estimator: str
) -> None:
    """One token decides; token 7 pays. Sampled from the learner's own policy, its reward has to rise."""
    learner = Learner(
        config(
            advantage={"estimator": estimator},
            optimizer={"learning_rate": 1e-2},
            turn_action={"thought_coefficient": 1.0},
        ),
        checkpoint,
        seed=0,
    )
    model, draw = learner._policy.model, torch.Generator().manual_seed(0)
    chances = []
    for _ in range(12):
        table = distribution(learner, PROMPT)
        chances.append(table[7].item())
        drawn = torch.multinomial(table, 64, replacement=True, generator=draw).tolist()
        played = [
            make_episode(
                (PROMPT, [token], float(token == 7)), logprobs=[[table[token].log().item()]], group="bandit"
            )
            for token in drawn
        ]
        figures = learner.update(played)
        assert figures["mismatch_ratio_max"] == pytest.approx(1, abs=1e-4)
    assert model.training is False
    assert chances[0] < 0.2
    assert chances[-1] > 0.5


def distribution(learner: Learner, prompt: list[int]) -> torch.Tensor:
    """The policy's next-token probabilities, from a plain forward pass of its published weights."""
    from transformers import LlamaForCausalLM

    model = LlamaForCausalLM(learner._policy.model.config).eval()
    model.load_state_dict(learner._policy.model.state_dict())
    with torch.no_grad():
        return model(torch.tensor([prompt])).logits[0, -1].softmax(-1)


def test_recomputed_logprobs_are_the_sampled_ones(
    checkpoint: Path, make_episode: Callable[..., Trajectory], true_logprobs: Callable[..., list[float]]
) -> None:
    first, second = [8, 9, 1], [10, 1]
    later = [*PROMPT, *first, 3, 6, 1, 4]
    said = [true_logprobs(PROMPT, first, 0.7), true_logprobs(later, second, 0.7)]
    episode = make_episode((PROMPT, first, 0.0), (later, second, 1.0), logprobs=said, temperature=0.7)
    figures = Learner(config(), checkpoint, seed=0).update([episode])
    assert figures["mismatch_ratio_max"] == pytest.approx(1, abs=1e-4)
    assert figures["mismatch_k3"] < 1e-8


def test_an_update_does_not_depend_on_passes_or_sharing(checkpoint: Path, episodes: list[Trajectory]) -> None:
    ways = [
        {"micro_batch_tokens": 1, "share_prefixes": False},
        {"micro_batch_tokens": 20},
        {"micro_batch_tokens": 5000},
    ]
    learners = [Learner(config(optimizer={"eps": 1e-3}, **way), checkpoint, seed=0) for way in ways]
    figures = [learner.update(episodes) for learner in learners]
    for other, found in zip(learners[1:], figures[1:], strict=True):
        assert found == pytest.approx(figures[0], abs=1e-5, rel=1e-5)
        for name, value in weights_of(other).items():
            torch.testing.assert_close(value, weights_of(learners[0])[name], atol=1e-6, rtol=0)


def test_failures_are_counted_and_change_nothing(checkpoint: Path, episodes: list[Trajectory]) -> None:
    broken = Trajectory()
    broken.CopyFrom(episodes[0])
    broken.turns[0].verdict.reward = 1e9
    broken.failure = FAILURE_ENVIRONMENT
    with_failure, without = (Learner(config(), checkpoint, seed=0) for _ in range(2))
    figures = with_failure.update([broken, *episodes])
    without.update(episodes)
    assert figures["episodes_failed"] == 1
    assert same(with_failure, without)


def test_an_update_of_failures_alone_takes_no_step(checkpoint: Path, episodes: list[Trajectory]) -> None:
    for episode in episodes:
        episode.failure = FAILURE_ENVIRONMENT
    learner, untouched = (Learner(config(), checkpoint, seed=0) for _ in range(2))
    figures = learner.update(episodes)
    assert (figures["episodes_failed"], figures["turns_trained"], learner.steps) == (8, 0, 0)
    assert same(learner, untouched)


def test_epochs_and_minibatches_make_steps(checkpoint: Path, episodes: list[Trajectory]) -> None:
    learner = Learner(config(epochs=3, minibatches=2), checkpoint, seed=0)
    figures = learner.update(episodes)
    assert learner.steps == 6
    assert learner.tokens_trained == 3 * 8 * 8
    assert figures["ratio_max"] > 1


def test_an_on_policy_step_needs_no_second_pass_and_equals_one(
    checkpoint: Path, episodes: list[Trajectory]
) -> None:
    """A reference in the reward, at a weight that changes nothing, makes old logprobs a pass of their own."""
    direct = Learner(config(optimizer={"eps": 1e-3}), checkpoint, seed=0)
    scored = Learner(
        config(optimizer={"eps": 1e-3}, kl={"coefficient": 1e-9, "placement": "reward"}), checkpoint, seed=0
    )
    first, second = direct.update(episodes), scored.update(episodes)
    assert first["loss"] == pytest.approx(second["loss"], abs=1e-6)
    for name, value in weights_of(direct).items():
        torch.testing.assert_close(value, weights_of(scored)[name], atol=1e-6, rtol=0)


def test_kl_holds_the_policy_near_its_start(checkpoint: Path, episodes: list[Trajectory]) -> None:
    drifts = []
    for coefficient in (1e-6, 10.0):
        learner = Learner(
            config(kl={"coefficient": coefficient}, optimizer={"learning_rate": 3e-3}), checkpoint, seed=0
        )
        drifts.append([learner.update(episodes)["kl"] for _ in range(8)])
    assert drifts[0][0] == pytest.approx(0, abs=1e-9)
    assert drifts[1][-1] < 0.5 * drifts[0][-1]


def test_fit_learns_its_demonstrations(checkpoint: Path) -> None:
    learner = Learner(config(optimizer={"learning_rate": 1e-2}), checkpoint, seed=0)
    figures = [learner.fit([SupervisedSample(TALK)]) for _ in range(25)]
    assert figures[-1]["loss"] < 0.1 * figures[0]["loss"]
    assert figures[0]["target_tokens"] == 5
    assert learner.tokens_trained == 25 * 14


def test_fit_is_the_weighted_token_mean_in_any_passes(
    checkpoint: Path, true_logprobs: Callable[..., list[float]]
) -> None:
    other = SupervisedSample([("user", "g"), ("assistant", "h i j")])
    samples = [SupervisedSample(TALK, [0.25, 1.0]), other]
    first = true_logprobs([3, 5, 6, 1, 4], [7, 8, 1])
    second = true_logprobs([3, 5, 6, 1, 4, 7, 8, 1, 3, 9, 1, 4], [10, 1])
    third = true_logprobs([3, 11, 1, 4], [12, 13, 14, 1])
    expected = -(0.25 * sum(first) + sum(second) + sum(third)) / (0.25 * 3 + 2 + 4)
    for budget in (1, 1000):
        figures = Learner(config(micro_batch_tokens=budget), checkpoint, seed=0).fit(samples)
        assert figures["loss"] == pytest.approx(expected, abs=1e-5)


def test_fit_without_targets_takes_no_step(checkpoint: Path) -> None:
    learner = Learner(config(), checkpoint, seed=0)
    assert learner.fit([])["target_tokens"] == 0
    assert learner.steps == 0


@pytest.fixture
def deterministic_mode():
    yield
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(1)


@pytest.mark.usefixtures("deterministic_mode")
def test_deterministic_mode_is_that_of_its_run_alone(checkpoint: Path) -> None:
    for deterministic, threads in ((True, 1), (False, 2)):
        Learner(config(deterministic=deterministic), checkpoint, seed=0, threads=2)
        assert torch.are_deterministic_algorithms_enabled() == deterministic
        assert torch.get_num_threads() == threads


@pytest.mark.usefixtures("deterministic_mode")
@pytest.mark.parametrize("estimator", ["grpo", "ppo_turn"])
def test_a_resumed_run_is_bit_identical(
    checkpoint: Path, episodes: list[Trajectory], tmp_path: Path, estimator: str
) -> None:
    settings = config(
        advantage={"estimator": estimator},
        minibatches=2,
        epochs=2,
        deterministic=True,
        optimizer={"schedule": "cosine", "total_steps": 50},
    )
    straight, stopped = (Learner(settings, checkpoint, seed=5) for _ in range(2))
    for learner in (straight, stopped):
        learner.update(episodes)
        learner.fit([SupervisedSample(TALK)])
    stopped.save(tmp_path)
    resumed = Learner(settings, checkpoint, seed=5)
    resumed.load(tmp_path)
    ends = [
        (learner.update(episodes), learner.fit([SupervisedSample(TALK)])) for learner in (straight, resumed)
    ]
    assert ends[0] == ends[1]
    assert same(straight, resumed)
    assert not same(straight, stopped)
    assert (straight.steps, straight.tokens_trained) == (resumed.steps, resumed.tokens_trained)


@pytest.mark.parametrize("strange", [-1, 31])
def test_ids_beyond_the_vocabulary_are_data_loss(
    checkpoint: Path, make_episode: Callable[..., Trajectory], strange: int
) -> None:
    learner = Learner(config(), checkpoint, seed=0)
    with pytest.raises(DataLoss, match="beyond the vocabulary of 31"):
        learner.update([make_episode((PROMPT, [5, strange], 1.0))])


def test_state_is_a_copy(checkpoint: Path, episodes: list[Trajectory]) -> None:
    learner, fresh = (Learner(config(), checkpoint, seed=0) for _ in range(2))
    before = learner.state()["weights"]
    learner.update(episodes)
    assert not same(learner, fresh)
    assert all(torch.equal(before[name], item) for name, item in weights_of(fresh).items())


class Counting(Alone):
    """Notes what it places, and how many weights of those are still there when the next is placed."""

    def __init__(self) -> None:
        self.placed_at: dict[str, ref[torch.Tensor]] = {}
        self.weights_alive: list[int] = []

    def placed(self, stored, key, like, device):
        weights = [held for name, held in self.placed_at.items() if name.startswith("weights:")]
        self.weights_alive.append(sum(held() is not None for held in weights))
        tensor = super().placed(stored, key, like, device)
        self.placed_at[key] = ref(tensor)
        return tensor


def test_a_resume_holds_no_tensor_twice_but_one(
    checkpoint: Path, episodes: list[Trajectory], tmp_path: Path
) -> None:
    written = Learner(config(), checkpoint, seed=0)
    written.update(episodes)
    written.save(tmp_path)
    counting = Counting()
    learner = Learner(config(), checkpoint, seed=0, ranks=counting)
    learner.load(tmp_path)
    assert max(counting.weights_alive) <= 1
    moments = learner._optimizer.state()
    assert moments
    assert all(counting.placed_at[f"optimizer:{path}"]() is item for path, item in moments.items())


def test_torn_and_foreign_states_are_data_loss(checkpoint: Path, tmp_path: Path) -> None:
    learner = Learner(config(), checkpoint, seed=0)
    with pytest.raises(DataLoss, match="cannot be read"):
        learner.load(tmp_path)
    learner.save(tmp_path)
    critic = Learner(config(advantage={"estimator": "ppo_turn"}), checkpoint, seed=0)
    with pytest.raises(DataLoss, match="value"):
        critic.load(tmp_path)
    whole = (tmp_path / "learner.safetensors").read_bytes()
    (tmp_path / "learner.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataLoss, match="cannot be read"):
        learner.load(tmp_path)


def test_published_weights_load_with_transformers(
    checkpoint: Path, episodes: list[Trajectory], tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    learner = Learner(config(advantage={"estimator": "ppo_token"}), checkpoint, seed=0)
    learner.update(episodes)
    learner.save_pretrained(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    for name, item in loaded.named_parameters():
        assert torch.equal(item, weights_of(learner)[f"model.{name}"])
    assert AutoTokenizer.from_pretrained(tmp_path).chat_template
    assert learner.parameters == sum(item.numel() for item in loaded.parameters())


def test_a_missing_checkpoint_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        Learner(config(), tmp_path / "nowhere", seed=0)
