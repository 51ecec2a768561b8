"""Two ranks and one process: the same gradient, the same loss, the same figures.

In float64, where a difference is a fault and not rounding. The learning rate is so small that every step of
an update sees the same weights; the first moments are then sums of the steps' gradients.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import build_checkpoint
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file
from sample_crews import alone, rl_run, sft_run, state_of

from farfield.trajectory.v1.trajectory_pb2 import FAILURE_ENVIRONMENT, Trajectory
from farfield.types.v1.types_pb2 import STATE_TRUNCATED
from farfield_model.images import ImageFile
from farfield_model.loading import load_module
from farfield_trainer.learning.sft import SupervisedSample
from farfield_trainer.parallel.crew import Crew
from farfield_trainer.run_config import RunConfig

STILL = {"learning_rate": 1e-12, "max_grad_norm": 1e9}
EXACT = {"optimizer": STILL, "precision": "fp64"}
TOLERANCE, LEAST = 1e-6, 1e-3
"""Of a gradient's size; of `LEAST` where the episodes' gradients cancel."""
ESTIMATORS = ["grpo", "rloo", "reinforce++", "ppo_token", "ppo_turn", "score"]
PENALTIES = [
    {},
    {"coefficient": 0.1, "first_turn_coefficient": 0.3},
    {"coefficient": 0.1, "placement": "reward"},
]
EXAMPLES = 4
examples = settings(
    max_examples=EXAMPLES, phases=[Phase.generate], suppress_health_check=list(HealthCheck), database=None
)

words = st.integers(5, 30)
answers = st.lists(words, min_size=1, max_size=6)


@st.composite
def plays(draw: st.DrawFn, make_episode: Callable[..., Trajectory]) -> list[Trajectory]:
    """One to nine episodes of one to three turns; some failed, some cut off, some turns ungraded."""
    return [_play(draw, make_episode, place) for place in range(draw(st.integers(1, 9)))]


def _play(draw: st.DrawFn, make_episode: Callable[..., Trajectory], place: int) -> Trajectory:
    ids = [3, *draw(st.sampled_from([[5, 6], [5, 7, 8], [9]])), 4]
    turns = []
    for _ in range(draw(st.integers(1, 3))):
        answer = draw(answers)
        turns.append((list(ids), answer, draw(st.sampled_from([0.0, 0.5, 1.0, 1.0, None]))))
        ids += [*answer, 3, 12, 4]
    episode = make_episode(*turns, group=str(place // 3), name=f"e{place}")
    kind = draw(st.sampled_from(["", "", "", "failed", "cut off"]))
    if kind == "failed":
        episode.failure = FAILURE_ENVIRONMENT
    if kind == "cut off":
        episode.end = STATE_TRUNCATED
    return episode


def gradients(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key: value for key, value in state.items() if key.endswith("/exp_avg")}


def assert_same_figures(expected: dict[str, float], figures: dict[str, float]) -> None:
    assert figures.keys() == expected.keys()
    for name, value in expected.items():
        assert figures[name] == pytest.approx(value, rel=1e-5, abs=TOLERANCE, nan_ok=True), name


def assert_same(
    crew: Crew, run: RunConfig, learn: Callable[[Any], dict[str, float]], tolerance: float = TOLERANCE
) -> None:
    one, two = alone(run), crew.open(run)
    expected, figures = learn(one), learn(two)
    assert_same_figures(expected, figures)
    with tempfile.TemporaryDirectory() as folder:
        mine, theirs = (gradients(state_of(each, Path(folder, type(each).__name__))) for each in (one, two))
    assert theirs.keys() == mine.keys()
    if mine:
        whole, parts = (torch.cat([each[key].flatten() for key in mine]) for each in (mine, theirs))
        assert (whole - parts).norm() <= tolerance * max(whole.norm().item(), LEAST)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_of_reinforcement_learning(
    pair: Crew, checkpoint: Path, make_episode: Callable[..., Trajectory], estimator: str
) -> None:
    @examples
    @given(
        plays(make_episode),
        st.fixed_dictionaries(
            {
                "micro_batch_tokens": st.sampled_from([8, 24, 2048]),
                "minibatches": st.integers(1, 2),
                "epochs": st.integers(1, 2),
                "share_prefixes": st.booleans(),
                "gradient_checkpointing": st.booleans(),
                "loss": st.fixed_dictionaries(
                    {"aggregation": st.sampled_from(["token_mean", "sequence_mean", "turn_mean"])}
                ),
                "kl": st.sampled_from(PENALTIES),
            }
        ),
    )
    def check(episodes: Sequence[Trajectory], algorithm: dict[str, Any]) -> None:
        run = rl_run(checkpoint, advantage={"estimator": estimator}, **EXACT, **algorithm)
        assert_same(pair, run, lambda learner: learner.update(episodes, {}))

    check()


def test_of_supervised_learning(pair: Crew, checkpoint: Path) -> None:
    texts = st.text("abcdefgh ", min_size=1, max_size=12).map(lambda text: "a " + " ".join(text))
    samples = st.builds(
        lambda said, answer, weight: SupervisedSample([("user", said), ("assistant", answer)], [weight]),
        texts,
        texts,
        st.sampled_from([0.0, 0.15, 1.0]),
    )

    @examples
    @given(st.lists(samples, min_size=1, max_size=7), st.sampled_from([8, 40, 2048]), st.booleans())
    def check(demonstrations: Sequence[SupervisedSample], tokens: int, recompute: bool) -> None:
        run = sft_run(checkpoint, **EXACT, micro_batch_tokens=tokens, gradient_checkpointing=recompute)
        assert_same(pair, run, lambda learner: learner.fit(demonstrations))

    check()


def test_of_adapters(
    pair: Crew, checkpoint: Path, make_episode: Callable[..., Trajectory], tmp_path: Path
) -> None:
    """Beside a model that is held against itself without them; later updates, since a fresh B hides A's
    gradient. Published, they are those of one process."""
    episodes = [make_episode(([3, 4], [5 + place, 6], float(place)), name=str(place)) for place in range(4)]
    settings: dict[str, Any] = {
        "advantage": {"estimator": "ppo_token"},
        "kl": {"coefficient": 0.1},
        "optimizer": {"learning_rate": 1e-2, "eps": 1e-3},
        "micro_batch_tokens": 8,
    }
    lora = {"rank": 3, "target_modules": ["q_proj", "down_proj"]}
    run = rl_run(checkpoint, lora=lora, **settings)
    one, two = alone(run), pair.open(run)
    for number in range(3):
        assert_same_figures(one.update(episodes, {}), two.update(episodes, {}))
        for each, name in ((one, "one"), (two, "two")):
            each.save_pretrained(tmp_path / f"{name}-{number}")
    mine, theirs = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("one-2", "two-2"))
    assert theirs.keys() == mine.keys()
    assert any(item.abs().max() > 1e-3 for name, item in mine.items() if "lora_B" in name)
    for name, item in mine.items():
        torch.testing.assert_close(theirs[name], item, atol=1e-6, rtol=1e-4, msg=name)
    state, again = state_of(two, tmp_path / "state"), alone(run)
    again.load(tmp_path / "state")
    assert all(torch.equal(state[name], item) for name, item in state_of(again, tmp_path / "again").items())
    merging = pair.open(rl_run(checkpoint, lora={**lora, "publish": "merged"}, **settings))
    merging.load(tmp_path / "state")
    merging.save_pretrained(tmp_path / "merged")
    whole = load_module(tmp_path / "two-2").state_dict()
    for name, item in load_file(tmp_path / "merged" / "model.safetensors").items():
        torch.testing.assert_close(item, whole[name], atol=1e-6, rtol=1e-5, msg=name)


@pytest.mark.parametrize("shown", [0, 1, 3])
def test_of_images(pair: Crew, vision_checkpoint: Path, make_png: Callable[..., bytes], shown: int) -> None:
    """Also where one rank alone sees images, and where none does: then the tower is left as it is."""
    pictures = [ImageFile.of(make_png(seed)) for seed in range(shown)]
    talk = [SupervisedSample([("user", (picture, "a b")), ("assistant", "c")]) for picture in pictures]
    talk += [SupervisedSample([("user", "d"), ("assistant", "e f")])] * 2
    run = sft_run(vision_checkpoint, **EXACT, micro_batch_tokens=8)
    assert_same(pair, run, lambda learner: learner.fit(talk))


def test_of_weights_that_are_there_twice(pair: Crew, checkpoint: Path, tmp_path: Path) -> None:
    """Embeddings tied to the output head stay one weight, and are published as one."""
    base = build_checkpoint(tmp_path / "base", tied=True)
    talk = [SupervisedSample([("user", "d"), ("assistant", word)]) for word in ("e f", "g", "h i j")]
    run = sft_run(base, **EXACT, micro_batch_tokens=8)
    assert_same(pair, run, lambda learner: learner.fit(talk))
    pair.open(run).save_pretrained(tmp_path)
    names = safe_open(tmp_path / "model.safetensors", "pt").keys()
    assert names == safe_open(base / "model.safetensors", "pt").keys()
    assert "lm_head.weight" not in names


@pytest.mark.parametrize("lora", [None, {"rank": 3}])
def test_of_bf16(
    pair: Crew, checkpoint: Path, make_episode: Callable[..., Trajectory], lora: dict[str, Any] | None
) -> None:
    """The same passes, in the same arithmetic; but shared layers round the gradients of norms too."""
    episodes = [make_episode(([3, 4], [5 + place, 6], float(place)), name=str(place)) for place in range(4)]
    settings: dict[str, Any] = {"precision": "bf16", "micro_batch_tokens": 8, "share_prefixes": False}
    run = rl_run(checkpoint, optimizer=STILL, lora=lora, **settings)
    assert_same(pair, run, lambda learner: learner.update(episodes, {}), tolerance=2**-10)
