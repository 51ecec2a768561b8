"""One way of one update in a process of its own:
`training_ways.py WAY CHECKPOINT EPISODES DEVICE PRECISION`.

The plain loops are what one writes without this package: padded batches in the given order, full logits,
one AdamW step. `one_by_one` is that with a sample at a time; `turn_by_turn` also has each turn in a context
of its own, so that what was said before is computed again for each. `paper` is a whole PPO update in the
manner of the paper's reference implementation: a turn is one action and one pass, first to learn its old
logprob and value, then in four epochs in random order with a step every 128; logits, log-softmax and hidden
states of all positions; a linear value head, and returns in place of GAE. It stays in float32, where the
reference is in bfloat16. `farfield_paper` is the learner's `ppo_turn` over the same turns, epochs and steps.
"""

import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import LlamaForCausalLM

from benchmarks.alternating import serve
from benchmarks.training.data import Episode, Sample, read
from farfield.trajectory.v1.trajectory_pb2 import Trajectory
from farfield.types.v1.types_pb2 import STATE_TERMINATED
from farfield_kernel.wire import floats_to_bytes, ids_to_bytes
from farfield_trainer.learning.algorithm_config import LearnerConfig
from farfield_trainer.learning.learner import Learner

RATE = 1e-4
PAPER = {
    "advantage": {"estimator": "ppo_turn", "gamma": 0.9},
    "loss": {"clip_low": 0.1, "clip_high": 0.1},
    "optimizer": {"learning_rate": RATE, "eps": 1e-7, "max_grad_norm": 0.01},
    "epochs": 4,
}
STEP = 128  # turns of an optimizer step in the paper
CPU_TOKENS, GPU_TOKENS = 2048, 32768  # of a forward pass

Update = Callable[[], dict[str, float]]


def trajectory(number: int, played: Episode) -> Trajectory:
    made = Trajectory(end=STATE_TERMINATED)
    made.spec.episode_id, made.spec.group = str(number), str(played.group)
    made.spec.sampling.temperature = 1.0
    before: list[int] = []
    for said in played.turns:
        turn = made.turns.add(
            prompt_ids=ids_to_bytes(before + said.new),
            response_ids=ids_to_bytes(said.response),
            logprobs=floats_to_bytes(said.logprobs),
            continues=bool(before),
        )
        turn.verdict.reward = played.reward if said is played.turns[-1] else 0.0
        before = before + said.new + said.response
    return made


def trajectories(played: Sequence[Episode]) -> list[Trajectory]:
    return [trajectory(number, one) for number, one in enumerate(played)]


@dataclass(frozen=True)
class Setup:
    folder: Path
    played: list[Episode]
    device: str
    precision: str

    def load(self) -> LlamaForCausalLM:
        return LlamaForCausalLM.from_pretrained(self.folder, dtype=torch.float32).to(self.device)

    def autocast(self) -> torch.autocast:
        return torch.autocast(
            torch.device(self.device).type, torch.bfloat16, enabled=self.precision == "bf16"
        )

    def synchronize(self) -> None:
        if self.device != "cpu":
            torch.cuda.synchronize()


def farfield(setup: Setup, **settings: Any) -> Update:
    tokens = CPU_TOKENS if setup.device == "cpu" else GPU_TOKENS
    common = {"optimizer": {"learning_rate": RATE}, "micro_batch_tokens": tokens}
    config = LearnerConfig.model_validate(common | {"precision": setup.precision} | settings)
    learner = Learner(config, setup.folder, seed=0, device=setup.device)
    consumed = trajectories(setup.played)
    return lambda: {"grad_norm": learner.update(consumed)["grad_norm"]}


def farfield_paper(setup: Setup) -> Update:
    turns = sum(len(one.turns) for one in setup.played)
    return farfield(setup, minibatches=round(turns / STEP), **PAPER)


class PlainLoop:
    """The clipped surrogate over padded batches, one AdamW step."""

    def __init__(self, setup: Setup, samples: Sequence[Sample], batch: int) -> None:
        self.setup = setup
        self.model = setup.load().train()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=RATE, weight_decay=0.0)
        self.samples, self.batch = samples, batch

    def update(self) -> dict[str, float]:
        total = sum(sum(sample.mask) for sample in self.samples)
        for start in range(0, len(self.samples), self.batch):
            self.accumulate(self.samples[start : start + self.batch], total)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return {"grad_norm": norm.item()}

    def accumulate(self, samples: Sequence[Sample], total: int) -> None:
        width = max(len(sample.ids) for sample in samples)
        ids, mask = (
            self.padded([s.ids for s in samples], width),
            self.padded([s.mask for s in samples], width),
        )
        seen = self.padded([[1] * len(sample.ids) for sample in samples], width)
        with self.setup.autocast():
            logits = self.model(ids, attention_mask=seen).logits
        logprobs = chosen(logits, ids)
        ratio = (logprobs - logprobs.detach()).exp()
        advantage = torch.tensor([[sample.advantage] for sample in samples], device=ids.device)
        terms = -torch.min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage)
        ((terms * mask[:, 1:]).sum() / total).backward()

    def padded(self, rows: Sequence[list[int]], width: int) -> Tensor:
        return torch.tensor([row + [0] * (width - len(row)) for row in rows], device=self.setup.device)


def chosen(logits: Tensor, ids: Tensor) -> Tensor:
    """[rows, length - 1] logprobs of all ids but the first."""
    return logits[:, :-1].float().log_softmax(-1).gather(-1, ids[:, 1:, None]).squeeze(-1)


class PaperLoop:
    """PPO with a turn as an action, a pass each."""

    def __init__(self, setup: Setup) -> None:
        self.device = setup.device
        self.model = setup.load()
        self.value = nn.Linear(self.model.config.hidden_size, 1, device=setup.device)
        self.parameters = [*self.model.parameters(), *self.value.parameters()]
        self.optimizer = torch.optim.Adam(self.parameters, lr=RATE, eps=1e-7)
        self.samples = by_turn(setup.played)
        left = [len(one.turns) - 1 - at for one in setup.played for at in range(len(one.turns))]
        rewards = [one.reward for one in setup.played for _ in one.turns]
        self.returns = torch.tensor(
            [reward * 0.9**turns for reward, turns in zip(rewards, left, strict=True)], device=setup.device
        )
        self.draw = random.Random(0)

    def update(self) -> dict[str, float]:
        with torch.no_grad():
            logprobs, values = map(torch.stack, zip(*map(self.look, self.samples), strict=True))
        advantages = self.returns - values
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-5)
        done, norm = 0, torch.zeros(())
        for _ in range(4):
            for at in self.draw.sample(range(len(self.samples)), len(self.samples)):
                loss = self.loss(self.samples[at], logprobs[at], values[at], advantages[at], self.returns[at])
                (loss / STEP).backward()
                done += 1
                if done % STEP == 0:
                    norm = nn.utils.clip_grad_norm_(self.parameters, 0.01)
                    self.optimizer.step()
                    self.optimizer.zero_grad()
        return {"grad_norm": norm.item()}

    def look(self, sample: Sample) -> tuple[Tensor, Tensor]:
        """The turn's logprob, and the value of its last prompt token."""
        ids = torch.tensor([sample.ids], device=self.device)
        said = self.model(ids, output_hidden_states=True)
        mask = torch.tensor(sample.mask[1:], device=self.device)
        prompt = len(sample.mask) - sum(sample.mask)
        value = self.value(said.hidden_states[-1][0, prompt - 1]).squeeze(-1)
        return (chosen(said.logits, ids)[0] * mask).sum(), value

    def loss(self, sample: Sample, old: Tensor, before: Tensor, advantage: Tensor, target: Tensor) -> Tensor:
        logprob, value = self.look(sample)
        ratio = (logprob - old).exp()
        surrogate = torch.min(ratio * advantage, ratio.clamp(0.9, 1.1) * advantage)
        held = before + (value - before).clamp(-0.1, 0.1)
        return 0.25 * torch.max((value - target) ** 2, (held - target) ** 2) - surrogate


def merged(played: Sequence[Episode]) -> list[Sample]:
    return [one.merged() for one in played]


def by_turn(played: Sequence[Episode]) -> list[Sample]:
    return [sample for one in played for sample in one.by_turn()]


WAYS: dict[str, Callable[[Setup], Update]] = {
    "farfield": farfield,
    "farfield_without_shared_prefixes": lambda setup: farfield(setup, share_prefixes=False),
    "plain_loop_32": lambda setup: PlainLoop(setup, merged(setup.played), 32).update,
    "one_by_one": lambda setup: PlainLoop(setup, merged(setup.played), 1).update,
    "turn_by_turn": lambda setup: PlainLoop(setup, by_turn(setup.played), 1).update,
    "farfield_paper": farfield_paper,
    "paper": lambda setup: PaperLoop(setup).update,
}


def main() -> None:
    way, folder, data, device, precision = sys.argv[1:]
    torch.set_num_threads(1)
    setup = Setup(Path(folder), read(Path(data)), device, precision)
    serve(WAYS[way](setup), setup.synchronize)


if __name__ == "__main__":
    main()
