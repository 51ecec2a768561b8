"""The same GRPO update by TRL's own trainer, in TRL's virtual environment:
`training_trl.py CHECKPOINT EPISODES DEVICE PRECISION`.

What it would have sampled is given to it (ids, masks, advantages); everything after that is its own: batches,
loss, metrics, clipping, optimizer. A round is from its `on_step_begin` to its `on_step_end`. The settings are
its best on a CPU: no gradient checkpointing, 8 batches of 32; turns after the first are in the
completion with feedback masked out (`tool_mask`), as TRL has conversations with tools.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from benchmarks.alternating import Stopwatch
from benchmarks.training.data import GROUP, Sample, read

BATCH = 32


class Given(GRPOTrainer):
    """A trainer whose samples are there already."""

    samples: dict[str, torch.Tensor]
    norm: float = 0.0

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, torch.Tensor]:
        return dict(self.samples)

    def _get_grad_norm(self, *arguments: Any, **named: Any) -> Any:
        self.norm = super()._get_grad_norm(*arguments, **named)
        return self.norm


class Rounds(TrainerCallback):
    """One optimizer step per line."""

    def __init__(self, trainer: Given) -> None:
        self.trainer = trainer
        self.watch = Stopwatch()

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self.watch.wait()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.watch.report(grad_norm=float(self.trainer.norm))


def tensors(samples: Sequence[Sample]) -> dict[str, torch.Tensor]:
    """Prompts padded on the left, the rest on the right, all to the longest."""
    firsts = [sample.mask.index(1) for sample in samples]
    prompt, rest = max(firsts), max(len(s.ids) - first for s, first in zip(samples, firsts, strict=True))
    shape = {"prompt_ids": prompt, "prompt_mask": prompt}
    shape |= {"completion_ids": rest, "completion_mask": rest, "tool_mask": rest}
    made = {name: torch.zeros(len(samples), width, dtype=torch.long) for name, width in shape.items()}
    for row, (sample, first) in enumerate(zip(samples, firsts, strict=True)):
        after = len(sample.ids) - first
        made["prompt_ids"][row, prompt - first :] = torch.tensor(sample.ids[:first])
        made["prompt_mask"][row, prompt - first :] = 1
        made["completion_ids"][row, :after] = torch.tensor(sample.ids[first:])
        made["completion_mask"][row, :after] = 1
        made["tool_mask"][row, :after] = torch.tensor(sample.mask[first:])
    advantages = torch.tensor([sample.advantage for sample in samples])
    return made | {"advantages": advantages, "num_items_in_batch": made["tool_mask"].sum()}


def main() -> None:
    folder, data, device, precision = sys.argv[1:]
    torch.set_num_threads(1)
    samples = [one.merged() for one in read(Path(data))]
    with tempfile.TemporaryDirectory() as output:
        config = GRPOConfig(
            output_dir=output,
            per_device_train_batch_size=BATCH,
            gradient_accumulation_steps=len(samples) // BATCH,
            num_generations=GROUP,
            learning_rate=1e-4,
            lr_scheduler_type="constant",
            max_steps=1000,
            bf16=precision == "bf16",
            gradient_checkpointing=False,
            use_cpu=device == "cpu",
            beta=0.0,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        prompts = Dataset.from_list([{"prompt": f"w{at}"} for at in range(len(samples) // GROUP)])
        trainer = Given(folder, lambda **_: [0.0], config, prompts)
        trainer.samples = tensors(samples)
        trainer.add_callback(Rounds(trainer))
        trainer.train()


if __name__ == "__main__":
    main()
