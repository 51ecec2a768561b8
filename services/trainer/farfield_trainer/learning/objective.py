"""The reinforcement-learning objective of one update: from scored tokens to a loss.

Three policies meet here: behaviour (sampled in the engine), old (this model before the update) and current.
The surrogate is in current/old; old/behaviour enters as a truncated weight without gradient. Where an
update is one optimizer step and nothing needs old logprobs earlier, old is current without its gradient.

An item is what the surrogate counts: a token, or a turn with ppo_turn.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from farfield_trainer.learning import advantages as adv
from farfield_trainer.learning import losses, score
from farfield_trainer.learning.algorithm_config import KlConfig, LearnerConfig, ScoreConfig
from farfield_trainer.learning.layout import Layout, Wanted
from farfield_trainer.learning.meter import Meter
from farfield_trainer.learning.model import Scored
from farfield_trainer.learning.samples import Batch


@dataclass(slots=True)
class Scores:
    """What was said of a whole batch before its first step: `old`, `reference` [tokens], `values` [items]."""

    old: Tensor
    reference: Tensor | None
    values: Tensor | None


class Objective:
    """Advantages of a batch, and the loss of any part of it."""

    def __init__(
        self, config: LearnerConfig, batch: Batch, flat: Layout, scores: Scores | None, device: torch.device
    ) -> None:
        self._config = config
        self._flat = flat
        self._scores = scores
        self._device = device
        self._by_turn = config.advantage.by_turn
        self._behaviour, self._known = (self._tensor(array) for array in behaviour_logprobs(batch))
        self._coefficients = self._tensor(thought_coefficients(batch, config.turn_action.thought_coefficient))
        self._first_turn = self._tensor(first_turns(batch)) > 0
        self._kl_coefficients = self._tensor(kl_coefficients(batch, config.kl))
        advantages, targets = estimate(config, batch, flat, scores)
        self.figures = {
            "advantage_mean": float(advantages.mean()),
            "advantage_std": float(advantages.std()),
        }
        self._advantages = self._tensor(advantages)
        self._targets = None if targets is None else self._tensor(targets)

    def _tensor(self, array: adv.Floats) -> Tensor:
        return torch.from_numpy(array.astype(np.float32)).to(self._device)

    def weights(self, members: list[int]) -> Tensor:
        """[items of the batch] loss weights in a minibatch of the sequences `members`; 0 elsewhere."""
        flat, config = self._flat, self._config.loss
        turns_in = np.diff(flat.turn_runs)
        owners = flat.sequence_of_turn if self._by_turn else flat.sequence_of_token
        inside = np.isin(owners, members)
        totals = losses.Totals(int(inside.sum()), int(turns_in[members].sum()), len(members))
        weights = losses.item_weights(
            torch.from_numpy(np.ones_like(owners) if self._by_turn else flat.token_counts[flat.turn_of]),
            torch.from_numpy((turns_in if self._by_turn else np.diff(flat.token_runs))[owners]),
            totals,
            "turn_mean" if self._by_turn and config.aggregation == "fixed_length" else config.aggregation,
            config.aggregation_length,
        )
        return (weights * torch.from_numpy(inside)).to(self._device)

    def loss(
        self, scored: Scored, want: Wanted, weights: Tensor, reference: Tensor | None, meter: Meter
    ) -> Tensor:
        """The loss of one pass under the `weights` of its minibatch; figures go to the meter. `reference`
        [tokens of the pass] is needed for a KL term, unless the scores have it."""
        items = want.turns if self._by_turn else want.tokens
        weight = weights[items]
        total = (self._policy_terms(scored, want, items, meter) * weight).sum()
        meter.total("policy_loss", total)
        if self._scores is not None and self._scores.reference is not None:
            reference = self._scores.reference[want.tokens]
        if reference is not None:
            total = total + self._divergence(scored, want, weight, reference, meter)
        if self._targets is not None and scored.values is not None:
            total = total + self._value_loss(scored.values, items, weight, meter)
        meter.mean("entropy", scored.entropy)
        meter.total("loss", total)
        return total

    def _policy_terms(self, scored: Scored, want: Wanted, items: Tensor, meter: Meter) -> Tensor:
        current = scored.logprobs
        old = current.detach() if self._scores is None else self._scores.old[want.tokens]
        correction = self._correction(old, want, meter)
        if self._by_turn:
            coefficients = self._coefficients[want.tokens]
            current, old = (self._per_turn(each * coefficients, want) for each in (current, old))
        term = losses.surrogate(
            current,
            old,
            self._advantages[items],
            self._config.loss,
            clipped_only_above=self._config.turn_action.clipped_only_above if self._by_turn else 0.0,
        )
        meter.mean("clip_fraction", term.clipped.float())
        meter.mean("ratio_mean", term.ratio)
        meter.maximum("ratio_max", term.ratio)
        return term.loss * correction

    def _per_turn(self, values: Tensor, want: Wanted) -> Tensor:
        """[tokens of the pass] -> [turns of the pass], summed."""
        return losses.turn_sums(values, want.turn_of, len(want.turns))

    def _correction(self, old: Tensor, want: Wanted, meter: Meter) -> Tensor:
        """[items of the pass] weights old/behaviour; 1 where behaviour logprobs are unknown or not wanted."""
        config, limit = self._config.correction, self._config.loss.max_log_ratio
        known = self._known[want.tokens] > 0
        behaviour = torch.where(known, self._behaviour[want.tokens], old)
        log_ratio = (old - behaviour)[known]
        meter.mean("mismatch_k1", -log_ratio)
        meter.mean("mismatch_k3", losses.divergence(-log_ratio, torch.zeros_like(log_ratio), "k3", limit))
        meter.maximum("mismatch_ratio_max", log_ratio.abs().clamp_max(limit).exp())
        if self._config.recompute_behaviour:
            behaviour = old
        if self._by_turn:  # one action has one ratio
            config = config.model_copy(update={"level": "turn"})
        weights = losses.correction_weights(old, behaviour, want.turn_of, len(want.turns), config, limit)
        meter.mean("correction_mean", weights)
        meter.mean("correction_masked", (weights == 0).float())
        if self._by_turn:
            sizes = self._per_turn(torch.ones_like(weights), want)
            weights = self._per_turn(weights, want) / sizes
        return weights

    def _divergence(
        self, scored: Scored, want: Wanted, weight: Tensor, reference: Tensor, meter: Meter
    ) -> Tensor:
        config = self._config.kl
        kl = losses.divergence(scored.logprobs, reference, config.estimator, self._config.loss.max_log_ratio)
        meter.mean("kl", kl)
        if config.first_turn_coefficient:
            meter.mean("kl_first_turn", kl[self._first_turn[want.tokens]])
        if config.placement == "reward":
            return weight.new_zeros(())
        penalty = kl * self._kl_coefficients[want.tokens]
        return ((self._per_turn(penalty, want) if self._by_turn else penalty) * weight).sum()

    def _value_loss(self, values: Tensor, items: Tensor, weight: Tensor, meter: Meter) -> Tensor:
        assert self._scores is not None and self._scores.values is not None and self._targets is not None  # noqa: S101, PT018
        terms = losses.value_loss(
            values, self._scores.values[items], self._targets[items], self._config.value.clip
        )
        loss = (terms * weight).sum()
        meter.total("value_loss", loss)
        return self._config.value.coefficient * loss


def behaviour_logprobs(batch: Batch) -> tuple[adv.Floats, adv.Floats]:
    """[tokens] what the engine said, and 1 where it can be believed (0 for retokenized turns)."""
    said = [batch.sequences[turn.sequence].logprobs[turn.start : turn.end] for turn in batch.turns]
    known = [np.full(turn.length, float(turn.behaviour_known)) for turn in batch.turns]
    return np.concatenate(said), np.concatenate(known)


def thought_coefficients(batch: Batch, coefficient: float) -> adv.Floats:
    """[tokens] `coefficient` before a turn's answer, 1 from there on."""
    return np.concatenate(
        [np.where(np.arange(turn.start, turn.end) < turn.answer, coefficient, 1.0) for turn in batch.turns]
    )


def kl_coefficients(batch: Batch, config: KlConfig) -> adv.Floats:
    """[tokens] the weight of each token's divergence."""
    return config.coefficient + config.first_turn_coefficient * first_turns(batch)


def first_turns(batch: Batch) -> adv.Floats:
    """[tokens] 1 in the first turn of an episode, 0 after it."""
    return np.concatenate([np.full(turn.length, float(turn.index == 0)) for turn in batch.turns])


def estimate(
    config: LearnerConfig, batch: Batch, flat: Layout, scores: Scores | None
) -> tuple[adv.Floats, adv.Floats | None]:
    """Advantages [items], and the critic's targets [items] where there is a critic."""
    rewards = np.array([turn.reward for turn in batch.turns])
    owners = np.array([turn.episode for turn in batch.turns])
    lengths = np.bincount(owners, minlength=len(batch.groups))
    penalties = _penalties(config, batch, scores)
    settings = config.advantage
    if settings.needs_values:
        return _with_critic(config, flat, scores, rewards, lengths, penalties)
    if settings.estimator == "reinforce++":
        returns = adv.within_turn_returns(rewards, lengths, penalties, flat.token_counts, settings.gamma)
        return adv.whiten(returns), None
    if settings.estimator == "score":
        return np.repeat(_corrected(settings.score, batch, flat, rewards, penalties), flat.token_counts), None
    whole = adv.turn_rewards_with_tokens(rewards, penalties, flat.token_counts)
    returns = adv.discounted_returns(whole, lengths, settings.gamma)
    groups = np.array(batch.groups)
    if settings.estimator == "rloo":
        per_turn = adv.group_advantages(returns, lengths, groups, "leave_one_out", False)
    else:
        per_turn = adv.group_advantages(returns, lengths, groups, settings.baseline, settings.normalize)
    return np.repeat(per_turn, flat.token_counts), None


def _corrected(
    config: ScoreConfig, batch: Batch, flat: Layout, rewards: adv.Floats, penalties: adv.Floats
) -> adv.Floats:
    """[turns] SCoRe's advantages; a KL penalty in the reward stays with the attempt that it is of."""
    owners = np.array([turn.episode for turn in batch.turns])
    attempts = np.array([turn.index for turn in batch.turns])
    own = score.own_rewards(rewards, attempts, config)
    whole = adv.turn_rewards_with_tokens(own, penalties, flat.token_counts)
    return score.leave_one_out(whole, np.array(batch.groups)[owners], attempts)


def _penalties(config: LearnerConfig, batch: Batch, scores: Scores | None) -> adv.Floats:
    """[tokens] minus the KL term, where it belongs to the reward."""
    coefficients = kl_coefficients(batch, config.kl)
    if config.kl.placement != "reward" or scores is None or scores.reference is None:
        return np.zeros_like(coefficients)
    kl = losses.divergence(scores.old, scores.reference, config.kl.estimator, config.loss.max_log_ratio)
    return -coefficients * _array(kl)


def _array(tensor: Tensor) -> adv.Floats:
    return tensor.detach().cpu().numpy().astype(np.float64)


def _with_critic(
    config: LearnerConfig,
    flat: Layout,
    scores: Scores | None,
    rewards: adv.Floats,
    lengths: adv.Ints,
    penalties: adv.Floats,
) -> tuple[adv.Floats, adv.Floats]:
    assert scores is not None and scores.values is not None  # noqa: S101, PT018
    settings = config.advantage
    values = _array(scores.values)
    if settings.estimator == "ppo_token":
        steps = adv.token_rewards_with_turns(rewards, penalties, flat.token_counts)
        lengths = np.add.reduceat(flat.token_counts, np.cumsum(lengths) - lengths)
    else:
        steps = adv.turn_rewards_with_tokens(rewards, penalties, flat.token_counts)
    advantages = adv.generalized_advantages(steps, values, lengths, settings.gamma, settings.lam)
    return (adv.whiten(advantages) if settings.normalize else advantages), advantages + values
