"""What the learner does with trajectories and demonstrations, as frozen data. Knows no torch."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from farfield_kernel.config import Config

Estimator = Literal["grpo", "rloo", "reinforce++", "ppo_token", "ppo_turn", "score"]
Baseline = Literal["group_turns", "group_episodes", "leave_one_out"]
Precision = Literal["fp32", "bf16", "fp64"]
PublishedDtype = Literal["auto", "base", "float32"]
Aggregation = Literal["token_mean", "sequence_mean", "turn_mean", "fixed_length"]


class ScoreConfig(Config):
    """SCoRe, for episodes of several attempts. `farfield_trainer.learning.score` has the formulas."""

    stage: Literal[1, 2] = 2
    """1: later attempts earn, the first one nothing; kl.first_turn_coefficient holds it to the base.
    2: every attempt earns, later ones also what they gained over the one before."""
    alpha: float = Field(default=10.0, ge=0)
    """Stage 2: weight of that gain; in expectation later attempts weigh 1 + alpha times the first.
    0: multi-turn REINFORCE, each attempt for itself."""


class AdvantageConfig(Config):
    """From rewards to advantages. `farfield_trainer.learning.advantages` has the formulas."""

    estimator: Estimator = "grpo"
    """ppo_token acts token by token, ppo_turn turn by turn, both with a critic; the others have none.
    The value after an episode's last turn is 0, also where its budget of turns was spent."""
    score: ScoreConfig = ScoreConfig()
    """score: which stage, and how strongly a correction is rewarded."""
    gamma: float = Field(default=1.0, ge=0, le=1)
    """Discount per turn; per trainable token with ppo_token. score has none."""
    lam: float = Field(default=0.95, ge=0, le=1)
    """Trace decay of generalized advantage estimation, for ppo_token and ppo_turn."""
    baseline: Baseline = "group_episodes"
    """grpo: what a turn's return is compared with in its group. rloo always leaves its own episode out."""
    normalize: bool = True
    """grpo: divide by the group's standard deviation (Dr. GRPO does not). PPO: whiten over the update.
    reinforce++ always whitens, rloo and score never."""

    @property
    def needs_values(self) -> bool:
        return self.estimator in ("ppo_token", "ppo_turn")

    @property
    def by_turn(self) -> bool:
        """Whether a turn is one action."""
        return self.estimator == "ppo_turn"


class TurnActionConfig(Config):
    """How ppo_turn sees a whole response as one action."""

    answer_key: str = ""
    """Text that opens the answer, for example '"formula"'. Tokens before its last occurrence are thought.
    Empty: everything is answer. A response without it is all thought."""
    thought_coefficient: float = Field(default=0.5, ge=0)
    """Weight of thought tokens in the turn's logprob; answer tokens weigh 1."""
    clipped_only_above: float = Field(default=10.0, ge=0)
    """A turn whose ratio is larger keeps only the clipped term. 0: off."""


class LossConfig(Config):
    """The clipped surrogate and how its terms are averaged over the update."""

    clip_low: float = Field(default=0.2, ge=0)
    """Ratios are clipped to [1 - clip_low, 1 + clip_high]."""
    clip_high: float = Field(default=0.2, ge=0)
    """Larger than clip_low leaves more room to raise unlikely tokens (clip-higher)."""
    dual_clip: float = Field(default=0.0, ge=0)
    """Bounds the loss of negative advantages at dual_clip x |advantage|. Above 1; 0: off."""
    max_log_ratio: float = Field(default=20.0, gt=0)
    """Log-ratios are clamped to this before they are exponentiated."""
    aggregation: Aggregation = "token_mean"
    """token_mean: each token counts the same. sequence_mean, turn_mean: the mean over sequences or turns of
    their token means. fixed_length: the token sum over turns x aggregation_length (Dr. GRPO).
    ppo_turn has one term per turn: token_mean, turn_mean and fixed_length are the mean over turns."""
    aggregation_length: int = Field(default=512, ge=1)
    """Tokens that fixed_length divides by."""

    @model_validator(mode="after")
    def _dual_clip_is_off_or_above_one(self) -> "LossConfig":
        if 0 < self.dual_clip <= 1:
            raise ValueError("dual_clip has to be above 1, or 0 to switch it off")
        return self


class ValueConfig(Config):
    """The critic of ppo_token and ppo_turn."""

    coefficient: float = Field(default=0.5, ge=0)
    """Weight of the value loss beside the policy loss."""
    clip: float = Field(default=0.2, ge=0)
    """How far a value may move from its old one before its loss stops falling. 0: off."""
    learning_rate: float | None = Field(default=None, gt=0)
    """Of the critic's head, on the optimizer's schedule; absent: the optimizer's. The head begins at 0 and
    hardly learns at the rates of real models (1e-6)."""


class KlConfig(Config):
    """Divergence from a frozen checkpoint."""

    coefficient: float = Field(default=0.0, ge=0)
    """On every trainable token: with token_mean, rewards are weighed against this times the divergence summed
    over a turn's tokens. Where this and the next are 0, no reference model is loaded."""
    first_turn_coefficient: float = Field(default=0.0, ge=0)
    """Added to it on the tokens of an episode's first turn."""
    placement: Literal["loss", "reward"] = "loss"
    """In the loss, or subtracted from the rewards before advantages are estimated."""
    estimator: Literal["k1", "k2", "k3"] = "k3"
    """k1 = log p/q, k2 = (log p/q)^2 / 2, k3 = q/p - 1 - log q/p, for policy p and reference q. In the loss,
    k2 has the gradient of KL(p || q), k3 that of KL(q || p), k1 none in the mean: it is for the reward."""

    reference: Path | None = None
    """The checkpoint, with the base's vocabulary: an absolute path where the trainer runs. Absent: the run's
    base; under an adapter the base is there already, and another checkpoint is a second model."""

    @field_validator("reference")
    @classmethod
    def _is_absolute(cls, value: Path | None) -> Path | None:
        if value and not value.is_absolute():
            raise ValueError("write an absolute path: it is read where the trainer runs")
        return value

    @model_validator(mode="after")
    def _k1_is_in_the_reward(self) -> "KlConfig":
        if self.estimator == "k1" and self.placement == "loss":
            raise ValueError("estimator k1 has in the mean no gradient in the loss: take k2 or k3")
        return self

    @property
    def needs_reference(self) -> bool:
        return self.coefficient > 0 or self.first_turn_coefficient > 0


class CorrectionConfig(Config):
    """Behaviour policy against old policy: the engine that sampled is not the model that is trained."""

    mode: Literal["none", "truncate", "mask"] = "truncate"
    """truncate: weight by min(old/behaviour, high). mask: the same weight, and 0 outside [low, high]."""
    level: Literal["token", "turn"] = "token"
    """Weigh each token by its own ratio, or all of a turn by its geometric mean ratio, as ppo_turn always
    does."""
    low: float = Field(default=0.5, ge=0)
    """mask: smaller ratios take no part."""
    high: float = Field(default=2.0, ge=1)
    """truncate: the largest weight. mask: larger ratios take no part."""


class OptimizerConfig(Config):
    """AdamW and its learning rate."""

    learning_rate: float = Field(default=2e-4, gt=0)
    """The rate after the warm-up."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Decay of the running means of the gradient and of its square."""
    eps: float = Field(default=1e-8, gt=0)
    """Added to the root of the second mean."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Decoupled; matrices only, never norms and biases."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """Longer gradients are scaled to this length."""
    schedule: Literal["constant", "cosine"] = "constant"
    """After the warm-up: hold, or fall to `min_learning_rate` at `total_steps` along a half cosine."""
    warmup_steps: int = Field(default=0, ge=0)
    """Optimizer steps over which the rate rises linearly from 0."""
    total_steps: int = Field(default=0, ge=0)
    """Optimizer steps of the whole run; needed by cosine."""
    min_learning_rate: float = Field(default=0.0, ge=0)
    """Where cosine ends."""

    @model_validator(mode="after")
    def _cosine_knows_its_end(self) -> "OptimizerConfig":
        if self.schedule == "cosine" and self.total_steps <= self.warmup_steps:
            raise ValueError("schedule cosine needs total_steps larger than warmup_steps")
        return self


class LoraConfig(Config):
    """Train a low-rank adapter (arXiv 2106.09685); the model's own weights stay as they are."""

    rank: int = Field(default=16, ge=1)
    """Rows of A and columns of B."""
    alpha: float = Field(default=32.0, gt=0)
    """The adapter's part is multiplied by alpha / rank."""
    target_modules: tuple[str, ...] = ()
    """Linear layers that get one, by the last part of their names, such as q_proj. Empty: every linear layer
    of the text model's layers."""
    dropout: Literal[0] = 0
    """None: the policy that is trained has to be the one that sampled."""
    publish: Literal["adapter", "merged"] = "adapter"
    """What a published version is: the adapter alone, or the whole model with it, for engines that take no
    adapters (TGI)."""


class LearnerConfig(Config):
    """Everything that decides how weights change."""

    advantage: AdvantageConfig = AdvantageConfig()
    turn_action: TurnActionConfig = TurnActionConfig()
    loss: LossConfig = LossConfig()
    value: ValueConfig = ValueConfig()
    kl: KlConfig = KlConfig()
    correction: CorrectionConfig = CorrectionConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    epochs: int = Field(default=1, ge=1)
    """Passes over the episodes of one update."""
    minibatches: int = Field(default=1, ge=1)
    """Optimizer steps per pass. Episodes of one group stay together."""
    micro_batch_tokens: int = Field(default=2048, ge=1)
    """Most tokens of one forward pass, padding included. A longer sequence goes alone. Changes memory and
    speed, never the result; small suits CPU caches, large suits GPUs."""
    share_prefixes: bool = True
    """Compute tokens that sequences of one update begin with in common only once. Same result, less work."""
    gradient_checkpointing: bool = False
    """Keep only what enters each layer, and compute the layer again on the way back: the same result, about a
    third more work, a fraction of the activations' memory."""
    precision: Precision = "fp32"
    """bf16: bfloat16 arithmetic over float32 master weights. fp64: everything in float64, slow, to tell a
    fault from rounding."""
    publish_dtype: PublishedDtype = "auto"
    """Of published weights. base: that of the checkpoint that the run started from. auto: the base's with
    precision bf16, else float32, in which the engine computes too. Adapters are always published in
    float32."""
    lora: LoraConfig | None = None
    """Absent: all weights are trained."""
    deterministic: bool = False
    """Deterministic kernels and one thread: the same inputs give the same weights bit for bit."""
    recompute_behaviour: bool = False
    """Use recomputed logprobs in place of the engine's: nothing then depends on how batches were decoded."""
