"""The training loop of the tiny models: weighted likelihood, AdamW, warm-up and a cosine.

Deterministic for a seed, a thread count and a torch build.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tiny_models.transcript import Transcript
from tiny_models.words import PAD

Inputs = dict[str, Tensor]


@dataclass(frozen=True)
class Schedule:
    """Linear warm-up to `rate`, then a cosine down to a twentieth of it at `over` steps; training may stop
    before that, after `steps`."""

    steps: int
    over: int
    rate: float
    warmup: int = 50

    def at(self, step: int) -> float:
        if step < self.warmup:
            return self.rate * (step + 1) / self.warmup
        progress = (step - self.warmup) / (self.over - self.warmup)
        return self.rate * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * progress)))


def collate(transcripts: Sequence[Transcript], word_ids: Mapping[str, int]) -> tuple[Tensor, Tensor]:
    """Token ids and loss weights, both [batch, length], padded on the right."""
    length = max(len(transcript.words) for transcript in transcripts)
    ids = torch.full((len(transcripts), length), word_ids[PAD])
    weights = torch.zeros(len(transcripts), length)
    for row, transcript in enumerate(transcripts):
        size = len(transcript.words)
        ids[row, :size] = torch.tensor([word_ids[word] for word in transcript.words])
        weights[row, :size] = torch.tensor(transcript.weights)
    return ids, weights


def weighted_loss(model: Any, ids: Tensor, weights: Tensor, images: Inputs) -> Tensor:
    """Mean negative log-likelihood over weighted tokens. Padding comes last, so that causal attention
    needs no mask. `images`: what the model takes beside ids, nothing for a model of words alone."""
    logits = model(input_ids=ids[:, :-1], use_cache=False, **images).logits
    losses = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
    kept = weights[:, 1:].flatten()
    return (losses * kept).sum() / kept.sum()


def train(
    model: Any, schedule: Schedule, batch: Callable[[], tuple[Tensor, Tensor, Inputs]], every: int = 25
) -> None:
    """One optimizer step on each batch; says now and then how it goes."""
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.98), weight_decay=0.05)
    started = time.monotonic()
    for step in range(schedule.steps):
        for group in optimizer.param_groups:
            group["lr"] = schedule.at(step)
        loss = weighted_loss(model, *batch())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % every == 0 or step == schedule.steps - 1:
            done = f"step {step:4d} of {schedule.steps}   loss {loss.item():.4f}"
            print(f"{done}   {time.monotonic() - started:4.0f} s", flush=True)
