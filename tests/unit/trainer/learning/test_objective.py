"""Whole objectives: against a plain second writing, and under any split into passes and ranks."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from farfield_model.loading import load_module
from farfield_trainer.learning.algorithm_config import LearnerConfig
from farfield_trainer.learning.layout import layout, wanted
from farfield_trainer.learning.meter import Meter
from farfield_trainer.learning.model import Policy
from farfield_trainer.learning.objective import Objective, Scores, estimate
from farfield_trainer.learning.packing import pack
from farfield_trainer.learning.samples import Batch, gather

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def policy(checkpoint: Path) -> Policy:
    policy = Policy(load_module(checkpoint).double(), with_values=True).double()
    torch.manual_seed(1)
    torch.nn.init.normal_(policy.value.weight, std=0.1)
    return policy


@pytest.fixture(scope="module")
def batch(make_episode) -> Batch:
    """Three groups of three episodes of one to three turns."""
    draw = np.random.default_rng(3)
    episodes = []
    for place in range(9):
        prompt, turns = [3, 5 + place // 3, 6, 4], []
        for _ in range(draw.integers(1, 4)):
            response = [*draw.integers(5, 12, draw.integers(1, 4)).tolist(), 1]
            turns.append((prompt, response, float(draw.normal())))
            prompt = [*prompt, *response, 3, 12, 4]
        said = [draw.normal(-2.5, 0.5, len(response)).tolist() for _, response, _ in turns]
        episodes.append(make_episode(*turns, group=str(place // 3), logprobs=said, temperature=0.8))
    return gather(episodes, answer_key="9", decode=lambda ids: " ".join(map(str, ids)))


def scores_of(batch: Batch, by_turn: bool) -> Scores:
    draw = torch.Generator().manual_seed(0)
    tokens = sum(turn.length for turn in batch.turns)
    items = len(batch.turns) if by_turn else tokens
    return Scores(
        old=torch.randn(tokens, generator=draw) * 0.3 - 2.5,
        reference=torch.randn(tokens, generator=draw) * 0.3 - 2.5,
        values=torch.randn(items, generator=draw),
    )


def gradients(
    policy: Policy,
    config: LearnerConfig,
    batch: Batch,
    parts: list[list[int]],
    *,
    budget: int = 10_000,
    share: bool = True,
) -> tuple[float, list[torch.Tensor]]:
    """Loss and gradients summed over `parts` (ranks), each cut into passes of `budget` tokens."""
    by_turn = config.advantage.estimator == "ppo_turn"
    ids = [sequence.ids for sequence in batch.sequences]
    flat, scores = layout(batch.turns, len(ids)), scores_of(batch, by_turn)
    objective = Objective(config, batch, flat, scores, CPU)
    weights, loss, meter = objective.weights(list(range(len(ids)))), 0.0, Meter()
    policy.zero_grad(set_to_none=False)
    for members in parts:
        for micro in pack(ids, members, budget, share=share, token_cost=1000):
            want = wanted(micro, flat, CPU)
            temperatures = torch.full((len(want.tokens),), 0.8)
            places = want.prompts if by_turn else want.sources
            scored = policy(micro, want.sources, want.targets, temperatures, places)
            part = objective.loss(scored, want, weights, scores.reference[want.tokens], meter)
            part.backward()
            loss += part.item()
    return loss, [
        torch.zeros_like(item) if item.grad is None else item.grad.clone() for item in policy.parameters()
    ]


CONFIGS = {
    f"{estimator}-{aggregation}": LearnerConfig.model_validate(
        {
            "advantage": {"estimator": estimator, "gamma": 0.9},
            "loss": {"aggregation": aggregation},
            "kl": {"coefficient": 0.1, "first_turn_coefficient": 0.3 * (estimator == "score")},
        }
    )
    for estimator in ("grpo", "ppo_token", "ppo_turn", "score")
    for aggregation in ("token_mean", "sequence_mean", "turn_mean", "fixed_length")
}


@pytest.fixture(scope="module")
def whole(policy: Policy, batch: Batch) -> dict[str, tuple[float, list[torch.Tensor]]]:
    """Everything in one pass, for each config."""
    return {
        name: gradients(policy, config, batch, [list(range(len(batch.sequences)))], share=False)
        for name, config in CONFIGS.items()
    }


class Case:
    """The fixtures of the property test under one short name: hypothesis prints its arguments."""

    def __init__(self, policy: Policy, batch: Batch, whole: dict) -> None:
        self.policy, self.batch, self.whole = policy, batch, whole


@pytest.fixture(scope="module")
def case(policy: Policy, batch: Batch, whole: dict) -> Case:
    return Case(policy, batch, whole)


@settings(max_examples=20)
@given(
    name=st.sampled_from(sorted(CONFIGS)),
    owners=st.lists(st.integers(0, 2), min_size=9, max_size=9),
    budget=st.sampled_from([1, 30, 60, 1000]),
    share=st.booleans(),
)
def test_gradients_do_not_depend_on_the_split(
    case: Case, name: str, owners: list[int], budget: int, share: bool
) -> None:
    """In float64, whatever the ranks and passes: the same sums, up to what attention under a mask rounds."""
    ranks = [[index for index in range(9) if owners[index] == rank] for rank in range(3)]
    ranks = [members for members in ranks if members]
    loss, grads = gradients(case.policy, CONFIGS[name], case.batch, ranks, budget=budget, share=share)
    expected_loss, expected = case.whole[name]
    assert loss == pytest.approx(expected_loss, abs=1e-12)
    tolerance = (1e-6 if share else 1e-12) * max(item.abs().max().item() for item in expected)
    for mine, other in zip(grads, expected, strict=True):
        torch.testing.assert_close(mine, other, atol=tolerance, rtol=0)


def second_writing(policy: Policy, config: LearnerConfig, batch: Batch) -> torch.Tensor:
    """The same loss, episode by episode and turn by turn, with numpy for all that has no gradient."""
    by_turn = config.advantage.estimator == "ppo_turn"
    scores = scores_of(batch, by_turn)
    old, reference = scores.old.double().numpy(), scores.reference.double()
    values = scores.values.double().numpy()
    steps = []  # per item: advantage and target, computed below
    bounds = np.cumsum([0, *[turn.length for turn in batch.turns]])
    for episode in range(len(batch.groups)):
        mine = [index for index, turn in enumerate(batch.turns) if turn.episode == episode]
        items = mine if by_turn else [token for i in mine for token in range(bounds[i], bounds[i + 1])]
        if by_turn:
            rewards = [batch.turns[i].reward for i in mine]
        else:
            ends = {bounds[i + 1] - 1: batch.turns[i].reward for i in mine}
            rewards = [ends.get(token, 0.0) for token in items]
        following, trace, found = 0.0, 0.0, []
        for item, reward in zip(reversed(items), reversed(rewards), strict=True):
            error = reward + config.advantage.gamma * following - values[item]
            trace = error + config.advantage.gamma * config.advantage.lam * trace
            following = values[item]
            found.append((trace, trace + values[item]))
        steps += reversed(found)
    raw = np.array([advantage for advantage, _ in steps])
    advantages = (raw - raw.mean()) / (raw.std() + 1e-6)
    policy_terms, value_terms, kl_terms = [], [], []
    for index, turn in enumerate(batch.turns):
        ids = torch.tensor([batch.sequences[turn.sequence].ids[: turn.end]])
        hidden = policy.model.model(ids).last_hidden_state[0]
        table = (policy.model.lm_head.weight @ hidden.T / 0.8).T.log_softmax(-1)
        places = torch.arange(turn.start - 1, turn.end - 1)
        logprobs = table[places, ids[0, places + 1]]
        span = slice(bounds[index], bounds[index + 1])
        said = np.array(batch.sequences[turn.sequence].logprobs[turn.start : turn.end])
        kl = torch.exp(reference[span] - logprobs) - 1 - (reference[span] - logprobs)
        value = hidden[places] @ policy.value.weight[0] + policy.value.bias
        if by_turn:
            weight = np.where(np.arange(turn.start, turn.end) < turn.answer, 0.5, 1.0)
            ratio = torch.exp(((logprobs - torch.from_numpy(old[span])) * torch.from_numpy(weight)).sum())
            ratio, kl, value = ratio[None], kl.sum()[None], value[:1]
            corrected = [min(np.exp((old[span] - said).mean()), 2.0)]
            items = [index]
        else:
            ratio = torch.exp(logprobs - torch.from_numpy(old[span]))
            corrected = np.minimum(np.exp(old[span] - said), 2.0)
            items = range(span.start, span.stop)
        for place, item in enumerate(items):
            advantage, target = advantages[item], steps[item][1]
            worth = torch.minimum(ratio[place] * advantage, ratio[place].clamp(0.8, 1.2) * advantage)
            policy_terms.append(-worth * corrected[place])
            held = values[item] + (value[place] - values[item]).clamp(-0.2, 0.2)
            value_terms.append(0.5 * torch.maximum((value[place] - target) ** 2, (held - target) ** 2))
            kl_terms.append(kl[place])
    parts = (torch.stack(terms).mean() for terms in (policy_terms, value_terms, kl_terms))
    policy_loss, value_loss, kl_loss = parts
    return policy_loss + 0.5 * value_loss + 0.1 * kl_loss


@pytest.mark.parametrize("estimator", ["ppo_token", "ppo_turn"])
def test_ppo_against_a_second_writing(policy: Policy, batch: Batch, whole: dict, estimator: str) -> None:
    name = f"{estimator}-token_mean"
    policy.zero_grad()
    expected = second_writing(policy, CONFIGS[name], batch)
    expected.backward()
    loss, grads = whole[name]
    assert loss == pytest.approx(expected.item(), abs=1e-5)
    for mine, item in zip(grads, policy.parameters(), strict=True):
        torch.testing.assert_close(mine, item.grad, atol=1e-5, rtol=1e-4)


def flat_of(batch: Batch):
    return layout(batch.turns, len(batch.sequences))


def test_demo_recipe_compares_all_turns_of_a_group(make_episode) -> None:
    """Reward 1 on the solving turn, gamma 0.5: returns 0.5^(turns until solved) against the group's turns."""
    late = make_episode(([1], [5], 0.0), ([1, 5, 2], [6], 1.0))
    never = make_episode(([1], [7], 0.0))
    batch = gather([late, never])
    config = LearnerConfig.model_validate(
        {"advantage": {"gamma": 0.5, "baseline": "group_turns", "normalize": False}}
    )
    advantages, targets = estimate(config, batch, flat_of(batch), None)
    np.testing.assert_allclose(advantages, np.array([0.5, 1.0, 0.0]) - 0.5)
    assert targets is None


def test_rloo_leaves_its_own_episode_out(make_episode) -> None:
    batch = gather([make_episode(([1], [5, 6], reward)) for reward in (1.0, 0.0, 5.0)])
    config = LearnerConfig.model_validate({"advantage": {"estimator": "rloo"}})
    advantages, _ = estimate(config, batch, flat_of(batch), None)
    np.testing.assert_allclose(advantages, np.repeat([1 - 2.5, 0 - 3.0, 5 - 0.5], 2))


@pytest.mark.parametrize("estimator", ["grpo", "rloo", "reinforce++", "ppo_token", "ppo_turn", "score"])
def test_kl_in_the_reward_lowers_what_drifted(batch: Batch, estimator: str) -> None:
    """With gamma 0 an item's raw advantage moves by minus the coefficient times its own divergence."""
    results = []
    by_turn = estimator == "ppo_turn"
    for coefficient in (0.0, 0.5):
        config = LearnerConfig.model_validate(
            {
                "advantage": {"estimator": estimator, "gamma": 0.0, "normalize": False},
                "kl": {"coefficient": coefficient, "placement": "reward", "estimator": "k1"},
            }
        )
        results.append(estimate(config, batch, flat_of(batch), scores_of(batch, by_turn))[0])
    assert not np.allclose(*results)
    if estimator.startswith("ppo"):
        scores = scores_of(batch, by_turn)
        drift = (scores.old - scores.reference).double().numpy()
        if by_turn:
            drift = np.add.reduceat(drift, np.cumsum([0, *[t.length for t in batch.turns]])[:-1])
        np.testing.assert_allclose(results[1] - results[0], -0.5 * drift, atol=1e-6)


def test_retokenized_and_recomputed_behaviour_need_no_correction(policy: Policy, batch: Batch) -> None:
    config = CONFIGS["grpo-token_mean"]
    members = [list(range(9))]
    corrected, _ = gradients(policy, config, batch, members)
    recomputed, _ = gradients(policy, config.model_copy(update={"recompute_behaviour": True}), batch, members)
    for turn in batch.turns:
        turn.behaviour_known = False
    unknown, _ = gradients(policy, config, batch, members)
    for turn in batch.turns:
        turn.behaviour_known = True
    assert recomputed == pytest.approx(unknown)
    assert corrected != pytest.approx(unknown)


@pytest.mark.parametrize("stage", [1, 2])
def test_score_against_a_second_writing(policy: Policy, batch: Batch, stage: int) -> None:
    """An attempt is compared with the same one of the group's other episodes; two KL coefficients."""
    config = LearnerConfig.model_validate(
        {
            "advantage": {"estimator": "score", "score": {"stage": stage, "alpha": 3.0}},
            "loss": {"aggregation": "fixed_length", "aggregation_length": 1},
            "kl": {"coefficient": 0.1, "first_turn_coefficient": 0.4, "estimator": "k2"},
            "correction": {"mode": "none"},
        }
    )
    worth: dict[tuple[int, int], float] = {}
    for episode in range(len(batch.groups)):
        own = [turn.reward for turn in batch.turns if turn.episode == episode]
        for t, reward in enumerate(own):
            if t == 0:
                worth[episode, t] = 0.0 if stage == 1 else reward
            else:
                worth[episode, t] = reward if stage == 1 else 4.0 * reward
    scores, terms, at = scores_of(batch, by_turn=False), [], 0
    for turn in batch.turns:
        t = turn.index
        peers = [
            worth[other, t]
            for other in range(len(batch.groups))
            if batch.groups[other] == batch.groups[turn.episode]
            and other != turn.episode
            and (other, t) in worth
        ]
        advantage = worth[turn.episode, t] - np.mean(peers) if peers else 0.0
        ids = torch.tensor([batch.sequences[turn.sequence].ids[: turn.end]])
        hidden = policy.model.model(ids).last_hidden_state[0]
        table = (policy.model.lm_head.weight @ hidden.T / 0.8).T.log_softmax(-1)
        for place in range(turn.start, turn.end):
            logprob = table[place - 1, ids[0, place]]
            ratio = (logprob - scores.old[at]).exp()
            drift = logprob - scores.reference[at]
            beta = 0.5 if t == 0 else 0.1
            surrogate = torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage)
            terms.append(-surrogate + beta * 0.5 * drift**2)
            at += 1
    expected = torch.stack(terms).sum() / len(batch.turns)
    loss, _ = gradients(policy, config, batch, [list(range(len(batch.sequences)))], share=False)
    assert loss == pytest.approx(expected.item(), rel=1e-5)
